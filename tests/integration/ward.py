"""A ward whose pressures are taken as a test says, and what was published of its alerts."""

from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Producer

from bpstream.fhir import build
from tests.faults import stored


class Ward:
    """Patients whose pressures are taken as the test says, now."""

    def __init__(self, kafka: str, topic: str, patients: list[str]) -> None:
        self._producer = Producer(
            {"bootstrap.servers": kafka, "partitioner": "murmur2_random", "linger.ms": 5}
        )
        self._topic, self._patients, self._taken = topic, patients, 0

    def take(self, systolic: float) -> None:
        """A reading of each patient; returns once Kafka has it."""
        for patient_id in self._patients:
            self._taken += 1
            value = build.observation(
                observation_id=f"o{self._taken}",
                patient_id=patient_id,
                practitioner_id="PRAC-01",
                taken_at=datetime.now(UTC).isoformat(),
                systolic=systolic,
                diastolic=75.0,
            )
            self._producer.produce(self._topic, value, patient_id)
        assert self._producer.flush(10) == 0

    @property
    def taken(self) -> int:
        """How many readings there are."""
        return self._taken


def events(kafka: str, settings: dict[str, str], alert_id: str) -> list[dict[str, Any]]:
    """What the alerts topic holds of an alert, in its order."""
    found = stored.published(kafka, settings["BPSTREAM_ALERTS_TOPIC"])
    return [each for each in found if each["alert_id"] == alert_id]
