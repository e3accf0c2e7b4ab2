"""Building: readings as Observations, coded in LOINC and UCUM or as the original producer wrote."""

from typing import Any

import msgspec

from bpstream.fhir.codes import DIASTOLIC, DIASTOLIC_TEXT, LOINC, PANEL, SYSTOLIC, SYSTOLIC_TEXT
from bpstream.fhir.quantity import UCUM, UCUM_MMHG

CATEGORY = [
    {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                "code": "vital-signs",
            }
        ]
    }
]


def observation(
    *,
    observation_id: str,
    patient_id: str,
    taken_at: str,
    systolic: float,
    diastolic: float,
    practitioner_id: str | None = None,
) -> bytes:
    """The Observation with its codes; pressures in mmHg, `taken_at` a FHIR dateTime."""
    components = [
        {
            "code": {"coding": [{"system": LOINC, "code": code}]},
            "valueQuantity": {"value": value, "unit": "mmHg", "system": UCUM, "code": UCUM_MMHG},
        }
        for code, value in ((SYSTOLIC, systolic), (DIASTOLIC, diastolic))
    ]
    built = _frame(observation_id, patient_id, taken_at, practitioner_id)
    built["code"] = {"coding": [{"system": LOINC, "code": PANEL}]}
    return msgspec.json.encode({**built, "component": components})


def original_observation(
    *,
    observation_id: str,
    patient_id: str,
    taken_at: str,
    systolic: float,
    diastolic: float,
    practitioner_id: str | None = None,
) -> bytes:
    """The Observation as the original producer wrote it: its components in words."""
    components = [
        {"code": {"text": text}, "valueQuantity": {"value": value, "unit": "mmHg"}}
        for text, value in ((SYSTOLIC_TEXT, systolic), (DIASTOLIC_TEXT, diastolic))
    ]
    built = _frame(observation_id, patient_id, taken_at, practitioner_id)
    return msgspec.json.encode({**built, "component": components})


def _frame(
    observation_id: str, patient_id: str, taken_at: str, practitioner_id: str | None
) -> dict[str, Any]:
    frame: dict[str, Any] = {
        "resourceType": "Observation",
        "id": observation_id,
        "status": "final",
        "category": CATEGORY,
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": taken_at,
    }
    if practitioner_id is not None:
        frame["performer"] = [{"reference": f"Practitioner/{practitioner_id}"}]
    return frame
