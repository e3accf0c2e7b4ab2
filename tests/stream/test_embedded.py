"""The whole app on the embedded broker, in a process of its own: `bpstream demo`."""

import json
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from kafka import KafkaProducer

from tests.faults import oracle
from tests.faults.loads import messages
from tests.faults.stored import archived, found, twice
from tests.integration.workers import Worker, until

PATIENTS = [f"PAT-{number:03d}" for number in range(1, 6)]


@contextmanager
def demo(folder: Path, *options: str, **environ: str) -> Iterator[Worker]:
    running = Worker(folder, environ, name="demo")
    running.start(sys.executable, "-m", "bpstream", "demo", *options)
    try:
        yield running.ready()
    finally:
        if not running.ended():
            running.kill()


def broker_note(running: Worker) -> Path:
    return running.folder / "demo" / "broker"


def send(running: Worker, *values: bytes) -> None:
    """Send to the broker whose address the demo told, as the original producer did."""
    address = broker_note(running).read_text().strip()
    assert address in running.told()
    producer = KafkaProducer(bootstrap_servers=address.removeprefix("kafka://"))
    for sent in [producer.send("blood_pressure_fhir", value) for value in values]:
        sent.get(timeout=10)
    producer.close()


def counted(running: Worker) -> dict[str, int]:
    patients = running.get("/patients/")["patients"]
    return {patient["patient_id"]: patient["readings"] for patient in patients}


def stored(folder: Path) -> tuple[list[oracle.Found], list[oracle.Found]]:
    """The documents of the local index, and the entries of the archive."""
    with closing(sqlite3.connect(folder / "index.sqlite")) as index:
        documents = [json.loads(body) for (body,) in index.execute("SELECT body FROM documents")]
    entries = archived(folder / "archive")
    return [found(each) for each in documents], [found(each) for each in entries]


def test_a_demo_shows_its_patients_and_ends_at_once_with_all_it_counted_stored(tmp_path):
    with demo(tmp_path, "--interval", "0.3") as running:
        until(lambda: sorted(counted(running)) == PATIENTS, 20, running.told)
        until(lambda: min(counted(running).values()) >= 3, 20, running.told)
        before = counted(running)
        began = time.monotonic()
        assert running.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < 5
    assert not broker_note(running).exists()
    assert "Traceback" not in running.told()
    documents, entries = stored(tmp_path / "demo")
    assert twice(documents + entries) == []
    count_of = Counter(document.patient_id for document in documents + entries)
    # It may have stored another round between the last question and its end.
    assert all(count_of[patient] >= count for patient, count in before.items())


def test_the_counters_are_those_of_what_is_stored(tmp_path):
    with demo(tmp_path, BPSTREAM_SIMULATE="0") as running:
        drawn = messages(200, patients=9, seed=5)
        send(running, *(message.value for message in drawn))
        # Counted there once it is stored; in the patients' counters before.
        until(lambda: running.get("/status")["readings"] == len(drawn), 20, running.told)
        page = running.get("/patients/")["patients"]
        assert running.stop(signal.SIGINT) == 0
    documents, entries = stored(tmp_path / "demo")
    assert all(document.anomaly_details for document in documents)
    assert not any(entry.anomaly_details for entry in entries)
    fields = ("readings", "anomalies", "by_type", "by_tag")
    assert {
        patient["patient_id"]: {field: patient[field] for field in fields} for patient in page
    } == oracle.counters(documents + entries)


@pytest.mark.parametrize("name", ["BPSTREAM_BROKER", "BPSTREAM_PARTITIONS"])
def test_a_demo_brings_its_own_broker_and_says_so(tmp_path, name):
    running = Worker(tmp_path, {name: "kafka://127.0.0.1:9092"}, name="demo")
    running.start(sys.executable, "-m", "bpstream", "demo").process.wait(30)
    assert running.process.returncode == 2
    assert f"{name} does not go with the demo, which brings its own broker" in running.told()
