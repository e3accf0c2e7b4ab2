"""An alarm rule: what fires, when, how severely and until when."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from zlib import crc32

from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import OF_SILENCE, OF_THE_WARD, Atom, Condition

SLOTS = 10
"""Most rules of patients there can be: a patient's row has so many places for alerts."""

BUCKET = 10
"""Seconds: what a rule of the ward counts is counted in buckets of so many."""

MOST_READINGS = 255
"""Most readings a rule may wait for: a slot counts them in one byte."""


class Kind(StrEnum):
    """What an alert is about: the patient, or the measuring."""

    PHYSIOLOGICAL = "physiological"
    TECHNICAL = "technical"


class Scope(StrEnum):
    """What a rule judges: each reading, a patient's silence, or all readings of the ward."""

    READINGS = "readings"
    SILENCE = "silence"
    WARD = "ward"


class Delay(NamedTuple):
    """How long a run of offending readings has to be before it fires: both must be reached."""

    readings: int = 1
    seconds: int = 0
    """Event time from the first reading of the run to the last."""


AT_ONCE = Delay()


@dataclass(frozen=True, slots=True)
class Severe:
    """A condition that is not to wait: it fires at once, or raises the alert's severity."""

    when: Condition
    severity: Severity


class Case(NamedTuple):
    """One way to offend a rule, and what comes of it."""

    group: tuple[Atom, ...]
    severity: Severity
    at_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When one kind of alert fires and recovers; `alarms.Engine` says how."""

    name: str
    title: str
    """For a person to read."""
    severity: Severity
    when: Condition
    kind: Kind = Kind.PHYSIOLOGICAL
    delay: Delay = AT_ONCE
    clear: int = 1
    """Consecutive clear readings after which it recovers."""
    deadband: float = 0.0
    """mmHg a pressure has to be back from its bound to be clear; other measures have none."""
    severe: Severe | None = None
    until: Condition | None = None
    """A reading is clear where this holds, and no condition of the rule does.  None: where those
    conditions are clear, by `deadband`."""
    latch: bool = False
    """It does not recover before somebody has acknowledged it."""
    within: int = 0
    """Seconds over which a rule of the ward counts; 0 for others."""

    @property
    def mark(self) -> int:
        """16 bits by which a stored slot is known to be this rule's."""
        return mark_of(self.name)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The groups of both conditions, the severe one's first."""
        severe, own = self.severe, tuple(Case(each, self.severity, False) for each in self.when)
        return (
            (*(Case(each, severe.severity, True) for each in severe.when), *own) if severe else own
        )

    @property
    def groups(self) -> Condition:
        """The same without their severities."""
        return tuple(case.group for case in self.cases)

    @property
    def measures(self) -> frozenset[str]:
        """What the rule looks at."""
        groups = (*self.groups, *(self.until or ()))
        return frozenset(atom.measure for group in groups for atom in group)

    @property
    def scope(self) -> Scope:
        """What the rule judges."""
        if self.measures & {*OF_THE_WARD}:
            return Scope.WARD
        return Scope.SILENCE if self.measures & {*OF_SILENCE} else Scope.READINGS


def mark_of(name: str) -> int:
    """The mark of the rule of that name."""
    return crc32(name.encode()) & 0xFFFF
