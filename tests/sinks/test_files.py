"""The archive of one file a reading, on real folders."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.document import Entry
from bpstream.errors import SinkError, StartError
from bpstream.sinks.files import FileArchive, file_name
from tests.sinks.helpers import TAKEN_AT, Disk, an_entry

_ID = "0123456789abcdef" * 2


def _named(patient: str = "PAT-003", practitioner: str | None = "PRAC-01") -> str:
    return file_name(Entry(_ID, 1, patient, practitioner, TAKEN_AT, b"{}"))


@pytest.mark.parametrize(
    ("patient", "practitioner", "start"),
    [
        ("PAT-003", "PRAC-01", "PAT-003_PRAC-01"),
        ("PAT-003", None, "PAT-003_none"),
        ("a.b_c-D9", "x" * 64, "a.b_c-D9_" + "x" * 64),
        ("../../x", "a/b", "%2E.%2F..%2Fx_a%2Fb"),
        (".hidden", "..", "%2Ehidden_%2E."),
        ("nul\0", "c\r\nd", "nul%00_c%0D%0Ad"),
        ("", "é", "_%C3%A9"),
        ("urn:oid:1.2|7", "50%", "urn%3Aoid%3A1.2%7C7_50%25"),
        ("x" * 65, None, "x" * 51 + "-9537c5fdf120_none"),
    ],
)
def test_a_name_tells_patient_and_practitioner(patient: str, practitioner: str, start: str):
    assert _named(patient, practitioner) == f"{start}_20260129_213251_619300_0123456789ab.json"


@given(st.text(), st.none() | st.text())
def test_no_id_leads_out_of_the_folder_or_into_a_hidden_file(patient: str, practitioner: str):
    name = _named(patient, practitioner)
    assert os.path.basename(name) == name
    assert not name.startswith(".")
    assert name.isascii()
    assert name.isprintable()
    assert len(name) <= 170


@given(st.sets(st.text(), min_size=2, max_size=2))
def test_two_patients_never_share_a_name(patients: set[str]):
    assert len({_named(patient) for patient in patients}) == 2


@pytest.mark.parametrize(
    ("taken_at", "time"),
    [(0, "19700101_000000_000000"), (-1, "19691231_235959_999999")],
)
def test_a_time_before_1970_has_its_own_microseconds(taken_at: int, time: str):
    assert time in file_name(Entry(_ID, 1, "p", None, taken_at, b"{}"))


async def test_each_reading_is_one_file_with_its_document(tmp_path: Path):
    batch = [an_entry(n, patient_id=f"p{n}") for n in range(600)]
    archive = FileArchive(tmp_path / "archive")
    await archive.check()
    await archive.write(batch)
    found = {path.name: path.read_bytes() for path in (tmp_path / "archive").iterdir()}
    assert found == {file_name(entry): entry.body for entry in batch}


async def test_a_batch_written_twice_leaves_one_file_a_reading(tmp_path: Path):
    archive = FileArchive(tmp_path)
    await archive.write([an_entry(1), an_entry(2)])
    await archive.write([an_entry(2), an_entry(1)])
    assert len(list(tmp_path.iterdir())) == 2


async def test_of_two_versions_in_a_batch_the_later_is_kept(tmp_path: Path):
    archive = FileArchive(tmp_path)
    await archive.write([an_entry(version=3), an_entry(version=2)])
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_bytes())["version"] == 3


@pytest.mark.parametrize(
    "fault", [{"room": 0}, {"room": 900}, {"room": 2500}, {"syncs": False}], ids=str
)
async def test_a_disk_that_fails_is_named_and_leaves_no_part_of_a_file(tmp_path: Path, fault):
    disk = Disk()
    archive = FileArchive(tmp_path, opener=disk)
    vars(disk).update(fault)
    batch = [an_entry(n) for n in range(3)]
    with pytest.raises(SinkError, match=f"{tmp_path} did not take the batch"):
        await archive.write(batch)
    assert list(tmp_path.iterdir()) == []
    disk.mend()
    await archive.write(batch)
    assert len(list(tmp_path.iterdir())) == 3


async def test_a_folder_that_was_removed_is_no_place_to_write(tmp_path: Path):
    archive = FileArchive(tmp_path / "archive")
    await archive.check()
    (tmp_path / "archive").rmdir()
    with pytest.raises(SinkError, match="No such file"):
        await archive.write([an_entry()])


@pytest.mark.parametrize("folder", ["/proc/archive", "/dev/null", "/dev/null/archive"])
async def test_a_folder_that_cannot_be_written_is_an_error_at_the_start(folder: str):
    with pytest.raises(StartError, match=f"cannot be written to {folder}"):
        await FileArchive(Path(folder)).check()


async def test_what_a_crash_left_is_removed_and_what_is_being_written_is_not(tmp_path: Path):
    old, new = tmp_path / ".a.json.0000.tmp", tmp_path / ".b.json.0001.tmp"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    await FileArchive(tmp_path).check()
    assert list(tmp_path.iterdir()) == [new]
