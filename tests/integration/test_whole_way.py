"""The whole way on a real Kafka and a real Elasticsearch, held against a plain-Python oracle."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults import oracle, stored
from tests.faults.loads import messages, send_as_the_original_did, send_keyed
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

        should = oracle.expected(sent)
        in_index = [
            stored.found(document)
            for document in stored.indexed(elasticsearch, settings["BPSTREAM_INDEX"])
        ]
        in_archive = [stored.found(entry) for entry in stored.archived(tmp_path / "archive")]
        assert stored.twice(in_index) == stored.twice(in_archive) == []
        assert set(in_index) == set(should.indexed)
        assert set(in_archive) == set(should.archived)
        published = stored.published(kafka, settings["BPSTREAM_ENRICHED_TOPIC"])
        assert {stored.found(document) for document in published} == {
            *should.indexed,
            *should.archived,
        }

        should_count = should.counters
        assert counts(second) == should_count
        # Whichever worker is asked, and both own some of them.
        for patient in list(should_count)[:20]:
            assert first.patient(patient)["readings"] == should_count[patient]["readings"]
            assert second.patient(patient)["readings"] == should_count[patient]["readings"]
        assert first.get("/status?scope=worker")["partitions"]
        assert second.get("/status?scope=worker")["partitions"]

        feeds = [each.feed("limit=200&sort=attention") for each in (first, second)]
        for whole in map(next, feeds):
            assert (whole["total"], whole["missing"], len(whole["heat"])) == (
                PATIENTS,
                [],
                PATIENTS,
            )
            assert len(whole["patients"]) == 200
            for told in whole["patients"]:
                assert told["readings"] == should_count[told["patient_id"]]["readings"]

        assert first.stop(within=10) == second.stop(within=10) == 0
        assert all(beat["at"] for feed in feeds for beat in feed)
        again = stack.enter_context(worker(tmp_path, settings, name="again")).ready()
        assert counts(again) == should_count


def done(asked: Worker) -> bool:
    """Whether all readings are counted, and everything is committed."""
    page = asked.get("/patients/?limit=1000")["patients"]
    counted = sum(patient["readings"] for patient in page)
    return counted >= READINGS and asked.get("/status")["lag"] == 0


def counts(asked: Worker) -> dict[str, dict[str, object]]:
    page = asked.get("/patients/?limit=1000")["patients"]
    fields = ("readings", "anomalies", "by_type", "by_tag")
    return {patient["patient_id"]: {field: patient[field] for field in fields} for patient in page}
