"""Purging the local index, on real SQLite files."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bpstream.errors import SinkError
from bpstream.purge.local import LocalPurge
from bpstream.sinks.local import LocalIndex
from tests.purge.helpers import BEFORE, a_new, an_old, no_bar
from tests.sinks.helpers import found_of, removal_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


async def filled(index: LocalIndex, count: int) -> None:
    await index.write([each for n in range(0, count, 2) for each in (an_old(n), a_new(n + 1))])


async def test_rows_taken_before_go_and_the_file_gets_smaller(path: Path):
    async with LocalIndex(path) as index:
        await filled(index, 6000)
        await index.write([an_old(9001, taken_at=BEFORE - 1), a_new(9002)])
    before = path.stat().st_size
    assert LocalPurge(path, BEFORE).find().readings == 3001
    done = LocalPurge(path, BEFORE).purge(no_bar)
    assert (done.readings, done.left) == (3001, [])
    assert path.stat().st_size < 0.6 * before
    async with LocalIndex(path) as index:
        assert len(await index.search(limit=9000)) == 3001
        assert await index.search(since=BEFORE, limit=9000) == await index.search(limit=9000)
    assert LocalPurge(path, BEFORE).purge(no_bar).readings == 0


async def test_nothing_of_a_row_is_left_in_the_files(path: Path):
    async with LocalIndex(path) as index:
        await index.write([an_old(0, patient_id="MRN-4711"), a_new(1)])
    LocalPurge(path, BEFORE).purge(no_bar)
    for each in path.parent.iterdir():
        assert b"MRN-4711" not in each.read_bytes()


async def test_a_purge_that_was_killed_before_it_gave_the_room_back_gives_it_the_next_time(
    path: Path,
):
    async with LocalIndex(path) as index:
        await filled(index, 4000)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM documents WHERE taken_at < ?", (BEFORE,))
        connection.commit()
    before = path.stat().st_size
    assert LocalPurge(path, BEFORE).purge(no_bar).readings == 0
    assert path.stat().st_size < 0.6 * before


async def test_a_worker_writes_and_reads_meanwhile(path: Path):
    async with LocalIndex(path) as index:
        await filled(index, 20_000)
        purge = asyncio.create_task(asyncio.to_thread(LocalPurge(path, BEFORE).purge, no_bar))
        written = 0
        while not purge.done():
            await index.write([a_new(100_000 + written)])
            written += 1
            await index.search(limit=1)
        assert (await purge).readings == 10_000
        assert written > 5
        assert len(await index.search(limit=99_999)) == 10_000 + written


async def test_a_correction_and_a_retraction_of_what_was_purged_do_no_harm(path: Path):
    async with LocalIndex(path) as index:
        await index.write([an_old(0), an_old(1), a_new(2)])
        LocalPurge(path, BEFORE).purge(no_bar)
        late = an_old(0, version=2)
        await index.write([late])
        await index.remove([removal_of(an_old(1))])
        found = await index.find([an_old(n).document_id for n in range(3)])
    assert sorted(found) == [found_of(late), found_of(a_new(2))]


def test_where_there_is_no_file_none_is_made(path: Path):
    assert LocalPurge(path, BEFORE).find().readings == 0
    assert LocalPurge(path, BEFORE).purge(no_bar).readings == 0
    assert not path.exists()


def test_what_is_no_sqlite_file_is_told(path: Path):
    path.write_bytes(b"something else" * 100)
    with pytest.raises(SinkError, match="cannot be purged: file is not a database"):
        LocalPurge(path, BEFORE).find()
