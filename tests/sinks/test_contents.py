"""What the stores hold, read back from real files."""

import asyncio
import gzip
import sqlite3
from pathlib import Path

import pytest

from bpstream.errors import SinkError
from bpstream.sinks.contents import Place, of_files, of_local, of_segment, segments
from bpstream.sinks.files import FileArchive
from bpstream.sinks.local import LocalIndex
from bpstream.sinks.segment_files import Position, SegmentName
from tests.sinks.helpers import a_line, an_entry

NAME = SegmentName("run", 3, 7)


def put(folder: Path, name: SegmentName, content: bytes, *, sealed: bool = False) -> None:
    within = folder / "partition=2"
    within.mkdir(exist_ok=True)
    path = within / f"{name}.jsonl{'.gz' if sealed else ''}"
    path.write_bytes(gzip.compress(content) if sealed else content)


@pytest.mark.parametrize(
    ("committed", "lines"),
    [
        (None, 3),
        (Position(str(NAME), len(a_line(0)) * 2), 2),
        (Position(str(NAME), len(a_line(0)) * 2 + 1), 2),
        (Position(str(NAME), 0), 0),
        (Position(str(NAME.following()), 5), 3),
        (Position(str(SegmentName("run", 3, 6)), 5), 0),
        (Position(str(SegmentName("run", 4, 0)), 5), 0),
        (Position(str(SegmentName("another", 9, 9)), 5), 3),
    ],
    ids=[
        "nothing is committed yet",
        "two lines are committed",
        "and a part of the third",
        "none is committed",
        "a later segment is committed",
        "an earlier segment is committed",
        "a later owner's segment is committed",
        "another lineage's segment is committed",
    ],
)
def test_of_an_open_segment_whole_committed_lines_are_read(tmp_path, committed, lines):
    put(tmp_path, NAME, a_line(0) + a_line(1) + a_line(2) + b'{"n":')
    found = list(of_segment(tmp_path, 2, NAME, committed))
    path = f"partition=2/{NAME}.jsonl"
    assert found == [(Place(path, n, False), a_line(n)) for n in range(lines)]


def test_of_a_sealed_segment_every_line_is_read_also_where_the_open_file_is_still_there(tmp_path):
    put(tmp_path, NAME, a_line(0) + a_line(1), sealed=True)
    put(tmp_path, NAME, a_line(0))
    assert segments(tmp_path) == [(2, NAME)]
    found = list(of_segment(tmp_path, 2, NAME, Position(str(NAME), 1)))
    path = f"partition=2/{NAME}.jsonl.gz"
    assert found == [(Place(path, n, True), a_line(n)) for n in range(2)]


def test_what_is_no_segment_is_left_out(tmp_path):
    within = tmp_path / "partition=2"
    within.mkdir()
    for name in (f"{NAME}.jsonl.gz.uncommitted", f".{NAME}.0f.tmp", "notes.jsonl", f"{NAME}.txt"):
        (within / name).write_bytes(b"x")
    (tmp_path / "partition=x").mkdir()
    (tmp_path / "partition=x" / f"{NAME}.jsonl").write_bytes(b"x")
    assert segments(tmp_path) == []
    assert segments(tmp_path / "nowhere") == []


def test_a_segment_that_is_gone_has_no_lines(tmp_path):
    assert list(of_segment(tmp_path, 2, NAME, None)) == []


@pytest.mark.parametrize("where", [slice(-12, None), slice(30, 40)], ids=["at its end", "inside"])
def test_a_damaged_segment_is_named(tmp_path, where):
    put(tmp_path, NAME, b"".join(map(a_line, range(1000))), sealed=True)
    path = tmp_path / "partition=2" / f"{NAME}.jsonl.gz"
    damaged = bytearray(path.read_bytes())
    damaged[where] = b"" if where.stop is None else b"\xff" * 10
    path.write_bytes(damaged)
    with pytest.raises(SinkError, match=f"{NAME}.jsonl.gz cannot be read"):
        list(of_segment(tmp_path, 2, NAME, None))


async def test_every_file_is_read(tmp_path):
    entries = [an_entry(n) for n in range(3)]
    archive = FileArchive(tmp_path)
    await archive.check()
    await archive.write(entries)
    (tmp_path / ".left.json.0f.tmp").write_bytes(b"{")
    found = await asyncio.to_thread(lambda: list(of_files(tmp_path)))
    assert sorted(body for _, body in found) == sorted(entry.body for entry in entries)
    assert all((tmp_path / place.path).is_file() for place, _ in found)


async def test_every_document_of_the_local_index_is_read_and_nothing_is_made(tmp_path):
    path = tmp_path / "index.sqlite"
    assert list(of_local(path)) == []
    assert not path.exists()
    async with LocalIndex(path) as index:
        await index.write([an_entry(n, version=n) for n in range(5)])
        # Beside a worker that has it open.
        (page,) = of_local(path)
    assert [(each["document_id"], each["version"]) for each in page] == [
        (f"{n:08x}" * 4, n) for n in range(5)
    ]
    assert page[0]["kafka"] == {"topic": "blood_pressure_fhir", "partition": 2, "offset": 41}


def test_a_file_that_is_no_index_is_named(tmp_path):
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(SinkError, match=r"index\.sqlite cannot be read: file is not a database"):
        list(of_local(path))
    path.unlink()
    sqlite3.connect(path).close()
    with pytest.raises(SinkError, match="no such table"):
        list(of_local(path))
