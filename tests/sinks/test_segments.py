"""The archive of segments: what it writes, when it seals, what it says of a broken disk."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bpstream.document import Entry
from bpstream.errors import SinkError, StartError
from bpstream.sinks.segments import Position, SegmentArchive
from tests.sinks.helpers import Disk, an_entry


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def archive(tmp_path: Path, clock: Clock, disk: Disk) -> AsyncIterator[SegmentArchive]:
    archive = SegmentArchive(tmp_path, lineage="run", max_bytes=5000, opener=disk, clock=clock)
    yield archive
    await archive.close()


def _files(folder: Path, partition: int = 0) -> dict[str, bytes]:
    """What lies in the partition's folder, unpacked."""
    found = {}
    for path in sorted((folder / f"partition={partition}").iterdir()):
        content = path.read_bytes()
        found[path.name] = gzip.decompress(content) if path.suffix == ".gz" else content
    return found


def _lines(*entries: Entry) -> bytes:
    return b"".join(entry.body + b"\n" for entry in entries)


def _entries(first: int, count: int) -> list[Entry]:
    return [an_entry(n) for n in range(first, first + count)]


async def test_batches_are_lines_of_the_open_segment_of_their_partition(tmp_path, archive):
    one, two, three = _entries(0, 3)
    await archive.take_over(0, 1, None)
    await archive.take_over(7, 1, None)
    assert await archive.write(0, [one]) == ("run-000001-00000000", len(one.body) + 1)
    await archive.write(7, [three])
    position = await archive.write(0, [two])
    assert position == ("run-000001-00000000", len(_lines(one, two)))
    assert _files(tmp_path) == {"run-000001-00000000.jsonl": _lines(one, two)}
    assert _files(tmp_path, 7) == {"run-000001-00000000.jsonl": _lines(three)}


async def test_a_batch_of_nothing_moves_nothing(archive):
    await archive.take_over(0, 1, None)
    position = await archive.write(0, _entries(0, 1))
    assert await archive.write(0, []) == position


async def test_a_full_segment_is_sealed_and_the_next_one_begun(tmp_path, archive):
    batch = _entries(0, 10)
    await archive.take_over(0, 1, None)
    await archive.rotate(0, await archive.write(0, batch))
    assert _files(tmp_path) == {"run-000001-00000000.jsonl.gz": _lines(*batch)}
    assert await archive.write(0, batch[:1]) == ("run-000001-00000001", len(_lines(batch[0])))


@pytest.mark.parametrize(("age", "files"), [(899.0, [".jsonl"]), (900.0, [".jsonl", ".gz"])])
async def test_a_segment_is_sealed_at_its_age(tmp_path, archive, clock, age, files):
    await archive.take_over(0, 1, None)
    position = await archive.write(0, _entries(0, 1))
    clock.now += age
    await archive.rotate(0, position)
    assert [Path(name).suffix for name in _files(tmp_path)] == files[-1:]


async def test_what_is_not_committed_is_not_sealed(tmp_path, archive):
    await archive.take_over(0, 1, None)
    committed = await archive.write(0, _entries(0, 1))
    full = await archive.write(0, _entries(1, 10))
    await archive.rotate(0, committed)
    await archive.write(0, _entries(11, 1))
    assert list(_files(tmp_path)) == ["run-000001-00000000.jsonl", "run-000001-00000001.jsonl"]
    await archive.rotate(0, full)
    assert list(_files(tmp_path)) == ["run-000001-00000000.jsonl.gz", "run-000001-00000001.jsonl"]


async def test_a_position_in_the_next_segment_seals_the_one_before(tmp_path, archive):
    await archive.take_over(0, 1, None)
    committed = await archive.write(0, _entries(0, 1))
    await archive.write(0, _entries(1, 10))
    await archive.rotate(0, committed)
    await archive.rotate(0, await archive.write(0, _entries(11, 1)))
    assert list(_files(tmp_path)) == ["run-000001-00000000.jsonl.gz", "run-000001-00000001.jsonl"]


@pytest.mark.parametrize(
    "fault",
    [{"room": 0}, {"room": 700}, {"room": 700, "truncates": False}, {"syncs": False}],
    ids=str,
)
async def test_a_batch_that_failed_and_comes_again_stands_once(tmp_path, archive, disk, fault):
    first, batch = _entries(0, 1), _entries(1, 3)
    await archive.take_over(0, 1, None)
    await archive.write(0, first)
    vars(disk).update(fault)
    for _ in range(2):
        with pytest.raises(SinkError, match=f"{tmp_path}/partition=0 did not take the batch"):
            await archive.write(0, batch)
    disk.mend()
    position = await archive.write(0, batch)
    lines = _lines(*first, *batch)
    assert _files(tmp_path) == {"run-000001-00000000.jsonl": lines}
    assert position.length == len(lines)


async def test_a_failed_batch_leaves_no_torn_line_to_a_reader(tmp_path, archive, disk):
    first = _entries(0, 1)
    await archive.take_over(0, 1, None)
    await archive.write(0, first)
    disk.room = 100
    with pytest.raises(SinkError):
        await archive.write(0, _entries(1, 3))
    assert _files(tmp_path) == {"run-000001-00000000.jsonl": _lines(*first)}


