"""The recent readings of a row: which are told, in what order, and how they were judged."""

import json
from typing import Any

import numpy as np
import pytest

from bpstream.fhir.codes import Pressure
from bpstream.fhir.export import Interpretation, searchset
from bpstream.patients import AGGREGATE, RECENT, ROW
from bpstream.reading import Flag
from bpstream.stream.history import kept
from bpstream.stream.tables import PatientTable
from bpstream.stream.view import PatientView
from tests.fhir.messages import an_observation, component, concept, mmhg, parse, rows
from tests.pipeline.messages import Message, a_model, at, chunk
from tests.pipeline.owner import Owner
from tests.stream.helpers import TakesAll, always, counted, faust_app, nothing_to_read

NAN = float("nan")
S, D, M = Pressure
N, H, HH, L, LL = Interpretation


def a_row(*readings: dict[str, Any]) -> np.void:
    """A patient's row that holds the readings, in that order of their arrival."""
    row = np.zeros(1, ROW)
    for slot, reading in enumerate(readings):
        plain = {"identity": slot + 1, "systolic": 120, "diastolic": 80, "mean": NAN}
        for name, value in (plain | reading).items():
            row["recent"][name][0, slot] = value
    return row[0]


def identities(*readings: dict[str, Any]) -> list[int]:
    return [int(each.identity, 16) for each in kept(a_row(*readings))]


def judged(systolic: float, diastolic: float, mean: float | None = None) -> Any:
    """What a reading's pressures are told to be, after the whole pipeline has judged it."""
    (found,) = through(
        an_observation(
            component=[
                component(code, value)
                for code, value in (("8480-6", systolic), ("8462-4", diastolic), ("8478-0", mean))
                if value is not None
            ]
        )
    )
    return found.interpretations


def through(*observations: dict[str, Any], patient: str = "p1") -> Any:
    """What is kept once the pipeline has taken the Observations."""
    owner = Owner()
    arrived = at(24 * 60)
    held = [
        Message(offset, json.dumps(each).encode(), arrived)
        for offset, each in enumerate(observations)
    ]
    owner.take(chunk(held))
    row = owner.partition.patients.row(patient)
    assert row is not None
    return kept(row)


def test_the_newest_reading_is_first_whenever_it_arrived():
    assert identities({"taken_at": 5}, {"taken_at": 9}, {"taken_at": 7}) == [2, 3, 1]


def test_an_aggregate_is_left_out_and_so_is_a_place_without_a_reading():
    assert identities({"tags": AGGREGATE}, {"identity": 0}, {"tags": 0}) == [3]


def test_of_a_reading_that_was_corrected_the_highest_version_is_told():
    versions = [{"identity": 7, "version": n, "systolic": 120 + n} for n in (2, 3, 1)]
    (found,) = kept(a_row(*versions))
    assert (found.version, found.pressures[S]) == (3, 123.0)


def test_a_patient_without_a_reading_has_none():
    assert kept(a_row()) == []


async def test_the_view_gives_a_searchset_and_none_for_a_patient_never_seen():
    publisher: Any = TakesAll()
    table = PatientTable(
        faust_app(),
        changelog="log",
        publisher=publisher,
        read=nothing_to_read,
        is_member=always,
    )
    partition = table.store.partition(0)
    counted(partition, "p1", readings=1)
    partition.patients.rows["recent"][0] = a_row({"taken_at": 5}, {"taken_at": 9})["recent"]
    view = PatientView(table, (), a_model())
    bundle = view.history("p1")
    assert bundle == searchset("p1", kept(partition.patients.rows[0]))
    assert [each["resource"]["id"][-1] for each in bundle["entry"]] == ["2", "1"]
    assert view.history("p2") is None


def test_pressures_are_told_as_precisely_as_they_are_kept():
    (found,) = kept(a_row({"systolic": 140.3, "diastolic": 80.123}))
    assert found.pressures == {S: 140.3, D: 80.123}


@pytest.mark.parametrize(
    ("systolic", "diastolic", "mean", "told"),
    [
        (120, 80, (120 + 2 * 80) / 3, False),
        (349.9, 249.9, (349.9 + 2 * 249.9) / 3, False),
        (120, 80, 95, True),
        (120, 80, 93.34, True),
        (NAN, NAN, 95, True),
        (120, NAN, NAN, False),
    ],
)
def test_a_mean_is_told_where_it_was_measured_and_not_computed(systolic, diastolic, mean, told):
    (found,) = kept(a_row({"systolic": systolic, "diastolic": diastolic, "mean": mean}))
    assert (M in found.pressures) == told


@pytest.mark.parametrize(
    ("systolic", "diastolic", "interpretations"),
    [
        (120, 80, {S: N, D: N}),
        (140, 90, {S: N, D: N}),
        (141, 91, {S: H, D: H}),
        (179, 119, {S: H, D: H}),
        (180, 120, {S: HH, D: HH}),
        (185, 80, {S: HH, D: N}),
        (90, 60, {S: N, D: N}),
        (89, 59, {S: L, D: L}),
        (80, 40, {S: L, D: L}),
        (79, 40, {S: LL, D: L}),
        (200, 55, {S: HH, D: L}),
        (141, None, {S: H}),
        (None, 91, {D: H}),
    ],
)
def test_a_pressure_is_interpreted_by_the_rules_and_its_severity(
    systolic, diastolic, interpretations
):
    assert judged(systolic, diastolic) == interpretations


@pytest.mark.parametrize(("mean", "code"), [(54, LL), (55, None), (120, None)])
def test_a_measured_mean_is_interpreted_only_where_it_is_critical(mean, code):
    assert judged(120, 80, mean).get(M) == code


def test_no_rule_judges_a_child():
    born = {"resourceType": "Patient", "id": "c", "birthDate": "2020-01-01"}
    child = an_observation(
        200, 130, contained=[born | {"identifier": [{"value": "7"}]}], subject={"reference": "#c"}
    )
    (found,) = through(child, patient="|7")
    assert Flag.CHILD in found.flags
    assert found.interpretations == {}


@pytest.mark.parametrize(
    ("comparator", "bound", "interpretations"),
    [(">", 260, {S: HH}), (">", 139, {}), ("<", 95, {}), ("<", 79, {S: LL}), ("<", 85, {S: L})],
)
def test_of_a_bound_only_what_is_certain_is_told(comparator, bound, interpretations):
    value = mmhg(bound) | {"comparator": comparator}
    systolic = {"code": concept("8480-6"), "valueQuantity": value}
    (found,) = through(an_observation(component=[systolic, component("8462-4", 70)]))
    assert found.interpretations == interpretations


def test_what_the_pipeline_took_is_exported_and_read_back():
    pressures = [(120 + n, 80 - n) for n in range(RECENT + 4)]
    sent = [
        an_observation(s, d, id=f"o{n}", effectiveDateTime=f"2026-01-29T12:{n:02d}:00.5Z")
        for n, (s, d) in enumerate(pressures)
    ]
    bundle = searchset("p1", through(*sent))
    last = rows(parse(*sent).readings)[: -RECENT - 1 : -1]
    again = rows(parse(bundle).readings)
    told = [(r.patient_id, r.taken_at, r.systolic, r.diastolic, r.mean) for r in again]
    assert told == [(r.patient_id, r.taken_at, r.systolic, r.diastolic, r.mean) for r in last]
    assert bundle["total"] == RECENT
    halves = [each["resource"]["id"] for each in bundle["entry"]]
    assert halves == [each.document_id[:16] for each in last]
