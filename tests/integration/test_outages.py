"""What a worker waits for: a Kafka or an Elasticsearch that is away, at the start or later."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.loads import messages, send_keyed
from tests.integration.workers import Worker, free_port, names, until, worker
from tests.services import Service


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_a_kafka_that_does_not_answer_is_named_and_the_worker_that_waits_can_be_stopped(
    tmp_path, host
):
    address = f"{host}:{free_port()}"
    with worker(tmp_path, {"BPSTREAM_BROKER": f"kafka://{address}"}) as waiting:
        told = f"Kafka does not answer at {address} (BPSTREAM_BROKER)"
        until(lambda: told in waiting.log.read_text(), 30, waiting.told)
        assert "trying again" in waiting.log.read_text()
        assert waiting.stop(within=10) == 0
        assert "Traceback" not in waiting.log.read_text()


@pytest.mark.services
def test_a_worker_waits_for_a_kafka_that_comes_late_and_outlives_its_restart(
    service: Callable[..., Service], unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    broker = service("kafka")
    broker.kill()
    settings = {**names(unique_name), "BPSTREAM_BROKER": f"kafka://{broker.address}"}
    drawn = messages(200, patients=20, seed=1)
    with worker(tmp_path, settings) as running:
        until(lambda: "trying again" in running.log.read_text(), 30, running.told)
        broker.start()
        running.ready()
        topic = settings["BPSTREAM_TOPIC"]
        send_keyed(broker.address, topic, drawn[:100], partitioner="murmur2_random")
        until(lambda: counted(running) == 100, 30, running.told)
        broker.kill()
        broker.start()
        send_keyed(broker.address, topic, drawn[100:], partitioner="murmur2_random")
        until(lambda: counted(running) == 200, 90, running.told)
        assert running.stop() == 0


def counted(running: Worker) -> int:
    """Readings in the state of all patients."""
    patients = running.get("/patients/?limit=1000")["patients"]
    return sum(patient["readings"] for patient in patients)
