"""An alert that latches recovers once it was acknowledged, whatever happens in between."""

import pytest

from bpstream.alarms import Alarms
from bpstream.clinical.alarm_rule import Rule
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from bpstream.release import Release
from tests.pipeline.messages import Taken, a_pipeline, at, chunk, messages
from tests.pipeline.owner import Owner

LATCHES = Rule(
    name="high",
    title="High",
    severity=Severity.HIGH,
    when=parse("systolic > 140"),
    latch=True,
)


class Ward:
    """A patient's readings, and what was acknowledged of them."""

    def __init__(self, rule: Rule = LATCHES) -> None:
        alarms = Alarms([rule])
        self.owner = Owner(a_pipeline(alarms=alarms))
        self.acknowledged: set[tuple[str, str]] = set()
        self.release = Release(alarms, lambda *said: said in self.acknowledged)
        self._taken = 0

    def take(self, systolic: float) -> list[str]:
        """What becomes of the alert with this reading."""
        self._taken += 1
        before, minute = len(self.owner.alerts), self._taken
        reading = Taken(f"o{minute}", minute=minute, systolic=systolic)
        held = messages(reading, minute=minute)
        self.owner.take(chunk([each._replace(offset=minute) for each in held]))
        return [alert.state for alert in self.owner.alerts[before:]]

    def look(self, *, stored: bool = True) -> list[str]:
        """What becomes of it as it is looked at."""
        states = []
        for step in self.release.steps(self.owner.partition, now=at(30)):
            states += [alert.state for alert in step.alerts]
            if stored:
                self.owner.store(step)
        return states

    def acknowledge(self, severity: str = "high") -> None:
        self.acknowledged.add((self.owner.alerts[0].alert_id, severity))


def test_a_clear_alert_that_waited_for_it_recovers_once_somebody_acknowledged_it():
    ward = Ward()
    assert ward.take(150) == ["firing"]
    assert ward.take(120) == ward.look() == []
    ward.acknowledge()
    assert ward.look() == ["recovered"]
    assert ward.look() == []


def test_one_that_is_not_clear_yet_recovers_with_the_reading_that_is():
    ward = Ward()
    ward.take(150)
    ward.acknowledge()
    assert ward.look() == []
    assert ward.take(120) == ["recovered"]


def test_what_was_released_and_not_stored_is_released_again_after_a_crash():
    ward = Ward()
    ward.take(150)
    ward.take(120)
    ward.acknowledge()
    assert ward.look(stored=False) == ["recovered"]
    ward.owner.recover()
    assert ward.look() == ["recovered"]
    ward.owner.recover()
    assert ward.look() == []


@pytest.mark.parametrize("severity", ["low", "critical"])
def test_it_is_asked_for_at_the_severity_that_the_alert_has(severity):
    ward = Ward()
    ward.take(150)
    ward.take(120)
    ward.acknowledge(severity)
    assert ward.look() == []
