"""The document: a reading and what was found out about it, as every store keeps it.

Elasticsearch, the local index, the archive and the enriched topic hold the same bytes.
The first seven fields are those of the original system.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec


class Coordinates(msgspec.Struct, frozen=True, gc=False):
    """Where the original message stood in Kafka, re-keyed or not."""

    topic: str
    partition: int
    offset: int


class ModelName(msgspec.Struct, frozen=True, gc=False):
    """Which model scored the reading."""

    name: str
    version: str


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
    early_warning_reasons: Sequence[str] = ()
    device: str | None = None
    body_site: str | None = None
    security_labels: Sequence[str] = ()
    period: Sequence[str] | None = None


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


def iso(microseconds: int) -> str:
    """`2026-01-29T21:32:51.619300Z`: microseconds since 1970-01-01 as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06d}Z"
