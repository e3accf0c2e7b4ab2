"""A blood-pressure reading, and readings in columns: what `fhir` makes and `clinical` works on.

Pressures are mmHg and NaN where the Observation has none; times are microseconds since
1970-01-01 UTC.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.texts import Texts, taken, together

NOT_MEASURED = float("nan")


class Flag(IntFlag):
    """What is unusual about a reading.  In a document each stands by its name in lower case."""

    UNIT_FROM_TEXT = 1 << 0
    NUMBER_FROM_TEXT = 1 << 1
    COMPARATOR = 1 << 2
    NO_ZONE = 1 << 3
    COARSE_TIME = 1 << 4
    TIME_FROM_ISSUED = 1 << 5
    TIME_FROM_ARRIVAL = 1 << 6
    LATE = 1 << 7
    UNVERIFIED = 1 << 8
    STATUS_UNKNOWN = 1 << 9
    IMPLAUSIBLE = 1 << 10
    PARTIAL = 1 << 11
    CHILD = 1 << 12
    TEST_DATA = 1 << 13
    INVASIVE = 1 << 14
    BAD_ID = 1 << 15

    def names(self) -> list[str]:
        """The flags that are set, by name, in the order of their definition."""
        return [flag.name.lower() for flag in type(self) if flag in self and flag.name]


NOT_USUAL = np.uint16(Flag.IMPLAUSIBLE | Flag.COMPARATOR)
"""Of a reading whose pressures are an artefact, or bounds of the pressures: they tell nothing of
what is usual for the patient, and no model is asked about them."""

AMENDS = 1 << 31
"""Beside the flags in their column: the status says that an earlier version may be known."""


class Kind(IntEnum):
    """A spot reading, or an aggregate over a period (which no spot rule judges)."""

    READING = 0
    AGGREGATE = 1


class Series(IntEnum):
    """How the pressure was taken; two series of one patient are never mixed in one baseline."""

    UNKNOWN = 0
    CUFF = 1
    ARTERIAL = 2


class Details(msgspec.Struct, gc=False):
    """What travels with a reading unchanged, from the Observation to the document."""

    original_time: str
    """The effective time as it stood in the Observation."""
    observation_id: str | None = None
    practitioner_id: str | None = None
    device: str | None = None
    body_site: str | None = None
    security_labels: tuple[str, ...] = ()
    period: tuple[str, str] | None = None
    """Start and end of an aggregate, ISO 8601."""
    comparators: tuple[str, str, str] | None = None
    """Systolic's, diastolic's and mean's `<`, `<=`, `>=`, `>` or nothing: the value is a bound
    of the pressure, and not the pressure.  None where all are exact."""
    source: str | None = None
    """The Observation's own, where it names one."""
    identifier: str | None = None
    """`system|value`, where the Observation has no id to be known by."""


EXACT = ("", "", "")
"""The comparators of a reading without any."""


class Reading(msgspec.Struct, kw_only=True, gc=False):
    """One reading, as the tolerant parser finds it.  The fast path fills columns instead."""

    patient_id: str
    """The canonical patient key: `Patient/123` is `123`, an identifier is `system|value`."""
    taken_at: int
    """Microseconds since 1970-01-01 UTC."""
    systolic: float = NOT_MEASURED
    diastolic: float = NOT_MEASURED
    mean: float = NOT_MEASURED
    """The measured mean arterial pressure, where the Observation has one."""
    flags: Flag = Flag(0)
    kind: Kind = Kind.READING
    series: Series = Series.UNKNOWN
    document_id: str
    """32 hexadecimal digits: the identity of the reading, whatever brought it here."""
    version: int = 0
    """versionId or lastUpdated as a number; of two, the higher replaces the lower."""
    details: Details


class Origin(NamedTuple):
    """Where an input stood in the chunk it came in."""

    message: int
    """Position of the Kafka message in the chunk."""
    entry: int = 0
    """Position within the message: the entry of a Bundle, the line of NDJSON; else 0."""
    path: str = ""
    """The FHIRPath of that entry (`Bundle.entry[3].resource`, `line 7`); else empty."""
    body: bytes | None = None
    """The bytes of the entry alone, its references resolved; None where it is the whole message."""


class Rejected(NamedTuple):
    """An input that cannot be used: a dead letter in the making."""

    origin: Origin
    reason: str
    path: str
    found: str


class Retraction(NamedTuple):
    """An Observation that was entered in error, or deleted."""

    origin: Origin
    patient_id: str
    document_id: str
    version: int


class Ignored(NamedTuple):
    """An input that is neither used nor at fault: not a blood pressure, or no result yet."""

    origin: Origin
    reason: str


