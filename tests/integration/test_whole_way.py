"""The whole way on a real Kafka and a real Elasticsearch, held against a plain-Python oracle."""

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration import oracle
from tests.integration.loads import messages, send_as_the_original_did, send_keyed
from tests.integration.workers import Worker, names, until, worker

pytestmark = pytest.mark.services

READINGS, PATIENTS = 20_000, 500


@pytest.mark.parametrize("layout", ["segments", "files"])
def test_every_reading_is_one_document_one_entry_and_one_count(
    layout: str,
    kafka: str,
    elasticsearch: str,
    unique_name: Callable[[str], str],
    tmp_path: Path,
) -> None:
    settings = {
        **names(unique_name),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_ELASTICSEARCH_URL": elasticsearch,
        "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "archive"),
        "BPSTREAM_ARCHIVE_LAYOUT": layout,
        "BPSTREAM_ENRICHED_TOPIC": unique_name("enriched"),
    }
    topic = settings["BPSTREAM_TOPIC"]
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(worker(tmp_path, settings, name=name)) for name in ("one", "two")
        )
        first.ready()
        second.ready()
        drawn = messages(READINGS, patients=PATIENTS, seed=7)
        third = READINGS // 3
        sent = send_as_the_original_did(kafka, topic, drawn[:third])
        sent += send_keyed(kafka, topic, drawn[third : 2 * third], partitioner="consistent_random")
        sent += send_keyed(kafka, topic, drawn[2 * third :], partitioner="murmur2_random")
        assert len(sent) == READINGS

        until(lambda: done(first), 120, lambda: first.told() + second.told())

        anomalies, normal = oracle.expected(sent)
        in_index = [
            oracle.found(document)
            for document in oracle.indexed(elasticsearch, settings["BPSTREAM_INDEX"])
        ]
        in_archive = [oracle.found(entry) for entry in oracle.archived(tmp_path / "archive")]
        assert oracle.twice(in_index) == oracle.twice(in_archive) == []
        assert set(in_index) == anomalies
        assert set(in_archive) == normal
        published = oracle.published(kafka, settings["BPSTREAM_ENRICHED_TOPIC"])
        assert {oracle.found(document) for document in published} == anomalies | normal

        should_count = oracle.counters(anomalies | normal)
        assert counts(second) == should_count
        # Whichever worker is asked, and both own some of them.
        for patient in list(should_count)[:20]:
            assert first.patient(patient)["readings"] == should_count[patient]["readings"]
            assert second.patient(patient)["readings"] == should_count[patient]["readings"]
        assert first.get("/status?scope=worker")["partitions"]
        assert second.get("/status?scope=worker")["partitions"]

        assert first.stop() == second.stop() == 0
        again = stack.enter_context(worker(tmp_path, settings, name="again")).ready()
        assert counts(again) == should_count


def test_a_worker_that_is_killed_loses_nothing_and_counts_nothing_twice(
    kafka: str,
    elasticsearch: str,
    unique_name: Callable[[str], str],
    tmp_path: Path,
) -> None:
    settings = {
        **names(unique_name),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_ELASTICSEARCH_URL": elasticsearch,
        "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "archive"),
        "BPSTREAM_BATCH_SIZE": "50",
    }
    topic, chance = settings["BPSTREAM_TOPIC"], random.Random(3)
    running = Worker(tmp_path, settings).start().ready()
    try:
        sent = send_as_the_original_did(kafka, topic, messages(READINGS, patients=PATIENTS, seed=8))
        struck = 0
        for _ in range(3):
            before = running.get("/status")["readings"]
            until(lambda: running.get("/status")["readings"] > before, 60, running.told)  # noqa: B023
            time.sleep(chance.uniform(0, 0.5))
            struck += running.get("/status")["lag"] > 0
            running.kill()
            running = Worker(tmp_path, settings).start().ready()
        assert struck, "the load was over before the worker was killed"
        until(lambda: done(running), 120, running.told)

        anomalies, normal = oracle.expected(sent)
        in_index = [
            oracle.found(document)
            for document in oracle.indexed(elasticsearch, settings["BPSTREAM_INDEX"])
        ]
        in_archive = [oracle.found(entry) for entry in oracle.archived(tmp_path / "archive")]
        assert oracle.twice(in_index) == oracle.twice(in_archive) == []
        assert set(in_index) == anomalies
        assert set(in_archive) == normal
        assert counts(running) == oracle.counters(anomalies | normal)
        assert running.stop() == 0
    finally:
        if not running.ended():
            running.kill()


def done(asked: Worker) -> bool:
    """Whether all readings are counted, and everything is committed."""
    page = asked.get("/patients/?limit=1000")["patients"]
    counted = sum(patient["readings"] for patient in page)
    return counted >= READINGS and asked.get("/status")["lag"] == 0


def counts(asked: Worker) -> dict[str, dict[str, object]]:
    page = asked.get("/patients/?limit=1000")["patients"]
    fields = ("readings", "anomalies", "by_type", "by_tag")
    return {patient["patient_id"]: {field: patient[field] for field in fields} for patient in page}
