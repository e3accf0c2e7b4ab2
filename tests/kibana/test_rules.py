"""Each rule, asked of a real Elasticsearch, fires when it must and not otherwise."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from bpstream.document import Entry
from bpstream.kibana.conditions import CRITICAL, DIASTOLIC, SYSTOLIC
from bpstream.kibana.ids import Ids
from bpstream.kibana.rules import (
    CRITICAL_RULE,
    DIASTOLIC_RULE,
    SPIKE_RULE,
    SYSTOLIC_RULE,
    rules,
)
from tests.kibana.conftest import Fill
from tests.kibana.kuery import to_query
from tests.kibana.ruled import fires
from tests.kibana.ward import microseconds
from tests.sinks.helpers import an_entry

pytestmark = pytest.mark.services

DAY = datetime(2026, 10, 5, tzinfo=UTC)
MS = timedelta(milliseconds=1)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)

ALL_THREE = {CRITICAL_RULE, DIASTOLIC_RULE, SYSTOLIC_RULE}
CHILD, AGGREGATE = {"flags": ["child"]}, {"kind": "aggregate"}

# One reading: systolic, diastolic, how long before the rules run, what else it is; and the
# rules on single readings that fire.
READINGS: list[tuple[float | None, float | None, timedelta, dict[str, Any], set[str]]] = [
    (140, 90, SECOND, {}, set()),
    (141, 90, SECOND, {}, {SYSTOLIC_RULE}),
    (140, 91, SECOND, {}, {DIASTOLIC_RULE}),
    (141, 91, SECOND, {}, ALL_THREE),
    (140.1, 90.1, SECOND, {}, ALL_THREE),
    (180, 60, SECOND, {}, {SYSTOLIC_RULE}),
    (85, 55, SECOND, {}, set()),
    (150, None, SECOND, {}, {SYSTOLIC_RULE}),
    (None, 95, SECOND, {}, {DIASTOLIC_RULE}),
    (150, 95, SECOND, AGGREGATE, set()),
    (150, 95, SECOND, CHILD, set()),
    (150, 95, SECOND, {"flags": ["late", "no_zone"]}, ALL_THREE),
    # In the last minute, and out of it.
    (150, 95, MINUTE, {}, ALL_THREE),
    (150, 95, MINUTE + MS, {}, set()),
    (150, 95, 0 * MS, {}, ALL_THREE),
    (150, 95, -MS, {}, set()),
]

# How many anomalies within the last five minutes, and one more: how long before the rule
# runs, and what it is; and whether the spike is told.
ANOMALY = {"anomaly_type": "hypotension"}
SPIKES: list[tuple[int, timedelta, dict[str, Any], bool]] = [
    (19, SECOND, ANOMALY, False),
    (20, SECOND, ANOMALY, True),
    (20, 5 * MINUTE, ANOMALY, True),
    (20, 5 * MINUTE + MS, ANOMALY, False),
    (20, MS, ANOMALY, True),
    (20, 0 * MS, ANOMALY, False),
    (20, SECOND, {"anomaly_type": "normal"}, False),
    (20, SECOND, {"anomaly_type": None}, False),
    (40, SECOND, ANOMALY, True),
]


def scene(number: int) -> datetime:
    """When the rules run for a row of a table: each has an hour of its own."""
    return DAY + number * timedelta(hours=1)


def spike_scene(number: int) -> datetime:
    return scene(len(READINGS) + number)


def entries() -> Iterator[Entry]:
    """The documents of both tables."""
    number = 0
    for row, (systolic, diastolic, before, more, _) in enumerate(READINGS):
        pressures = {"systolic_pressure": systolic, "diastolic_pressure": diastolic}
        yield an_entry(
            (number := number + 1),
            taken_at=microseconds(scene(row) - before),
            **({"flags": []} | pressures | more),
        )
    for row, (count, before, more, _) in enumerate(SPIKES):
        run = spike_scene(row)
        steady = [(5 * MINUTE - SECOND) * (each + 1) / (count + 1) for each in range(count)]
        for ago, what in (*((each, ANOMALY) for each in steady), (before, more)):
            low = {"systolic_pressure": 80.0, "diastolic_pressure": 50.0}
            yield an_entry((number := number + 1), taken_at=microseconds(run - ago), **(low | what))


@pytest.fixture(scope="module")
def alias(filled: Fill) -> str:
    return filled(entries())


def bodies(alias: str) -> dict[str, dict[str, Any]]:
    return {each.name: each.body for each in rules(Ids(alias))}


@pytest.mark.parametrize("row", range(len(READINGS)), ids=lambda row: str(READINGS[row][:4]))
def test_a_reading_fires_the_rules_it_meets_and_no_other(client: Elasticsearch, alias, row):
    *_, expected = READINGS[row]
    single = {name: body for name, body in bodies(alias).items() if name != SPIKE_RULE}
    found = {name for name, body in single.items() if fires(client, body, scene(row))}
    assert found == expected


@pytest.mark.parametrize("row", range(len(SPIKES)), ids=lambda row: str(SPIKES[row][:3]))
def test_more_than_twenty_anomalies_in_five_minutes_are_a_spike(client: Elasticsearch, alias, row):
    *_, expected = SPIKES[row]
    assert fires(client, bodies(alias)[SPIKE_RULE], spike_scene(row)) is expected


@pytest.mark.parametrize("condition", [CRITICAL, DIASTOLIC, SYSTOLIC], ids=lambda each: each.kuery)
def test_a_view_finds_the_readings_of_its_rule(client: Elasticsearch, alias, condition):
    """What the views ask in KQL, the rules ask as an Elasticsearch query."""

    def found(query: dict[str, Any]) -> set[str]:
        answer = client.search(index=alias, query=query, size=1000, source=False)
        return {hit["_id"] for hit in answer["hits"]["hits"]}

    assert found(to_query(condition.kuery)) == found(condition.query) != set()


def test_a_rule_recovers_once_the_window_has_passed(client: Elasticsearch, alias):
    now = scene(READINGS.index((141, 91, SECOND, {}, ALL_THREE)))
    critical = bodies(alias)[CRITICAL_RULE]
    assert [fires(client, critical, now + each * MINUTE) for each in range(3)] == [
        True,
        False,
        False,
    ]


def test_a_rule_on_an_alias_that_is_not_there_yet_does_not_fire(client: Elasticsearch):
    for body in bodies("bp-of-nobody").values():
        assert not fires(client, body, DAY)
