"""Alerts of what is unusual for a patient, and of what a model expects: beyond a reading alone."""

import pytest

from bpstream.alarms import Alarms
from bpstream.clinical.alarm_rules import Rule
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from tests.pipeline.messages import RETRACTED, Taken, a_pipeline, chunk, messages
from tests.pipeline.owner import Owner

UNUSUAL = Rule(
    name="unusual",
    title="Unusual",
    severity=Severity.LOW,
    when=parse("deviation < -3 or deviation > 3"),
    until=parse("deviation > -2 and deviation < 2"),
)
EXPECTED = Rule(
    name="expected",
    title="Expected",
    severity=Severity.LOW,
    when=parse("hypotension_warning > 0.4 and systolic >= 90"),
    until=parse("hypotension_warning < 0.2"),
)
HIGH = Rule(name="high", title="High", severity=Severity.HIGH, when=parse("systolic > 190"))


class Feed:
    """One patient's readings, a minute apart, each in a chunk of its own."""

    def __init__(self, *rules):
        self.owner = Owner(a_pipeline(alarms=Alarms(rules)))
        self.readings = []

    def send(self, reading, *, minute):
        self.owner.alerts.clear()
        (message,) = messages(reading, minute=minute)
        self.owner.take(chunk([message._replace(offset=self.owner.fates.total())]))
        return [(alert.rule, alert.state) for alert in self.owner.alerts]

    def take(self, systolic, **changes):
        minute = len(self.readings)
        diastolic = round(systolic * 0.6)
        reading = Taken(
            f"r{minute}", minute=minute, systolic=systolic, diastolic=diastolic, **changes
        )
        self.readings.append(reading)
        return self.send(reading, minute=minute)

    def correct(self, *, version=1, **changes):
        """Correct the last reading."""
        reading = self.readings[-1]._replace(version=version, **changes)
        return self.send(reading, minute=len(self.readings))


@pytest.mark.parametrize(("before", "expected"), [(4, []), (5, [("unusual", "firing")])])
def test_what_is_unusual_is_told_once_there_is_a_usual(before, expected):
    feed = Feed(UNUSUAL)
    assert [feed.take(120) for _ in range(before)] == [[]] * before
    assert feed.take(180) == expected


def test_an_unusual_alert_explains_itself_and_ends_with_a_usual_reading():
    feed = Feed(UNUSUAL)
    for _ in range(8):
        feed.take(120)
    assert feed.take(60) == [("unusual", "firing")]
    (alert,) = feed.owner.alerts
    assert (alert.measure, alert.limit) == ("deviation", -3.0)
    assert alert.message == "Unusual: 60/36 mmHg, deviation limit -3"
    assert feed.take(120) == [("unusual", "recovered")]


def test_an_expected_state_is_told_from_the_models_probability():
    feed = Feed(EXPECTED)
    assert feed.take(95) == [("expected", "firing")]
    (alert,) = feed.owner.alerts
    assert (alert.measure, alert.limit) == ("hypotension_warning", 0.4)
    assert feed.take(160) == [("expected", "recovered")]


def test_of_a_patient_who_is_in_that_state_nothing_is_expected():
    assert Feed(EXPECTED).take(85) == []


def test_a_correction_neither_fires_nor_ends_what_the_last_readings_do_not_tell():
    feed = Feed(UNUSUAL, EXPECTED, HIGH)
    for _ in range(8):
        feed.take(120)
    assert feed.correct(systolic=200) == [("high", "firing")]
    assert feed.correct(version=2, systolic=200) == []
    assert feed.take(119) == [("high", "recovered")]
    assert feed.take(60) == [("unusual", "firing")]
    assert feed.correct(systolic=120) == []
    assert feed.correct(status=RETRACTED, version=2) == []
    assert feed.take(120) == [("unusual", "recovered")]
