"""What travels on the topics, as Faust records.

The hot path decodes the same shapes with msgspec (`bpstream.fhir`); these are for agents
and tools that take one event at a time.
"""

import faust


class Coding(faust.Record, serializer="json", include_metadata=False):
    """A code of a code system: FHIR's Coding."""

    code: str | None = None
    system: str | None = None
    display: str | None = None


class CodeableConcept(faust.Record, serializer="json", include_metadata=False):
    """What something is, by codes or in words.  The original producer sends words only."""

    coding: list[Coding] | None = None
    text: str | None = None


class Reference(faust.Record, serializer="json", include_metadata=False):
    """A pointer to another resource, such as `Patient/PAT-001`."""

    reference: str | None = None
    display: str | None = None


class Quantity(faust.Record, serializer="json", include_metadata=False):
    """A measured amount; the unit is decided by `system` and `code` where they are there."""

    value: float | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None
    comparator: str | None = None


class Component(faust.Record, serializer="json", include_metadata=False):
    """One of the pressures of a blood-pressure Observation."""

    code: CodeableConcept
    valueQuantity: Quantity | None = None  # noqa: N815 (FHIR's own name)


class Observation(faust.Record, serializer="json", include_metadata=False):
    """A FHIR R4 Observation, as far as blood pressure goes."""

    resourceType: str  # noqa: N815
    status: str
    subject: Reference
    id: str | None = None
    code: CodeableConcept | None = None
    category: list[CodeableConcept] | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    component: list[Component] | None = None
    performer: list[Reference] | None = None


class AlertEvent(faust.Record, serializer="json", include_metadata=False):
    """An alert that fired, changed or recovered: the value of `blood_pressure_alerts`.

    `alert_id` stays the same from firing to recovery, and over replays.  `taken_at` is the
    Observation's effective time, ISO 8601 in UTC, and is not when Kafka received it.
    Pressures are mmHg; `limit` is the bound that was crossed, so the alert explains itself.
    """

    alert_id: str
    patient_id: str
    rule: str
    state: str
    severity: str
    taken_at: str
    systolic: float | None
    diastolic: float | None
    limit: float | None
