"""Alerts on their way out: where they go, and what the log says of them."""

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest

from bpstream.acknowledgements import SaidBook, Silencing, silence_of
from bpstream.alert import Alert
from bpstream.raised import Raised
from bpstream.stream.alerts import Alerts
from bpstream.stream.metrics import Metrics, total
from bpstream.stream.partitioner import partition_of
from tests.stream.helpers import TakesAll, an_alert


@pytest.fixture
def kafka() -> TakesAll:
    return TakesAll()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def alerts(kafka: TakesAll, metrics: Metrics) -> Alerts:
    publisher: Any = kafka
    return Alerts(publisher, topic="alerts", partitions=4, metrics=metrics)


async def test_an_alert_goes_to_its_topic_in_its_patients_partition(alerts, kafka):
    sent = [an_alert(patient_id=f"PAT-{n:03d}") for n in range(9)]
    await alerts.publish(sent)
    for alert in sent:
        home = partition_of(alert.patient_id.encode(), 4)
        values = [
            value
            for _, key, value in kafka.records("alerts", home)
            if key == alert.patient_id.encode()
        ]
        assert [msgspec.json.decode(value, type=Alert) for value in values] == [alert]


async def test_alerts_that_readings_raised_are_published_as_any_others(
    alerts, kafka, metrics, caplog
):
    caplog.set_level(logging.INFO)
    told = [an_alert(), an_alert(state="recovered", patient_id="PAT-007"), an_alert(rule="b")]
    await alerts.publish(told)
    one_by_one, lines = list(kafka.sent), list(caplog.messages)
    kafka.sent.clear()
    caplog.clear()
    await alerts.publish(Raised.of(told))
    assert (kafka.sent, caplog.messages) == (one_by_one, lines)
    assert total(metrics.alerts) == 2 * len(told)
    assert metrics.registry.get_sample_value("bpstream_alert_seconds_count") == 4


@pytest.mark.parametrize("raised", [list, Raised.of])
@pytest.mark.parametrize("named", [{"rule": "critical"}, {"patient_id": "PAT-003"}])
async def test_an_alert_that_a_person_silenced_is_marked_so_until_it_recovers(
    kafka, metrics, raised, named
):
    said, publisher = SaidBook(), cast("Any", kafka)
    now = time.time_ns() // 1000
    silence = silence_of(Silencing(by="A", minutes=5, **named), now=now)
    said.apply(silence.key, silence.encode())
    alerts = Alerts(publisher, topic="alerts", partitions=4, metrics=metrics, said=said)
    states = ["firing", "changed", "recovered"]
    told = [an_alert(state=state) for state in states] + [
        an_alert(rule="artefact", patient_id="PAT-009")
    ]
    await alerts.publish(raised(told))
    values = [record.value for sent in kafka.sent for record in sent.records]
    found = [msgspec.json.decode(value, type=Alert).silenced for value in values]
    assert found == [True, True, False, False]


async def test_an_alert_about_no_patient_has_its_rule_as_the_key(alerts, kafka):
    alert = an_alert(patient_id=None, rule="intake_paused")
    await alerts.publish([alert])
    ((_, _, (record,)),) = kafka.sent
    assert (record.key, record.value) == (b"intake_paused", alert.encode())


async def test_alerts_are_counted_by_rule_severity_and_state(alerts, metrics):
    await alerts.publish(
        [an_alert(), an_alert(), an_alert(state="recovered"), an_alert(rule="artefact")]
    )
    assert total(metrics.alerts, rule="critical", severity="high", state="firing") == 2
    assert total(metrics.alerts, state="recovered") == 1
    assert total(metrics.alerts, rule="artefact") == 1


async def test_nothing_to_tell_is_nothing_told(alerts, kafka, caplog):
    caplog.set_level(logging.INFO)
    await alerts.publish([])
    assert (kafka.sent, caplog.messages) == ([], [])


