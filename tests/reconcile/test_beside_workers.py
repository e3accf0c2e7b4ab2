"""`bpstream reconcile` beside a worker: what is on its way, what retention took, corrections."""

import json
import signal
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition

from tests.faults.loads import messages, send_keyed
from tests.integration.workers import names, until, worker
from tests.reconcile.house import House, settled
from tests.stream.brokers import admin

pytestmark = pytest.mark.services

READINGS = 900


@pytest.fixture
def house(kafka: str, tmp_path: Path) -> House:
    settings = {
        **names(lambda stem: f"{stem}-{uuid4().hex[:12]}"),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_DATA_DIR": str(tmp_path / "var"),
        "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "archive"),
    }
    return House(tmp_path, kafka, settings)


def test_what_no_worker_has_applied_yet_is_on_its_way_and_what_retention_took_is_older(house):
    with worker(house.folder, house.settings) as running:
        running.ready()
        house.send(READINGS, patients=30, seed=1)
        settled(running, READINGS)
        running.process.send_signal(signal.SIGSTOP)
        try:
            house.send(READINGS, patients=30, seed=2)
            status, told = house.told()
        finally:
            running.process.send_signal(signal.SIGCONT)
        assert (status, told["documents"], told["on_their_way"]) == (0, READINGS, READINGS)
        settled(running, 2 * READINGS)
        status, told = house.told()
        assert (status, told["documents"], told["on_their_way"]) == (0, 2 * READINGS, 0)

        gone = [TopicPartition(house.topic, number, 50 + number) for number in range(4)]
        client = admin(house.kafka)
        for deleted in client.delete_records(gone).values():
            deleted.result(timeout=30)
        older = sum(each.offset for each in gone)
        done = house.reconcile()
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines() == [
            f"{older} documents are older than the topic: the counters are held against the "
            "topic and these",
            f"equal: {2 * READINGS - older} documents",
        ]


def test_corrections_and_retractions_are_equal_to_what_the_worker_made_of_them(house):
    (drawn,) = messages(1, patients=1, seed=3)

    def send(identifier: str, version: int, systolic: int, status: str = "final") -> None:
        observation = json.loads(drawn.value)
        observation |= {"id": identifier, "meta": {"versionId": str(version)}, "status": status}
        for component, value in zip(observation["component"], (systolic, 80), strict=True):
            component["valueQuantity"]["value"] = value
        message = drawn._replace(value=json.dumps(observation).encode())
        send_keyed(house.kafka, house.topic, [message], partitioner="murmur2_random")

    with worker(house.folder, house.settings) as running:
        running.ready()
        for name, first, second in (("same", 120, 125), ("better", 170, 125), ("worse", 120, 170)):
            send(name, 1, first)
            send(name, 2, second, "corrected")
        for name, systolic in (("gone", 120), ("gone too", 170)):
            send(name, 1, systolic)
            send(name, 2, systolic, "entered-in-error")
        until(lambda: fate(running, "retraction") == 2, 30, running.told)
        settled(running, 3)
        assert house.differences() == {}
        assert running.patient("PAT-001")["anomalies"] == 1


def fate(running, name: str) -> float:
    return running.metric("bpstream_inputs_total", fate=name)


def test_what_an_earlier_demo_stored_is_older_and_not_counted_by_this_one(tmp_path):
    house = House(tmp_path, "", {"BPSTREAM_DATA_DIR": str(tmp_path / "var")})
    demo = (sys.executable, "-m", "bpstream", "demo", "--patients", "20", "--interval", "0.1")
    for nth in (1, 2):
        running = house.worker().start(*demo)
        try:
            running.ready()
            until(lambda: running.get("/status")["readings"] > 100, 60, running.told)  # noqa: B023
            status, told = house.told()
            assert (status, told["differences"]) == (0, [])
            assert told["documents"] > 100
            assert (told["older_than_the_topic"] > 0) == (nth == 2)
            assert running.stop() == 0, running.told()
        finally:
            if not running.ended():
                running.kill()
