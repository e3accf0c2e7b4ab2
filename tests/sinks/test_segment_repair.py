"""Mending segments: what is added and taken out, and what a broken disk leaves."""

import gzip
import os

import pytest

from bpstream.errors import SinkError, StartError
from bpstream.sinks.segment_files import SegmentName, recover
from bpstream.sinks.segment_repair import RepairedSegments, rewriting, without
from tests.sinks.helpers import Disk, a_line, archived_lines


def test_lines_are_added_in_a_sealed_segment_that_no_worker_touches(tmp_path):
    with RepairedSegments(tmp_path) as segments:
        segments.add(2, [b'{"n":1}', b'{"n":2}'])
        segments.add(0, [b'{"n":3}'])
        segments.add(2, [b'{"n":4}'])
    assert archived_lines(tmp_path) == [a_line(3), a_line(1), a_line(2), a_line(4)]
    (path,) = (tmp_path / "partition=2").iterdir()
    assert path.name.startswith("repaired-")
    assert path.name.endswith(".jsonl.gz")
    recover(tmp_path / "partition=2", SegmentName("run", 1, 0), None)
    assert archived_lines(tmp_path) == [a_line(3), a_line(1), a_line(2), a_line(4)]


def fail_after_adding(folder):
    with RepairedSegments(folder) as segments:
        segments.add(1, [b'{"n":1}'])
        raise SinkError("the index is away")


def test_what_a_repair_that_failed_has_added_is_there_for_the_worker_to_seal(tmp_path):
    with pytest.raises(SinkError, match="the index is away"):
        fail_after_adding(tmp_path)
    assert archived_lines(tmp_path) == [a_line(1)]
    recover(tmp_path / "partition=1", SegmentName("run", 1, 0), None)
    assert archived_lines(tmp_path) == [a_line(1)]


def test_a_full_disk_is_told(tmp_path):
    disk = Disk()
    disk.room = 3
    with (
        pytest.raises(SinkError, match="No space left"),
        RepairedSegments(tmp_path, opener=disk) as added,
    ):
        added.add(1, [b'{"n":1}'])


def a_segment(folder, count):
    path = folder / f"{SegmentName('run', 1, 0)}.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(map(a_line, range(count)))))
    return path


def test_lines_are_taken_out_of_a_sealed_segment(tmp_path):
    path = a_segment(tmp_path, 5)
    without(path, {0, 3})
    assert gzip.decompress(path.read_bytes()) == a_line(1) + a_line(2) + a_line(4)
    assert list(tmp_path.iterdir()) == [path]


def test_a_rewritten_segment_keeps_its_time_by_which_streams_are_put_in_order(tmp_path):
    path = a_segment(tmp_path, 5)
    os.utime(path, (1000, 1000))
    without(path, {0})
    assert path.stat().st_mtime == 1000


def test_a_worker_that_takes_over_leaves_what_is_being_rewritten(tmp_path):
    left = tmp_path / ".run-000001-00000000.jsonl.gz.rewrite"
    left.write_bytes(b"half")
    recover(tmp_path, SegmentName("run", 2, 0), None)
    assert left.exists()


def test_of_two_that_rewrite_the_second_is_refused_and_what_a_killed_one_left_is_cleared(tmp_path):
    left = tmp_path / "partition=0" / ".run-000001-00000000.jsonl.gz.rewrite"
    left.parent.mkdir()
    left.write_bytes(b"half")
    with rewriting(tmp_path):
        assert not left.exists()
        with pytest.raises(StartError, match="is being rewritten by another"), rewriting(tmp_path):
            raise AssertionError
    with rewriting(tmp_path):
        pass


def test_where_there_is_no_archive_nothing_is_made(tmp_path):
    with rewriting(tmp_path / "archive"):
        assert not list(tmp_path.iterdir())


def test_a_segment_of_which_nothing_is_left_goes(tmp_path):
    without(a_segment(tmp_path, 2), {0, 1})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", [{"room": 20}, {"syncs": False}], ids=["full", "failing"])
def test_a_disk_that_is_broken_leaves_the_segment_as_it_was(tmp_path, broken):
    path, disk = a_segment(tmp_path, 1000), Disk()
    before = path.read_bytes()
    for name, value in broken.items():
        setattr(disk, name, value)
    with pytest.raises(SinkError, match="cannot be rewritten"):
        without(path, {0}, opener=disk)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
