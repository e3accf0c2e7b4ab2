"""Alerts, once a reading was corrected or taken back: as if it had come right at first."""

import json

import pytest

from bpstream.alarms import Alarms
from bpstream.clinical.alarm_rules import Delay, Rule, Severe
from bpstream.clinical.alarms import alert_id
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from bpstream.memory import identities
from bpstream.patients import RECENT
from tests.pipeline.messages import RETRACTED, Taken, a_pipeline, at, body, chunk, messages
from tests.pipeline.owner import Owner

RUN = Rule(
    name="run",
    title="Run",
    severity=Severity.MEDIUM,
    when=parse("systolic > 140.1"),
    delay=Delay(2),
    severe=Severe(parse("systolic >= 180"), Severity.CRITICAL),
)
PATIENT_LEAVES = Rule(
    name="lasting", title="Lasting", severity=Severity.LOW, when=parse("systolic > 140"), clear=20
)


def readings_of(systolics):
    """A reading each minute: `r0`, `r1` and so on."""
    return [Taken(f"r{n}", minute=n, systolic=each) for n, each in enumerate(systolics)]


def an_owner(*values, rule=RUN):
    """After readings, each of which arrived at once and in a chunk of its own."""
    owner = Owner(a_pipeline(alarms=Alarms([rule])))
    for number, value in enumerate(values):
        minute = value.minute if isinstance(value, Taken) else number
        take(owner, value, minute=minute)
    return owner


def take(owner, value, *, minute):
    """The alerts of a message that arrives so many minutes after noon."""
    owner.alerts.clear()
    offset = len(owner.asked) + owner.fates.total()
    (message,) = messages(value, minute=minute)
    owner.take(chunk([message._replace(offset=offset)]))
    return [(alert.state, alert.severity, alert.alert_id) for alert in owner.alerts]


def raised_by(reading):
    return f"{int(alert_id(RUN.name, identities([reading.document_id]))[0]):016x}"


def gone(reading):
    return reading._replace(status=RETRACTED)


def told(alerts, readings):
    """Alerts with the position of the reading they began with."""
    began = {raised_by(reading): n for n, reading in enumerate(readings)}
    return [(state, severity, began[alert]) for state, severity, alert in alerts]


@pytest.mark.parametrize(
    ("systolics", "withdrawn", "alerts"),
    [
        ([150], 0, []),
        ([190], 0, [("recovered", "critical", 0)]),
        ([150, 150], 0, [("recovered", "medium", 0)]),
        ([150, 150], 1, [("recovered", "medium", 0)]),
        ([150, 150, 150], 0, []),
        ([150, 150, 150], 1, []),
        ([150, 150, 150], 2, []),
        ([150, 150, 190], 2, [("changed", "medium", 0)]),
        ([150, 120, 150], 1, [("firing", "medium", 0)]),
        ([150, 150, 120], 2, [("firing", "medium", 0)]),
        ([150, 150, 120], 0, []),
        ([120, 120], 1, []),
    ],
)
def test_a_retraction_leaves_the_alerts_that_the_others_support(systolics, withdrawn, alerts):
    readings = readings_of(systolics)
    owner = an_owner(*readings)
    assert told(take(owner, gone(readings[withdrawn]), minute=60), readings) == alerts


@pytest.mark.parametrize(
    ("systolics", "corrected", "systolic", "alerts"),
    [
        # The newest one: fires, changes, recovers, or nothing.
        ([120], 0, 150, []),
        ([120], 0, 190, [("firing", "critical", 0)]),
        ([150, 120], 1, 150, [("firing", "medium", 0)]),
        ([150, 150], 1, 155, []),
        ([150, 150], 1, 190, [("changed", "critical", 0)]),
        ([150, 190], 1, 150, [("changed", "medium", 0)]),
        ([150, 150], 1, 120, [("recovered", "medium", 0)]),
        ([190], 0, 150, [("recovered", "critical", 0)]),
        ([190], 0, 190, []),
        # An older one never fires, and never makes anything worse.
        ([120, 150], 0, 150, []),
        ([120, 150], 0, 190, []),
        ([150, 150], 0, 155, []),
        ([150, 150], 0, 190, []),
        ([190, 150], 0, 150, [("changed", "medium", 0)]),
        ([150, 150], 0, 120, [("recovered", "medium", 0)]),
    ],
)
def test_a_correction_changes_alerts_as_its_value_asks(systolics, corrected, systolic, alerts):
    readings = readings_of(systolics)
    correction = readings[corrected]._replace(version=1, systolic=systolic)
    owner = an_owner(*readings)
    assert told(take(owner, correction, minute=len(readings)), readings) == alerts


@pytest.mark.parametrize(
    ("systolics", "systolic", "alerts"),
    [
        ([120], 190, []),
        ([150, 120], 150, []),
        ([150, 150], 190, []),
        ([150, 150], 150, []),
        ([150, 150], 155, []),
        ([150, 150], 120, [("recovered", "medium", 0)]),
    ],
)
def test_a_correction_that_comes_late_ends_alerts_and_begins_none(systolics, systolic, alerts):
    readings = readings_of(systolics)
    correction = readings[-1]._replace(version=1, systolic=systolic)
    owner = an_owner(*readings)
    assert told(take(owner, correction, minute=60), readings) == alerts
    assert owner.documents()[-1].flags == ["late"]


def test_a_reading_that_was_confirmed_late_is_still_part_of_its_run():
    first, second = readings_of([150, 150])
    owner = an_owner(first, first._replace(version=1, status="amended"))
    assert told(take(owner, second, minute=1), [first]) == [("firing", "medium", 0)]


