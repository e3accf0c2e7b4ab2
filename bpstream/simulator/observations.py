"""Simulated readings as messages, in the original producer's form."""

from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from bpstream.simulator.cohort import Measured

_PRACTITIONERS = ("PRAC-01", "PRAC-02")
_VITAL_SIGNS = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "vital-signs",
}


class Message(NamedTuple):
    """A Kafka message: the patient id, and an Observation as JSON."""

    key: str
    value: bytes


class Round(NamedTuple):
    """What came of measuring every patient once; a dropout leaves no message."""

    messages: list[Message]
    ids: list[str]
    """Of the Observations, in the messages' order; so are the columns of `measured`."""
    taken_at: datetime
    measured: Measured | None = None
    """With the ground truth, where the profile has one."""


class Patient(NamedTuple):
    """Who is measured, and by whom: their FHIR ids."""

    id: str
    practitioner: str


def roster(patients: int) -> list[Patient]:
    """PAT-001, PAT-002 …; the practitioners take them in turn."""
    return [
        Patient(f"PAT-{number:03d}", _PRACTITIONERS[(number - 1) % len(_PRACTITIONERS)])
        for number in range(1, patients + 1)
    ]


def written(moment: datetime) -> str:
    """A time that knows its zone, as an Observation has it: in UTC, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def observation(
    identity: str, patient: Patient, taken_at: str, systolic: int, diastolic: int
) -> Message:
    """The original producer's Observation: its codes are texts, and it has no `code`.

    The fast path of `fhir` reads it; a name or a ward has no place there.
    """
    value = orjson.dumps(
        {
            "resourceType": "Observation",
            "id": identity,
            "status": "final",
            "category": [{"coding": [_VITAL_SIGNS]}],
            "subject": {"reference": f"Patient/{patient.id}"},
            "effectiveDateTime": taken_at,
            "component": [
                _component("Systolic Blood Pressure", systolic),
                _component("Diastolic Blood Pressure", diastolic),
            ],
            "performer": [{"reference": f"Practitioner/{patient.practitioner}"}],
        }
    )
    return Message(patient.id, value)


def _component(text: str, value: int) -> dict[str, object]:
    return {"code": {"text": text}, "valueQuantity": {"value": value, "unit": "mmHg"}}
