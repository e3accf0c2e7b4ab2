"""Silence: who is missed, when, and that it is said once over restarts and late readings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream import silence as silences
from bpstream.alarms import Alarms
from bpstream.clinical.alarm_rules import Kind, Rule, Severe
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from bpstream.patients import READING, RECENT
from bpstream.silence import Silence, usual_gap
from tests.pipeline.messages import MINUTE, RETRACTED, Taken, a_pipeline, at, chunk, messages
from tests.pipeline.owner import Owner

STALE = Rule(
    name="stale",
    title="No reading",
    kind=Kind.TECHNICAL,
    severity=Severity.LOW,
    when=parse("silence >= 30 and missed >= 4 or silence >= 720"),
    severe=Severe(parse("silence >= 1440"), Severity.HIGH),
)
HIGH = Rule(name="high", title="High", severity=Severity.MEDIUM, when=parse("systolic > 140"))


class Ward:
    """Patients' readings, and somebody who looks at the clock."""

    def __init__(self) -> None:
        alarms = Alarms([HIGH, STALE])
        self.owner, self.silence = Owner(a_pipeline(alarms=alarms)), Silence(alarms)

    def take(self, reading, *, arrives=None):
        """The alerts of a reading that arrives at once, or so many minutes after noon."""
        self.owner.alerts.clear()
        minute = reading.minute if arrives is None else arrives
        (message,) = messages(reading, minute=minute)
        self.owner.take(chunk([message._replace(offset=self.owner.fates.total())]))
        return [(each.rule, each.state) for each in self.owner.alerts]

    def every(self, minutes, *, count=5, patient="p1", **changes):
        """So many readings of a patient from noon on; the last one's minute."""
        for nth in range(count):
            reading = Taken(f"{patient}-{nth}", patient, minute=nth * minutes, **changes)
            self.take(reading)
        return (count - 1) * minutes

    def look(self, minute, *, stores=True):
        """What is found so many minutes after noon."""
        alerts = []
        for step in self.silence.steps(self.owner.partition, now=at(minute)):
            alerts += step.alerts
            if stores:
                self.owner.store(step)
        return alerts


def told(alerts):
    return [(each.patient_id, each.state, each.severity) for each in alerts]


@pytest.mark.parametrize(
    ("gap", "silent", "fires"),
    [
        (10, 39, False),
        (10, 40, True),  # four usual gaps
        (5, 29, False),
        (5, 30, True),  # the least
        (600, 719, False),
        (600, 720, True),  # long, whatever the gap
    ],
)
def test_a_patient_is_missed_after_some_usual_gaps_or_a_set_time(gap, silent, fires):
    ward = Ward()
    last = ward.every(gap)
    expected = [("p1", "firing", "low")] if fires else []
    assert told(ward.look(last + silent)) == expected


def test_an_alert_of_silence_explains_itself():
    ward = Ward()
    last = ward.every(10)
    (alert,) = ward.look(last + 47)
    assert (alert.kind, alert.rule, alert.measure, alert.limit) == (
        "technical",
        "stale",
        "silence",
        30.0,
    )
    assert alert.message == "No reading: 47 min since the last, silence limit 30"
    assert (alert.since, alert.taken_at) == (
        "2026-01-29T12:40:00.000000Z",
        "2026-01-29T13:27:00.000000Z",
    )
    assert (alert.systolic, alert.document_id) == (None, None)


@pytest.mark.parametrize(
    ("count", "changes"),
    [(3, {}), (5, {"aggregate": True})],
    ids=["too few to have a usual gap", "aggregates"],
)
def test_some_patients_are_not_missed(count, changes):
    ward = Ward()
    ward.every(10, count=count, **changes)
    assert ward.look(2000) == []


def test_one_whose_last_reading_came_late_is_not_missed():
    ward = Ward()
    ward.every(10)
    ward.take(Taken("late", minute=50), arrives=90)
    assert ward.look(2000) == []


def test_silence_is_said_once_and_again_only_where_it_becomes_severe():
    ward = Ward()
    last = ward.every(10)
    assert told(ward.look(last + 60)) == [("p1", "firing", "low")]
    assert ward.look(last + 61) == ward.look(last + 1439) == []
    assert told(ward.look(last + 1440)) == [("p1", "changed", "high")]
    assert ward.look(last + 1500) == []


def test_the_next_reading_ends_it_and_the_next_silence_is_another_alert():
    ward = Ward()
    last = ward.every(10)
    (first,) = ward.look(last + 60)
    assert ward.take(Taken("back", minute=last + 61, systolic=150)) == [
        ("high", "firing"),
        ("stale", "recovered"),
    ]
    assert ward.owner.alerts[1].alert_id == first.alert_id
    assert ward.look(last + 62) == []
    (second,) = ward.look(last + 121)
    assert second.alert_id != first.alert_id


def test_a_reading_that_comes_late_ends_it_when_it_is_looked_at_again():
    ward = Ward()
    last = ward.every(10)
    (fired,) = ward.look(last + 60)
    assert ward.take(Taken("late", minute=last + 55), arrives=last + 71) == []
    (over,) = ward.look(last + 72)
    assert (over.state, over.alert_id) == ("recovered", fired.alert_id)
    assert over.message == "No reading: 17 min since the last, over"


def test_a_last_reading_that_was_taken_back_makes_the_silence_longer():
    ward = Ward()
    last = ward.every(10)
    assert ward.look(last + 25) == []
    ward.take(Taken("p1-4", minute=last, status=RETRACTED), arrives=last + 26)
    assert told(ward.look(last + 30)) == [("p1", "firing", "low")]


def test_an_owner_that_crashes_says_it_again_as_the_same_event_and_the_next_not_at_all():
    ward = Ward()
    last = ward.every(10)
    (lost,) = ward.look(last + 60, stores=False)
    ward.owner.recover()
    (again,) = ward.look(last + 61)
    assert lost.key == again.key
    ward.owner.recover()
    assert ward.look(last + 62) == []


def test_many_silent_patients_are_said_in_steps_that_a_batch_can_hold(monkeypatch):
    monkeypatch.setattr(silences, "MOST_ROWS", 2)
    ward = Ward()
    for nth in range(5):
        ward.every(10, patient=f"p{nth}")
    steps = list(ward.silence.steps(ward.owner.partition, now=at(200)))
    assert [len(step.rows) for step in steps] == [2, 2, 1]
    assert len({step.checkpoint.stamp for step in steps}) == 3


def test_without_a_rule_about_silence_nobody_is_looked_at():
    ward = Ward()
    ward.every(10)
    assert not list(Silence(Alarms([HIGH])).steps(ward.owner.partition, now=at(9999)))


@given(st.lists(st.integers(0, 5000), max_size=RECENT, unique=True))
def test_the_usual_gap_is_the_median(minutes):
    recent = np.zeros((1, RECENT), READING)
    recent["identity"][0, : len(minutes)] = 1
    recent["taken_at"][0, : len(minutes)] = np.array(minutes, np.int64) * MINUTE
    expected = np.median(np.diff(sorted(minutes))) * MINUTE if len(minutes) >= 4 else np.nan
    assert np.array_equal(usual_gap(recent), [expected], equal_nan=True)
