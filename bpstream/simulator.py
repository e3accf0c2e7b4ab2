"""Simulated patients: a seed in, FHIR Observations out.  It neither sleeps nor sends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import NamedTuple

import orjson
from faker import Faker

from bpstream.errors import SettingsError

PROFILES = ("uniform",)
"""`uniform`: every pressure of a range is as likely as another, as the original producer
drew them.  The two are independent, so that about one reading in nine has its diastolic
at or above its systolic pressure."""

# mmHg, both ends included.
_SYSTOLIC_RANGE = (80, 190)
_DIASTOLIC_RANGE = (50, 120)
_PRACTITIONERS = ("PRAC-01", "PRAC-02")
_VITAL_SIGNS = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "vital-signs",
}


class Message(NamedTuple):
    """A Kafka message: the patient id, and an Observation as JSON."""

    key: str
    value: bytes


class Simulator:
    """Patients PAT-001, PAT-002 … who are measured in rounds, all at once.

    The same `seed` gives the same messages, ids included (with one version of Faker);
    without one every simulator is another.
    """

    def __init__(
        self, *, patients: int = 5, seed: int | None = None, profile: str = "uniform"
    ) -> None:
        if profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise SettingsError(f"there is no simulation profile {profile!r}; known: {known}")
        if patients < 1:
            raise SettingsError(f"a simulation needs at least 1 patient, not {patients}")
        self._patients = [
            (f"PAT-{number:03d}", _PRACTITIONERS[(number - 1) % len(_PRACTITIONERS)])
            for number in range(1, patients + 1)
        ]
        self._fake = Faker()
        self._fake.seed_instance(seed)

    def round(self, now: datetime) -> list[Message]:
        """One reading of every patient, taken at `now` (which knows its time zone)."""
        taken_at = now.astimezone(UTC).isoformat(timespec="microseconds")
        return [
            Message(patient, self._observation(patient, practitioner, taken_at))
            for patient, practitioner in self._patients
        ]

    def stream(self, *, start: datetime, interval: float) -> Iterator[Message]:
        """Rounds without end, the first at `start`, the next `interval` seconds later."""
        first = start.astimezone(UTC)
        for number in count():
            yield from self.round(first + timedelta(seconds=number * interval))

    def _observation(self, patient: str, practitioner: str, taken_at: str) -> bytes:
        """The original producer's Observation: its codes are texts, and it has no `code`."""
        return orjson.dumps(
            {
                "resourceType": "Observation",
                "id": self._fake.uuid4(),
                "status": "final",
                "category": [{"coding": [_VITAL_SIGNS]}],
                "subject": {"reference": f"Patient/{patient}"},
                "effectiveDateTime": taken_at,
                "component": [
                    self._component("Systolic Blood Pressure", _SYSTOLIC_RANGE),
                    self._component("Diastolic Blood Pressure", _DIASTOLIC_RANGE),
                ],
                "performer": [{"reference": f"Practitioner/{practitioner}"}],
            }
        )

    def _component(self, text: str, bounds: tuple[int, int]) -> dict[str, object]:
        value = self._fake.random_int(*bounds)
        return {"code": {"text": text}, "valueQuantity": {"value": value, "unit": "mmHg"}}
