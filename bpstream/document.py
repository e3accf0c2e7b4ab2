"""The document: a reading and what was found out about it, as every store keeps it.

Elasticsearch, the local index, the archive and the enriched topic hold the same bytes.
The first seven fields are those of the original system.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, NamedTuple

import msgspec

from bpstream.clinical.models.early_warning import Reason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000  # microseconds
# A clock that was never set must not make an index of its own for 1970.
_OLD_BEFORE = datetime(2010, 1, 1, tzinfo=UTC)


class Coordinates(msgspec.Struct, frozen=True, gc=False):
    """Where the original message stood in Kafka, re-keyed or not."""

    topic: str
    partition: int
    offset: int


class ModelName(msgspec.Struct, frozen=True, gc=False):
    """Which model scored the reading."""

    name: str
    version: str


class Comparators(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Of which pressures the value is a bound, and which way: `<`, `<=`, `>=` or `>`."""

    systolic: str | None = None
    diastolic: str | None = None
    mean: str | None = None


class EarlyWarning(msgspec.Struct, frozen=True, gc=False):
    """Probabilities, 0..1, that the patient's next reading is in trouble."""

    hypotension: float
    low_map: float
    severe: float


class Document(msgspec.Struct, omit_defaults=True, gc=False):
    """Fields without a default are always there; the others are left out where empty.

    Pressures are mmHg, null where they were not measured; times are ISO 8601 in UTC.
    """

    timestamp: str
    patient_id: str
    systolic_pressure: float | None
    diastolic_pressure: float | None
    anomaly_type: str | None
    """hypertension, hypotension or normal; null where no rule judges: an aggregate, a child."""
    anomaly_details: Sequence[str]
    ml_risk_score: float | None
    """Probability, 0..1, that this reading is anomalous; null where no model can judge it."""
    at_timestamp: str = msgspec.field(name="@timestamp")
    ml_prediction: int | None
    mean_arterial_pressure: float | None
    pulse_pressure: float | None
    category: str | None
    severity: str
    kind: str
    series: str
    flags: Sequence[str]
    document_id: str
    version: int
    kafka: Coordinates
    original_time: str
    ingested_at: str
    observation_id: str | None = None
    practitioner_id: str | None = None
    model: ModelName | None = None
    early_warning: EarlyWarning | None = None
    early_warning_reasons: Sequence[Reason] = ()
    device: str | None = None
    body_site: str | None = None
    security_labels: Sequence[str] = ()
    period: Sequence[str] | None = None
    comparators: Comparators | None = None
    source: str | None = None
    identifier: str | None = None


class Entry(NamedTuple):
    """One document on its way to the sinks: its bytes, and what a sink must know of it."""

    document_id: str
    version: int
    patient_id: str
    practitioner_id: str | None
    taken_at: int
    """Microseconds since 1970-01-01 UTC."""
    body: bytes
    """The document as one line of JSON, without the line's end."""


class Refused(NamedTuple):
    """An entry a store will never take: it becomes a dead letter."""

    position: int
    """Position of the entry in the batch that was written."""
    reason: str


class Removal(NamedTuple):
    """A document that is to leave a store: it was retracted, or belongs elsewhere now."""

    document_id: str
    version: int
    """That of what removes it: a stored document of a higher version stays."""
    patient_id: str
    taken_at: int
    """Of the document that is to go, in microseconds since 1970-01-01 UTC."""


class Found(NamedTuple):
    """What a store knows of a document: for readings that the state has forgotten."""

    document_id: str
    version: int
    patient_id: str
    taken_at: int
    """Microseconds since 1970-01-01 UTC."""
    anomaly_details: tuple[str, ...]
    kind: str


class Line(msgspec.Struct, gc=False):
    """A line of the archive, as far as it tells whether a document is there."""

    document_id: str
    version: int
    patient_id: str
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    anomaly_details: tuple[str, ...] = ()
    kind: str = ""
    retracted: bool = False
    """It is a tombstone: up to `version` the document is there no longer."""

    @property
    def found(self) -> Found:
        """The document of the line, which is no tombstone."""
        taken_at = (self.timestamp - _EPOCH) // _MICROSECOND
        return Found(
            self.document_id,
            self.version,
            self.patient_id,
            taken_at,
            self.anomaly_details,
            self.kind,
        )


class Tombstone(msgspec.Struct, frozen=True):
    """A document was taken back: it counts no longer, up to this version."""

    retracted: bool
    document_id: str
    version: int
    patient_id: str
    timestamp: str
    retracted_at: str


def tombstone(removal: Removal, retracted_at: int) -> bytes:
    """The line, without its end, that takes a document out of the archive.

    `retracted_at` is in microseconds since 1970-01-01 UTC.
    """
    return msgspec.json.encode(
        Tombstone(
            retracted=True,
            document_id=removal.document_id,
            version=removal.version,
            patient_id=removal.patient_id,
            timestamp=iso(removal.taken_at),
            retracted_at=iso(retracted_at),
        )
    )


def latest(found: Iterable[Found]) -> list[Found]:
    """Of each document the highest version, and of equal ones the first."""
    best: dict[str, Found] = {}
    for each in found:
        if each.version > best.setdefault(each.document_id, each).version:
            best[each.document_id] = each
    return list(best.values())


def month_of(taken_at: int) -> str:
    """The month (UTC) a reading is indexed by, `2026.01`, or `old` before 2010.

    `taken_at` is in microseconds since 1970-01-01 UTC.
    """
    return _month(taken_at // _DAY)


@lru_cache
def _month(day: int) -> str:
    moment = _EPOCH + timedelta(days=day)
    return "old" if moment < _OLD_BEFORE else f"{moment:%Y.%m}"


def iso(microseconds: int) -> str:
    """`2026-01-29T21:32:51.619300Z`: microseconds since 1970-01-01 as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06d}Z"


def micros(text: str) -> int:
    """Microseconds since 1970-01-01 UTC of an ISO 8601 time, UTC where it names no zone.

    Raises ValueError, with what would do, for what is none.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; 2026-01-29T21:30Z would do") from None
