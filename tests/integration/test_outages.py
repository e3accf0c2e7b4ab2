"""What a worker waits for: a Kafka or an Elasticsearch that is away, at the start or later."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.integration import oracle
from tests.integration.loads import messages, send_keyed
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


@pytest.mark.services
def test_while_elasticsearch_is_away_intake_pauses_and_all_is_stored_when_it_is_back(
    kafka: str,
    service: Callable[..., Service],
    unique_name: Callable[[str], str],
    tmp_path: Path,
) -> None:
    node = service("elasticsearch")
    settings = {
        **names(unique_name),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_ELASTICSEARCH_URL": node.address,
        "BPSTREAM_BATCH_SIZE": "50",
    }
    topic = settings["BPSTREAM_TOPIC"]
    drawn = messages(4000, patients=40, seed=3)
    with worker(tmp_path, settings) as running:
        running.ready()
        sent = send_keyed(kafka, topic, drawn[:200], partitioner="murmur2_random")
        until(lambda: counted(running) == 200, 30, running.told)

        node.kill()
        sent += send_keyed(kafka, topic, drawn[200:], partitioner="murmur2_random")
        until(lambda: running.status("/health/ready") == 503, 30, running.told)
        assert any(node.address in reason for reason in reasons(running))
        assert node.address in running.get("/status")["index"]
        paused = counted(running)
        time.sleep(1.5)
        assert counted(running) == paused < 1000
        assert running.status("/health/live") == 200

        node.start()
        until(lambda: counted(running) == len(drawn), 60, running.told)
        until(lambda: running.get("/status")["lag"] == 0, 10, running.told)
        assert running.status("/health/ready") == 200
        anomalies, normal = oracle.expected(sent)
        stored = [
            oracle.found(each) for each in oracle.indexed(node.address, settings["BPSTREAM_INDEX"])
        ]
        archived = [oracle.found(each) for each in oracle.archived(tmp_path / "worker" / "archive")]
        assert oracle.twice(stored + archived) == []
        assert (set(stored), set(archived)) == (anomalies, normal)
        assert running.stop() == 0


def counted(running: Worker) -> int:
    """Readings in the state of all patients."""
    patients = running.get("/patients/?limit=1000")["patients"]
    return sum(patient["readings"] for patient in patients)


def reasons(running: Worker) -> list[str]:
    """Why it is not ready, as it says itself."""
    with pytest.raises(HTTPError) as refused:
        running.get("/health/ready")
    with refused.value as answer:
        return list(json.load(answer)["reasons"])
