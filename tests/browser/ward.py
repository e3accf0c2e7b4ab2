"""A ward to look at: a worker on the embedded broker, and patients measured as the test says."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson
from confluent_kafka import Producer

from bpstream.fhir import build
from tests.integration.workers import Worker, until

# Messages sent before the worker is waited for: the embedded broker keeps 5 MB a partition.
_AT_ONCE = 8000


class Ward:
    """The worker is `bpstream demo`, with nobody simulated."""

    def __init__(self, folder: Path) -> None:
        self.worker = Worker(folder, {"BPSTREAM_WEB_HOST": "127.0.0.1"}, name="demo")
        self.sent = 0

    @property
    def url(self) -> str:
        return self.worker.url

    def start(self) -> None:
        self.worker.start(sys.executable, "-m", "bpstream", "demo", "--patients", "0")
        self.worker.ready()
        broker = (self.worker.folder / self.worker.name / "broker").read_text().strip()
        servers = broker.removeprefix("kafka://")
        self.sent = 0
        self.producer = Producer(
            {"bootstrap.servers": servers, "partitioner": "murmur2_random", "log_level": 0}
        )

    def stop(self) -> None:
        self.worker.stop()

    def take(
        self,
        patient_id: str,
        systolic: float,
        diastolic: float = 75.0,
        *,
        ago: timedelta = timedelta(),
    ) -> None:
        """One reading, and wait until the worker has it."""
        self.send([(patient_id, systolic, diastolic)], ago=ago)

    def send(
        self, readings: Iterable[tuple[str, float, float]], *, ago: timedelta = timedelta()
    ) -> None:
        """Many readings; returns when the worker has them all."""
        self.send_messages(
            (patient_id, self._observation(patient_id, systolic, diastolic, ago))
            for patient_id, systolic, diastolic in readings
        )

    def send_messages(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Many messages, each a reading, by key; returns when the worker has them all."""
        for key, value in messages:
            self.producer.produce("blood_pressure_fhir", value, key)
            self.sent += 1
            if self.sent % _AT_ONCE == 0:
                self.wait()
        self.wait()

    def _observation(
        self, patient_id: str, systolic: float, diastolic: float, ago: timedelta
    ) -> bytes:
        value = build.observation(
            observation_id=f"o{self.sent}",
            patient_id=patient_id,
            practitioner_id="PRAC-01",
            taken_at=(datetime.now(UTC) - ago).isoformat(),
            systolic=systolic,
            diastolic=diastolic,
        )
        if patient_id.startswith("|"):  # An identifier, which may hold anything.
            return _with_identifier(value, patient_id[1:])
        return value

    def wait(self) -> None:
        assert self.producer.flush(30) == 0
        until(lambda: self.status()["readings"] >= self.sent, 60, self.worker.told)

    def tell(self, path: str, said: Any) -> None:
        """POST this to the worker."""
        asked = Request(self.url + path, orjson.dumps(said), {"Content-Type": "application/json"})
        with urlopen(asked, timeout=10):
            pass

    def status(self) -> Any:
        return self.worker.get("/status")


def _with_identifier(value: bytes, identifier: str) -> bytes:
    observation = orjson.loads(value)
    observation["subject"] = {"identifier": {"value": identifier}}
    return orjson.dumps(observation)


@contextmanager
def ward(folder: Path) -> Iterator[Ward]:
    """A ward whose worker is gone at the end of the block."""
    running = Ward(folder)
    try:
        running.start()
        yield running
    finally:
        if not running.worker.ended():
            running.worker.kill()
