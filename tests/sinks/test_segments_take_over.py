"""What a new owner of a partition makes of the segments it finds."""

import gzip
from pathlib import Path

import pytest

from bpstream.errors import SinkError, StartError
from bpstream.sinks.segments import Position, SegmentArchive
from tests.sinks.helpers import Disk, a_line, an_entry, archived_lines


async def _taken_over(folder: Path, position: Position | None, *, epoch: int = 9) -> Position:
    """Take over, write one entry, and tell where it went."""
    archive = SegmentArchive(folder, lineage="run")
    await archive.take_over(0, epoch, position)
    try:
        return await archive.write(0, [])
    finally:
        await archive.close()


async def test_a_segment_that_a_frozen_owner_begins_after_it_was_succeeded_does_not_count(tmp_path):
    frozen, successor = (SegmentArchive(tmp_path, lineage="run") for _ in range(2))
    await frozen.take_over(0, 1, None)
    await successor.take_over(0, 2, None)
    committed = await successor.write(0, [an_entry(1)])
    await frozen.write(0, [an_entry(1), an_entry(2)])
    await frozen.close()
    await successor.close()
    await _taken_over(tmp_path, committed, epoch=3)
    assert archived_lines(tmp_path) == [an_entry(1).body + b"\n"]


async def test_a_full_segment_that_its_owner_had_not_sealed_yet_is_kept(tmp_path, partition):
    (partition / "run-000001-00000000.jsonl").write_bytes(a_line(1))
    (partition / "run-000001-00000001.jsonl").write_bytes(a_line(2))
    await _taken_over(tmp_path, Position("run-000001-00000001", len(a_line(2))))
    assert archived_lines(tmp_path) == [a_line(1), a_line(2)]


@pytest.fixture
def partition(tmp_path: Path) -> Path:
    folder = tmp_path / "partition=0"
    folder.mkdir()
    return folder


async def test_without_a_position_nothing_of_the_lineage_was_committed(tmp_path, partition):
    (partition / "run-000001-00000000.jsonl").write_bytes(a_line(1))
    await _taken_over(tmp_path, None)
    assert archived_lines(tmp_path) == []


async def test_another_lineage_keeps_its_whole_lines(tmp_path, partition):
    (partition / "old-run-000007-00000003.jsonl").write_bytes(a_line(1) + a_line(2) + b'{"n":')
    (partition / "old-run-000007-00000002.jsonl.gz").write_bytes(gzip.compress(a_line(0)))
    await _taken_over(tmp_path, None)
    assert archived_lines(tmp_path) == [a_line(0), a_line(1), a_line(2)]
    assert (partition / "old-run-000007-00000003.jsonl.gz").exists()


async def test_a_lineage_whose_name_begins_like_ours_is_another(tmp_path, partition):
    (partition / "run-b-000001-00000000.jsonl").write_bytes(a_line(1))
    await _taken_over(tmp_path, None)
    assert archived_lines(tmp_path) == [a_line(1)]


async def test_the_sealed_file_wins_over_the_open_one_beside_it(tmp_path, partition):
    (partition / "run-000001-00000000.jsonl").write_bytes(a_line(1) + a_line(2))
    (partition / "run-000001-00000000.jsonl.gz").write_bytes(gzip.compress(a_line(1)))
    await _taken_over(tmp_path, Position("run-000001-00000000", len(a_line(1))))
    assert archived_lines(tmp_path) == [a_line(1)]


async def test_a_sealed_segment_behind_the_position_is_set_aside_and_not_deleted(
    tmp_path, partition, caplog
):
    (partition / "run-000001-00000000.jsonl").write_bytes(a_line(1))
    (partition / "run-000001-00000001.jsonl.gz").write_bytes(gzip.compress(a_line(2)))
    await _taken_over(tmp_path, Position("run-000001-00000000", len(a_line(1))))
    assert archived_lines(tmp_path) == [a_line(1)]
    aside = partition / "run-000001-00000001.jsonl.gz.uncommitted"
    assert gzip.decompress(aside.read_bytes()) == a_line(2)
    assert "set aside" in caplog.text


async def test_committed_lines_that_are_missing_stop_the_start(tmp_path, partition):
    path = partition / "run-000001-00000000.jsonl"
    path.write_bytes(a_line(1))
    with pytest.raises(StartError, match=r"holds 8 of the 100 bytes that were committed"):
        await _taken_over(tmp_path, Position("run-000001-00000000", 100))
    assert path.exists()


async def test_a_segment_that_was_moved_away_is_not_missed(tmp_path):
    written = await _taken_over(tmp_path, Position("run-000001-00000000", 100))
    assert written.name == "run-000009-00000000"


async def test_a_position_of_another_kind_stops_the_start(tmp_path):
    with pytest.raises(StartError, match="'0' is not a segment's name"):
        await _taken_over(tmp_path, Position("0", 0))


async def test_a_file_of_somebody_else_is_left_alone(tmp_path, partition):
    (partition / "notes.jsonl").write_bytes(b"mine")
    await _taken_over(tmp_path, None)
    assert (partition / "notes.jsonl").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("position", "epoch", "name"),
    [
        (None, 1, "run-000001-00000000"),
        ("run-000001-00000004", 2, "run-000002-00000000"),
        ("run-000002-00000004", 2, "run-000002-00000005"),
        ("run-000003-00000004", 2, "run-000003-00000005"),
        ("run-999999-00000004", 1000000, "run-1000000-00000000"),
        ("run-1000000-00000004", 1000000, "run-1000000-00000005"),
        ("other-000003-00000004", 2, "run-000002-00000000"),
    ],
)
async def test_a_new_name_comes_after_all_there_were(tmp_path, position, epoch, name):
    committed = Position(position, 0) if position else None
    assert (await _taken_over(tmp_path, committed, epoch=epoch)).name == name


async def test_a_name_that_was_used_for_uncommitted_lines_is_not_used_again(tmp_path, partition):
    (partition / "run-000009-00000003.jsonl").write_bytes(a_line(1))
    assert (await _taken_over(tmp_path, None)).name == "run-000009-00000004"


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("position", [None, Position("run-000001-00000000", 8)])
async def test_segments_of_a_later_owner_stop_a_worker_that_does_not_know_of_them(
    tmp_path, partition, suffix, position
):
    later = partition / f"run-000010-00000003{suffix}"
    later.write_bytes(b"theirs")
    with pytest.raises(StartError, match="run-000010-00000003, of a later owner than epoch 9"):
        await _taken_over(tmp_path, position)
    assert later.read_bytes() == b"theirs"


async def test_a_disk_that_is_full_at_take_over_is_tried_again(tmp_path, partition):
    (partition / "run-000001-00000000.jsonl").write_bytes(a_line(1) + a_line(2))
    disk = Disk()
    archive = SegmentArchive(tmp_path, lineage="run", opener=disk)
    position = Position("run-000001-00000000", len(a_line(1)))
    disk.room = 3
    with pytest.raises(SinkError, match="partition=0 cannot be taken over"):
        await archive.take_over(0, 2, position)
    disk.mend()
    await archive.take_over(0, 2, position)
    assert archived_lines(tmp_path) == [a_line(1)]