@dataclass(slots=True)
class Readings:
    """Readings in columns, in the order of their origin; every column has shape ``(n,)``."""

    origin: list[Origin]
    patient_id: Texts
    document_id: Texts
    original_time: Texts
    observation_id: Sequence[str | None]
    practitioner_id: Sequence[str | None]
    details: dict[int, Details]
    """By position, ascending; readings have none that have nothing but the three before."""
    taken_at: NDArray[np.int64]
    systolic: NDArray[np.float64]
    diastolic: NDArray[np.float64]
    mean: NDArray[np.float64]
    flags: NDArray[np.uint32]
    kind: NDArray[np.int8]
    series: NDArray[np.int8]
    version: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.patient_id)

    @classmethod
    def of(cls, origins: Sequence[Origin], readings: Sequence[Reading]) -> Self:
        """Columns of `readings`, each beside the origin it came from."""
        return cls(
            origin=list(origins),
            patient_id=Texts.of([reading.patient_id for reading in readings]),
            document_id=Texts.of([reading.document_id for reading in readings]),
            original_time=Texts.of([reading.details.original_time for reading in readings]),
            observation_id=[reading.details.observation_id for reading in readings],
            practitioner_id=[reading.details.practitioner_id for reading in readings],
            details={at: reading.details for at, reading in enumerate(readings)},
            taken_at=np.array([reading.taken_at for reading in readings], np.int64),
            systolic=np.array([reading.systolic for reading in readings], np.float64),
            diastolic=np.array([reading.diastolic for reading in readings], np.float64),
            mean=np.array([reading.mean for reading in readings], np.float64),
            flags=np.array([reading.flags for reading in readings], np.uint32),
            kind=np.array([reading.kind for reading in readings], np.int8),
            series=np.array([reading.series for reading in readings], np.int8),
            version=np.array([reading.version for reading in readings], np.int64),
        )

    def take(self, rows: NDArray[np.intp]) -> Self:
        """The readings at `rows` (positions, shape ``(m,)``), in that order."""
        at = rows.tolist()
        return type(self)(
            origin=[self.origin[i] for i in at],
            patient_id=self.patient_id.take(rows),
            document_id=self.document_id.take(rows),
            original_time=self.original_time.take(rows),
            observation_id=taken(self.observation_id, rows),
            practitioner_id=taken(self.practitioner_id, rows),
            details=self._details(at) if self.details else {},
            taken_at=self.taken_at[rows],
            systolic=self.systolic[rows],
            diastolic=self.diastolic[rows],
            mean=self.mean[rows],
            flags=self.flags[rows],
            kind=self.kind[rows],
            series=self.series[rows],
            version=self.version[rows],
        )

    def part(self, start: int, end: int) -> Self:
        """The readings from position `start` on and before `end`."""
        if end - start == len(self):
            return self
        columns: dict[str, Any] = {name: copy(getattr(self, name)[start:end]) for name in _COLUMNS}
        there = range(start, end) if self.details else ()
        details = {at - start: self.details[at] for at in there if at in self.details}
        return type(self)(**columns, details=details)

    def details_of(self, position: int) -> Details:
        """What travels unchanged with the reading there."""
        return self.details.get(position) or Details(
            self.original_time[position],
            self.observation_id[position],
            self.practitioner_id[position],
        )

    def _details(self, at: list[int]) -> dict[int, Details]:
        details = self.details
        return {new: details[old] for new, old in enumerate(at) if old in details}

    @classmethod
    def merge(cls, first: Self, second: Self) -> Self:
        """Both, in the order of their origin (message, then entry)."""
        if not len(second):
            return first
        if not len(first):
            return second
        both = cls(
            origin=first.origin + second.origin,
            patient_id=Texts.joined([first.patient_id, second.patient_id]),
            document_id=Texts.joined([first.document_id, second.document_id]),
            original_time=Texts.joined([first.original_time, second.original_time]),
            observation_id=together([first.observation_id, second.observation_id]),
            practitioner_id=together([first.practitioner_id, second.practitioner_id]),
            details=first.details | {len(first) + at: each for at, each in second.details.items()},
            taken_at=np.concatenate([first.taken_at, second.taken_at]),
            systolic=np.concatenate([first.systolic, second.systolic]),
            diastolic=np.concatenate([first.diastolic, second.diastolic]),
            mean=np.concatenate([first.mean, second.mean]),
            flags=np.concatenate([first.flags, second.flags]),
            kind=np.concatenate([first.kind, second.kind]),
            series=np.concatenate([first.series, second.series]),
            version=np.concatenate([first.version, second.version]),
        )
        order = sorted(range(len(both)), key=lambda i: both.origin[i][:2])
        return both.take(np.array(order, np.intp))


_COLUMNS = [each.name for each in fields(Readings) if each.name != "details"]


@dataclass(slots=True)
class Parsed:
    """What a chunk of messages holds.  Every input is in exactly one of the first four."""

    readings: Readings
    rejected: list[Rejected]
    retractions: list[Retraction]
    ignored: list[Ignored]
    tolerant: int
    """Messages that the fast path left to the tolerant parser."""