@pytest.mark.parametrize(
    ("changes", "level", "line"),
    [
        ({}, "WARNING", "alert 00000000000000ff firing: critical, high, patient PAT-003"),
        (
            {"state": "changed", "severity": "critical"},
            "INFO",
            "alert 00000000000000ff changed: critical, critical, patient PAT-003",
        ),
        (
            {"state": "recovered"},
            "INFO",
            "alert 00000000000000ff recovered: critical, high, patient PAT-003",
        ),
        (
            {"patient_id": None, "rule": "intake_paused", "kind": "technical"},
            "WARNING",
            "alert 00000000000000ff firing: intake_paused, high, technical",
        ),
    ],
)
async def test_an_alert_is_one_line_of_the_log_without_any_pressure(
    alerts, caplog, changes, level, line
):
    caplog.set_level(logging.INFO)
    await alerts.publish([an_alert(**changes)])
    assert [(record.levelname, record.message) for record in caplog.records] == [(level, line)]


@pytest.mark.parametrize(
    ("count", "lines", "more"), [(20, 20, []), (21, 21, [1]), (500, 21, [480])]
)
async def test_of_many_alerts_at_once_twenty_are_said_and_the_others_counted(
    alerts, kafka, caplog, count, lines, more
):
    caplog.set_level(logging.INFO)
    await alerts.publish([an_alert() for _ in range(count)])
    assert len(caplog.messages) == lines
    assert caplog.messages[20:] == [f"and {n} more alerts at once" for n in more]
    assert sum(len(sent.records) for sent in kafka.sent) == count


@pytest.mark.parametrize(
    ("changes", "observed"),
    [
        ({}, 1),
        ({"state": "changed"}, 0),
        ({"state": "recovered"}, 0),
        ({"state": "acknowledged"}, 0),
        ({"kind": "technical"}, 0),  # no reading tells of a silence
        ({"repeat": 1}, 0),
    ],
)
async def test_how_late_an_alert_is_counts_from_the_reading_that_made_it_fire(
    alerts, metrics, changes, observed
):
    taken = datetime.now(UTC) - timedelta(seconds=40)
    await alerts.publish([an_alert(taken_at=taken.isoformat(), **changes)])
    registry = metrics.registry
    assert registry.get_sample_value("bpstream_alert_seconds_count") == observed
    at_most = [
        registry.get_sample_value("bpstream_alert_seconds_bucket", {"le": le})
        for le in ("30.0", "60.0")
    ]
    assert at_most == [0, observed]


async def test_a_reading_from_the_future_is_not_told_before_it_was_taken(alerts, metrics):
    soon = datetime.now(UTC) + timedelta(minutes=5)
    await alerts.publish([an_alert(taken_at=soon.isoformat())])
    assert metrics.registry.get_sample_value("bpstream_alert_seconds_sum") == 0


@pytest.mark.parametrize(
    ("patient_id", "told"),
    [
        ("PAT-003", "PAT-003"),
        ("Ödön/7|x y", "Ödön/7|x y"),
        ("<script>", "<script>"),
        ("a\r\n2026-01-29 21:32:51,619 INFO    all is well", r"'a\r\n2026-01-29 21:32:51"),
        ("a\x00b", r"'a\x00b'"),
        ("\u202egnp.exe", r"'\u202egnp.exe'"),
        ("\x1b[2J", r"'\x1b[2J'"),
        ("x" * 4096, "x" * 100 + "…"),
    ],
)
async def test_an_id_cannot_forge_a_line_of_the_log(alerts, caplog, patient_id, told):
    await alerts.publish([an_alert(patient_id=patient_id)])
    (line,) = caplog.messages
    assert line.isprintable()
    assert line.startswith(f"alert 00000000000000ff firing: critical, high, patient {told}")
    assert len(line) < 200


async def test_a_log_that_is_collected_does_not_name_the_patient(kafka, metrics, caplog):
    publisher: Any = kafka
    alerts = Alerts(publisher, topic="alerts", partitions=4, metrics=metrics, log_patients=False)
    await alerts.publish([an_alert()])
    assert caplog.messages == ["alert 00000000000000ff firing: critical, high, physiological"]
