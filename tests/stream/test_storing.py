"""Storing: what waits is stored as one, and every chunk of it has what it would have alone."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bpstream.checkpoint import CLAIM, KEY
from bpstream.patients import counters_of
from bpstream.stream.tables import OwnedPartition
from tests.pipeline.messages import RETRACTED, Taken, body
from tests.stream.one_worker import SEVERE, SOON, Worker, fates_of, until, workers
from tests.stream.owners import CHANGELOG, Contested

AHEAD = Taken("ahead", "p0", **SEVERE)


@pytest.fixture
async def kafka() -> Contested:
    return Contested()


@pytest.fixture
async def new_worker(kafka: Contested, monkeypatch) -> AsyncIterator[Callable[..., Worker]]:
    async with workers(kafka, monkeypatch) as new:
        yield new


async def judged_behind(worker: Worker, *readings: Taken) -> OwnedPartition:
    """Judge a chunk of each reading, from offset 1 on, while one ahead of them is stored."""
    worker.index.away = True
    await worker.put(0, body(AHEAD))
    await until(lambda: worker.index.tried > 0)
    for offset, reading in enumerate(readings, 1):
        await worker.put(offset, body(reading))
    partition = worker.table.store.partition(0)
    await until(lambda: partition.checkpoint.step == 1 + len(readings))
    return partition


def rows(kafka: Contested) -> list[set[bytes | None]]:
    """The patients of each write of the changelog that has some."""
    sent = [{each.key for each in sent.records} for sent in kafka.sent if sent.topic == CHANGELOG]
    return [keys - {KEY} for keys in sent if keys - {KEY, CLAIM}]


def ids(*readings: Taken) -> list[str]:
    return [reading.document_id for reading in readings]


async def test_what_waited_for_the_index_is_one_write_of_each_store(kafka, new_worker):
    worker = new_worker(enriched="enriched")
    waited = [Taken(f"o{number}", f"p{number}", **SEVERE) for number in range(1, 4)]
    normal = Taken("normal", "p1", minute=1)
    await judged_behind(worker, *waited, normal)
    worker.index.away = False
    await until(lambda: worker.acked == [0, 1, 2, 3, 4])
    assert worker.index.writes == [ids(AHEAD), ids(*waited)]
    assert worker.archive.writes == [ids(normal)]
    assert rows(kafka) == [{b"p0"}, {b"p1", b"p2", b"p3"}]
    assert len(kafka.records("enriched")) == 5
    assert fates_of(worker) == {"reading": 5}


async def test_a_patient_changed_in_several_chunks_is_written_once_as_it_was_last(
    kafka, new_worker
):
    worker = new_worker()
    await judged_behind(worker, *(Taken(f"o{number}", minute=number) for number in range(3)))
    worker.index.away = False
    await until(lambda: worker.acked == [0, 1, 2, 3])
    assert rows(kafka) == [{b"p0"}, {b"p1"}]
    recovered = OwnedPartition(0)
    recovered.apply(kafka.records(CHANGELOG))
    assert counters_of(recovered.patients.row("p1"))["readings"] == 3
    assert recovered.checkpoint == worker.table.store.partition(0).written
    assert recovered.checkpoint.archived == ("open", 3)


async def test_what_is_taken_back_leaves_behind_what_came_before_it(new_worker):
    worker = new_worker()
    a, b = Taken("a", "p1", **SEVERE), Taken("b", "p2", **SEVERE)
    gone = a._replace(status=RETRACTED)
    await judged_behind(worker, a, gone, b)
    worker.index.away = False
    await until(lambda: worker.acked == [0, 1, 2, 3])
    assert worker.index.writes == [ids(AHEAD), ids(a), ids(b)]
    assert worker.index.told == ["write", "write", "remove", "write"]


async def test_a_document_the_index_refuses_is_a_dead_letter_of_its_own_chunk(kafka, new_worker):
    worker = new_worker()
    waited = [Taken(f"o{number}", f"p{number}", **SEVERE) for number in range(1, 4)]
    worker.index.refuses = {waited[1].document_id}
    await judged_behind(worker, *waited)
    worker.index.away = False
    await until(lambda: worker.acked == [0, 1, 2, 3])
    ((_, _, value),) = kafka.records("dead")
    (letter,) = [sent.records[0] for sent in kafka.sent if sent.topic == "dead"]
    assert value == body(waited[1])
    assert dict(letter.headers)["offset"] == b"2"
    assert worker.index.written == ids(AHEAD, waited[0], waited[2])
    assert fates_of(worker) == {"reading": 3, "dead_letter refused_by_index": 1}


async def test_what_waits_of_a_partition_that_is_lost_is_stored_nowhere(kafka, new_worker):
    worker = new_worker()
    partition = await judged_behind(worker, Taken("a", "p1"), Taken("b", "p2", **SEVERE))
    partition.lost = True
    assert await worker.classifier.lanes.settle(SOON)
    assert (worker.acked, worker.archive.writes, worker.index.writes) == ([], [], [])
    assert rows(kafka) == []


async def test_a_chunk_is_not_acknowledged_whose_partition_is_lost_as_its_rows_are_written(
    new_worker, monkeypatch
):
    worker = new_worker()
    partition = await judged_behind(worker)
    write = worker.table.write

    async def write_and_lose(*arguments: Any) -> None:
        await write(*arguments)
        partition.lost = True

    monkeypatch.setattr(worker.table, "write", write_and_lose)
    worker.index.away = False
    assert await worker.classifier.lanes.settle(SOON)
    assert (worker.index.writes, worker.acked) == ([ids(AHEAD)], [])


async def test_a_partition_that_came_back_is_not_stored_with_what_is_left_of_it(new_worker):
    worker = new_worker()
    partition = await judged_behind(worker, Taken("a", "p1"))
    worker.table.store.partitions.clear()
    again = worker.recover()
    await worker.put(0, body(AHEAD))
    await worker.put(1, body(Taken("a", "p1")))
    await until(lambda: again.checkpoint.step == 2)
    partition.lost, worker.index.away = True, False
    await until(lambda: worker.acked == [0, 1])
    assert worker.index.writes == [ids(AHEAD)]
    assert worker.archive.writes == [ids(Taken("a", "p1"))]


async def test_a_crash_before_the_rows_are_written_leaves_all_that_was_stored_at_once_to_the_next(
    kafka, new_worker
):
    first = new_worker()
    waited = [Taken(f"o{number}", f"p{number}", **SEVERE) for number in range(1, 4)]
    await judged_behind(first, *waited)
    await first.classifier.lanes.stop()
    second = new_worker(generation=2)
    second.recover()
    for offset, reading in enumerate([AHEAD, *waited]):
        await second.put(offset, body(reading))
    await until(lambda: second.acked == [0, 1, 2, 3])
    assert second.index.written == ids(AHEAD, *waited)
    counted: Any = second.table.store.partition(0).patients.rows["counters"][:4, 0]
    assert counted.tolist() == [1, 1, 1, 1]