async def test_a_batch_whose_write_was_cancelled_and_comes_again_stands_once(tmp_path, archive):
    first, batch = _entries(0, 1), _entries(1, 2000)
    await archive.take_over(0, 1, None)
    await archive.write(0, first)
    writing = asyncio.create_task(archive.write(0, batch))
    await asyncio.sleep(0.001)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    position = await archive.write(0, batch)
    assert _files(tmp_path) == {"run-000001-00000000.jsonl": _lines(*first, *batch)}
    assert position.length == len(_lines(*first, *batch))


@pytest.mark.parametrize("fault", [{"room": 5}, {"syncs": False}], ids=str)
async def test_a_segment_that_cannot_be_sealed_is_sealed_later(tmp_path, archive, disk, fault):
    batch = _entries(0, 10)
    await archive.take_over(0, 1, None)
    position = await archive.write(0, batch)
    vars(disk).update(fault)
    with pytest.raises(SinkError, match="cannot seal a segment"):
        await archive.rotate(0, position)
    assert _files(tmp_path) == {"run-000001-00000000.jsonl": _lines(*batch)}
    disk.mend()
    position = await archive.write(0, batch[:1])
    await archive.rotate(0, position)
    assert list(_files(tmp_path)) == ["run-000001-00000000.jsonl.gz", "run-000001-00000001.jsonl"]


async def test_a_segment_is_not_left_before_a_failed_batch_is_cut_from_it(tmp_path, archive, disk):
    batch = _entries(0, 10)
    await archive.take_over(0, 1, None)
    committed = await archive.write(0, batch[:1])
    await archive.write(0, batch[1:])
    disk.syncs = disk.truncates = False
    with pytest.raises(SinkError):
        await archive.write(0, _entries(10, 1))
    with pytest.raises(SinkError, match="cannot seal a segment"):
        await archive.rotate(0, committed)
    disk.mend()
    await archive.rotate(0, committed)
    await archive.write(0, _entries(10, 1))
    assert _files(tmp_path) == {
        "run-000001-00000000.jsonl": _lines(*batch),
        "run-000001-00000001.jsonl": _lines(*_entries(10, 1)),
    }


async def test_a_partition_that_was_not_taken_over_or_was_released_is_not_written(archive):
    with pytest.raises(SinkError, match="partition=0 is not this worker's"):
        await archive.write(0, _entries(0, 1))
    await archive.take_over(0, 1, None)
    await archive.release(0)
    await archive.release(0)
    with pytest.raises(SinkError, match="partition=0 is not this worker's"):
        await archive.rotate(0, Position("run-000001-00000000", 0))


async def test_a_worker_that_lost_its_partition_cannot_write_to_its_segment(tmp_path, archive):
    await archive.take_over(0, 1, None)
    committed = await archive.write(0, _entries(0, 1))
    new_owner = SegmentArchive(tmp_path, lineage="run")
    await new_owner.take_over(0, 2, committed)
    for _ in range(2):
        with pytest.raises(SinkError, match=r"was removed|No such file"):
            await archive.write(0, _entries(1, 1))
    assert _files(tmp_path) == {"run-000001-00000000.jsonl.gz": _lines(*_entries(0, 1))}


async def test_a_segment_that_somebody_shortened_is_not_filled_with_zeros(tmp_path, archive):
    await archive.take_over(0, 1, None)
    await archive.write(0, _entries(0, 2))
    (path,) = (tmp_path / "partition=0").iterdir()
    path.write_bytes(b"")
    with pytest.raises(SinkError, match=r"holds 0 of the \d+ bytes written"):
        await archive.write(0, _entries(2, 1))


@pytest.mark.parametrize("folder", ["/proc/archive", "/dev/null", "/dev/null/archive"])
async def test_a_folder_that_cannot_be_written_is_an_error_at_the_start(folder):
    with pytest.raises(StartError, match=f"cannot be written to {folder}"):
        await SegmentArchive(Path(folder), lineage="run").check()


async def test_a_folder_that_is_missing_is_made(tmp_path):
    await SegmentArchive(tmp_path / "var" / "archive", lineage="run").check()
    assert list((tmp_path / "var" / "archive").iterdir()) == []


@pytest.mark.parametrize("lineage", ["", "../up", ".hidden", "a/b", "x" * 101])
def test_a_lineage_that_cannot_be_a_file_name_is_an_error_at_the_start(tmp_path, lineage):
    with pytest.raises(StartError, match="lineage"):
        SegmentArchive(tmp_path, lineage=lineage)


async def test_the_folder_of_one_app_is_refused_to_another(tmp_path):
    for _ in range(2):
        await SegmentArchive(tmp_path, lineage="run", owner="ward-1").check()
    with pytest.raises(
        StartError, match="is the archive of the app 'ward-1', and this is 'ward-2'"
    ):
        await SegmentArchive(tmp_path, lineage="run", owner="ward-2").check()
    await SegmentArchive(tmp_path / "another", lineage="run", owner="ward-2").check()
