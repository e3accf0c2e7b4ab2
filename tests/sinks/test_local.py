"""The local index, on real SQLite files."""

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bpstream.errors import SinkError, StartError
from bpstream.sinks.local import LocalIndex
from tests.sinks.helpers import TAKEN_AT, an_entry, found_of, removal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "index.sqlite"


async def test_a_batch_written_twice_leaves_one_copy(path: Path):
    batch = [an_entry(1), an_entry(2)]
    async with LocalIndex(path) as index:
        assert await index.write(batch) == []
        await index.write(batch)
        assert len(await index.search()) == 2


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [(1, 2, 88.0), (2, 2, 88.0), (2, 1, 60.0)],
    ids=["a newer version", "the same version", "an older version"],
)
async def test_the_newest_version_is_kept(path: Path, first: int, second: int, kept: float):
    async with LocalIndex(path) as index:
        await index.write([an_entry(version=first, diastolic_pressure=60.0)])
        await index.write([an_entry(version=second, diastolic_pressure=88.0)])
        (found,) = await index.search()
    assert found["diastolic_pressure"] == kept


async def test_a_correction_moves_the_reading_to_its_patient_and_time(path: Path):
    async with LocalIndex(path) as index:
        await index.write([an_entry(version=1)])
        await index.write([an_entry(version=2, taken_at=TAKEN_AT + 9, patient_id="PAT-004")])
        assert await index.search("PAT-003") == []
        assert len(await index.search("PAT-004", since=TAKEN_AT + 9)) == 1


async def test_what_is_removed_is_there_no_longer_and_the_others_are(path: Path):
    batch = [an_entry(n) for n in range(4)]
    async with LocalIndex(path) as index:
        await index.write(batch)
        await index.remove([removal_of(entry) for entry in batch[:2]])
        found = await index.find([entry.document_id for entry in batch])
    assert sorted(found) == [found_of(entry) for entry in batch[2:]]


@pytest.mark.parametrize(("removed", "left"), [(4, [5]), (5, []), (6, [])])
async def test_only_a_higher_version_than_the_removals_stays(path: Path, removed: int, left: list):
    entry = an_entry(version=5)
    async with LocalIndex(path) as index:
        await index.write([entry])
        for _ in range(2):
            await index.remove([removal_of(entry, version=removed)])
            assert [each.version for each in await index.find([entry.document_id])] == left


async def test_a_correction_that_moved_the_reading_is_not_removed_with_its_former_time(path: Path):
    first, second = an_entry(version=1), an_entry(version=2, taken_at=TAKEN_AT + 9)
    async with LocalIndex(path) as index:
        for _ in range(2):
            await index.write([first])
            await index.write([second])
            await index.remove([removal_of(first, version=2)])
            assert await index.find([first.document_id]) == [found_of(second)]


async def test_what_was_never_written_is_not_found_and_may_be_removed(path: Path):
    async with LocalIndex(path) as index:
        assert await index.find([an_entry().document_id]) == []
        await index.remove([removal_of(an_entry())])


async def test_the_newest_readings_of_a_patient_come_first(path: Path):
    async with LocalIndex(path) as index:
        await index.write([an_entry(n, taken_at=TAKEN_AT + n) for n in range(5)])
        await index.write([an_entry(9, patient_id="PAT-009")])
        found = await index.search("PAT-003", since=TAKEN_AT + 1, limit=3)
    assert [each["observation_id"] for each in found] == ["obs-4", "obs-3", "obs-2"]


async def test_what_was_written_is_there_after_the_file_is_opened_again(path: Path):
    async with LocalIndex(path) as index:
        await index.prepare()
        await index.write([an_entry()])
    async with LocalIndex(path) as index:
        assert len(await index.search()) == 1


async def test_another_program_finds_the_documents_by_type(path: Path):
    async with LocalIndex(path) as index:
        await index.write([an_entry(1), an_entry(2, anomaly_type="hypotension")])
        with closing(sqlite3.connect(path)) as reader:
            counts = "SELECT anomaly_type, count(*) FROM documents GROUP BY 1 ORDER BY 1"
            found = reader.execute(counts).fetchall()
    assert found == [("hypertension", 1), ("hypotension", 1)]


async def test_writers_at_the_same_time_lose_nothing(path: Path):
    async with LocalIndex(path) as one, LocalIndex(path) as other:
        await asyncio.gather(
            *(one.write([an_entry(n)]) for n in range(20)),
            *(other.write([an_entry(n)]) for n in range(10, 30)),
        )
        assert len(await one.search()) == 30


async def test_a_file_that_is_locked_is_tried_again_later(path: Path):
    async with LocalIndex(path, patience=0.05) as index:
        await index.check()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(SinkError, match=r"index\.sqlite.*locked"):
                await index.write([an_entry()])
            with pytest.raises(SinkError, match=r"index\.sqlite.*locked"):
                await index.remove([removal_of(an_entry())])
        await index.write([an_entry()])
        assert len(await index.search()) == 1


@contextmanager
def _no_file_above(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_takes_nothing_of_a_batch_and_all_of_it_later(path: Path):
    batch = [an_entry(n) for n in range(3000)]
    async with LocalIndex(path) as index:
        await index.write([an_entry(9000)])
        with _no_file_above(1_000_000), pytest.raises(SinkError, match=r"index\.sqlite"):
            await index.write(batch)
        assert len(await index.search(limit=5000)) == 1
        await index.write(batch)
        assert len(await index.search(limit=5000)) == 3001


async def test_a_file_of_a_newer_bpstream_is_left_alone(path: Path):
    async with LocalIndex(path) as index:
        await index.check()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 7")
    async with LocalIndex(path) as index:
        with pytest.raises(StartError, match=r"has schema 7, and this bpstream knows 1"):
            await index.check()


async def test_a_file_that_is_no_database_is_an_error_at_the_start(tmp_path: Path):
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"these are not the bytes of a database" * 100)
    async with LocalIndex(path) as index:
        with pytest.raises(StartError, match="not a database"):
            await index.check()


@pytest.mark.parametrize("parent", ["/proc/no/such", "/dev/null"])
async def test_a_folder_that_cannot_be_made_is_an_error_at_the_start(parent: str):
    async with LocalIndex(Path(parent) / "index.sqlite") as index:
        with pytest.raises(StartError, match=parent):
            await index.check()


async def test_a_write_that_is_cancelled_leaves_the_file_usable(path: Path):
    async with LocalIndex(path) as index:
        writing = asyncio.create_task(index.write([an_entry(n) for n in range(3000)]))
        await asyncio.sleep(0.001)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await index.write([an_entry(n) for n in range(3000)])
        assert len(await index.search(limit=5000)) == 3000
