"""Which files a path stands for."""

import gzip
import os

import pytest

from bpstream.errors import FileError
from bpstream.ingest.files import STDIN, File, Kind, below, opened


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", Kind.WHOLE),
        ("a.fhir.JSON", Kind.WHOLE),
        ("a.json.gz", Kind.WHOLE),
        ("a.ndjson", Kind.LINES),
        ("a.jsonl.gz", Kind.LINES),
        ("a.csv", Kind.CSV),
        ("a.csv.gz", Kind.CSV),
        ("a.parquet", Kind.PARQUET),
    ],
)
def test_the_ending_tells_the_kind(tmp_path, name, kind):
    path = tmp_path / name
    path.touch()
    assert list(below(path)) == [File(path, kind)]


def test_a_folder_is_all_that_can_be_read_below_it_by_name(tmp_path):
    names = ["b.json", "a/2.ndjson", "a/10.json", "c.csv", "x.tsv", ".hidden.json", ".git/a.json"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "folder.json").mkdir()
    found = [file.path.relative_to(tmp_path).as_posix() for file in below(tmp_path)]
    assert found == ["a/10.json", "a/2.ndjson", "b.json", "c.csv"]


def test_a_dash_is_stdin():
    assert [str(file) for file in below(STDIN)] == ["stdin"]


@pytest.mark.parametrize(
    ("name", "why"),
    [("a.xml", "of no kind"), ("gone.json", "no such"), ("folder", "holds no file of a kind")],
)
def test_what_cannot_be_read_is_an_error(tmp_path, name, why):
    (tmp_path / "a.xml").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".hidden.json").touch()
    with pytest.raises(FileError, match=why):
        list(below(tmp_path / name))


def test_a_file_that_changed_has_another_stamp(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"1234")
    stamps = [File(path, Kind.WHOLE).stamp()]
    path.write_bytes(b"4321")
    os.utime(path, ns=(0, stamps[0].modified))
    stamps.append(File(path, Kind.WHOLE).stamp())
    os.utime(path, ns=(0, 0))
    stamps.append(File(path, Kind.WHOLE).stamp())
    assert len(set(stamps)) == 3


def test_a_packed_file_is_read_unpacked_and_its_position_is_that_on_the_disk(tmp_path):
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b"x\n" * 100_000))
    with opened(File(path, Kind.LINES)) as (content, raw):
        assert content.read() == b"x\n" * 100_000
        assert raw.tell() == path.stat().st_size