def test_a_correction_of_the_time_moves_a_reading_within_its_run():
    readings = readings_of([150, 120, 150])
    moved = readings[1]._replace(version=1, minute=2.5)
    owner = an_owner(*readings)
    assert told(take(owner, moved, minute=3), readings) == []
    assert told(take(owner, gone(moved), minute=3), readings) == [("firing", "medium", 0)]


@pytest.mark.parametrize(("systolic", "alerts"), [(150, [("firing", "medium", 0)]), (120, [])])
def test_a_run_with_an_older_correction_in_it_waits_for_the_next_reading(systolic, alerts):
    readings = readings_of([120, 150])
    owner = an_owner(*readings, readings[0]._replace(version=1, systolic=150))
    following = Taken("r2", minute=2, systolic=systolic)
    assert told(take(owner, following, minute=2), readings) == alerts


def test_a_reading_that_comes_back_fires_again():
    readings = readings_of([190])
    owner = an_owner(*readings, gone(readings[0]))
    again = readings[0]._replace(version=1)
    assert told(take(owner, again, minute=1), readings) == [("firing", "critical", 0)]


def test_an_alert_goes_on_to_recover_with_the_id_it_had():
    readings = readings_of([150, 150, 150])
    owner = an_owner(*readings, gone(readings[0]))
    recovery = take(owner, Taken("r3", minute=3), minute=3)
    assert told(recovery, readings) == [("recovered", "medium", 0)]


def test_what_a_correction_fired_recovers_once():
    readings = readings_of([150, 120])
    owner = an_owner(*readings, readings[1]._replace(version=1, systolic=150))
    assert told(take(owner, Taken("r2", minute=3), minute=3), readings) == [
        ("recovered", "medium", 0)
    ]
    assert take(owner, Taken("r3", minute=4), minute=4) == []


def test_a_reading_on_its_way_with_the_correction_before_it_counts_after_it():
    first, second = readings_of([150, 150])
    owner = an_owner(first)
    correction = first._replace(version=1, systolic=120)
    assert take(owner, body(correction, second), minute=1) == []


# What is not known any longer changes nothing.


def test_an_alert_that_began_before_the_known_readings_stays():
    readings = readings_of([150] + [120] * (RECENT + 2))
    owner = an_owner(*readings, rule=PATIENT_LEAVES)
    assert take(owner, gone(readings[-1]), minute=60) == []
    assert take(owner, gone(readings[-2]), minute=60) == []


def test_an_aggregate_among_the_known_readings_does_not_make_the_others_all():
    readings = readings_of([150] + [120] * (RECENT + 1))
    aggregate = Taken("mean", minute=RECENT + 2, aggregate=True)
    owner = an_owner(*readings, aggregate, rule=PATIENT_LEAVES)
    assert take(owner, gone(readings[-1]), minute=60) == []


def above(reading):
    """The reading, of which only the lowest value of the systolic pressure is known."""
    observation = reading.observation()
    observation["component"][0]["valueQuantity"]["comparator"] = ">"
    return json.dumps(observation).encode()


def test_an_alert_that_a_bound_raised_is_not_ended_by_the_correction_of_another_reading():
    first, bound = readings_of([120, 200])
    owner = an_owner(first, above(bound))
    assert take(owner, gone(first), minute=2) == []
    assert told(take(owner, gone(bound), minute=2), [first, bound]) == [
        ("recovered", "critical", 1)
    ]


@pytest.mark.parametrize("corrected", [120, 130])
def test_a_pressure_on_the_limit_is_on_it_when_it_is_looked_at_again(corrected):
    # In 32 bits 140.1 is a little more.
    readings = readings_of([120, 140.1, 140.1])
    owner = an_owner(*readings)
    correction = readings[0]._replace(version=1, systolic=corrected)
    assert take(owner, correction, minute=2) == []
    assert take(owner, gone(readings[0]), minute=2) == []


# What is said.


def alert_after(*values):
    (alert,) = an_owner(*values).alerts
    return alert


def test_an_alert_that_a_correction_raised_explains_itself():
    reading = Taken("r0", minute=2)
    alert = alert_after(reading, reading._replace(version=1, systolic=190))
    assert alert.patient_id == "p1"
    assert alert.document_id == reading.document_id
    assert (alert.systolic, alert.diastolic, alert.mean) == (190, 80, 116.67)
    assert (alert.measure, alert.limit) == ("systolic", 180)
    assert alert.since == alert.taken_at == "2026-01-29T12:02:00.000000Z"
    assert alert.message == (
        "Run: 190/80 mmHg, systolic limit 180; a reading was corrected or withdrawn"
    )


def test_an_alert_that_a_retraction_ended_names_the_reading_and_the_last_one():
    first, second = readings_of([150, 150])
    alert = alert_after(first, second, gone(second))
    assert (alert.state, alert.document_id) == ("recovered", second.document_id)
    assert (alert.since, alert.taken_at) == (
        "2026-01-29T12:00:00.000000Z",
        "2026-01-29T12:00:00.000000Z",
    )
    assert (alert.systolic, alert.measure, alert.limit) == (None, None, None)
    assert alert.message == "Run: over; a reading was corrected or withdrawn"


def test_an_alert_about_the_only_reading_ends_at_its_own_time():
    (only,) = readings_of([190])
    alert = alert_after(only, gone(only))
    assert alert.taken_at == alert.since


def test_a_crash_between_the_alert_and_its_step_says_the_same_again():
    readings = readings_of([150, 150])
    owner = an_owner(*readings)
    owner.alerts.clear()
    held = chunk([each._replace(offset=9) for each in messages(gone(readings[0]), minute=60)])
    owner.take(held, crash_after=0, torn=True)
    owner.take(held)
    first, again = owner.alerts
    assert first == again
    assert at(0) == owner.partition.patients.row("p1")["recent"][0]["taken_at"]
