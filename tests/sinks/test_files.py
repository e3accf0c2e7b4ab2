"""The archive of one file a reading, on real folders."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.document import Entry, Removal
from bpstream.errors import SinkError, StartError
from bpstream.sinks.files import FileArchive, file_name
from tests.sinks.helpers import TAKEN_AT, Disk, an_entry, found_of, removal_of

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


async def test_what_is_removed_has_no_file_any_more_and_the_others_have(tmp_path: Path):
    batch = [an_entry(n, practitioner_id=f"PRAC-{n}") for n in range(4)]
    archive = FileArchive(tmp_path)
    await archive.write(batch)
    await archive.write([], [removal_of(entry) for entry in batch[:2]])
    assert {path.name for path in tmp_path.iterdir()} == {file_name(each) for each in batch[2:]}
    found = await archive.find([entry.document_id for entry in batch])
    assert sorted(found) == [found_of(entry) for entry in batch[2:]]


@pytest.mark.parametrize(("removed", "left"), [(4, [5]), (5, []), (6, [])])
async def test_only_a_higher_version_than_the_removals_stays(
    tmp_path: Path, removed: int, left: list[int]
):
    entry, archive = an_entry(version=5), FileArchive(tmp_path)
    await archive.write([entry])
    for _ in range(2):
        await archive.write([], [removal_of(entry, version=removed)])
        assert [each.version for each in await archive.find([entry.document_id])] == left


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"taken_at": TAKEN_AT + 1},
        {"practitioner_id": "PRAC-02"},
        {"practitioner_id": None, "taken_at": TAKEN_AT - 1},
        {"patient_id": "a_b"},
    ],
    ids=str,
)
async def test_a_correction_leaves_its_own_file_alone(tmp_path: Path, changes):
    first, second = an_entry(version=1), an_entry(version=2, **changes)
    archive = FileArchive(tmp_path)
    await archive.write([first])
    for _ in range(2):
        await archive.write([second], [removal_of(first, version=2)])
        assert [path.name for path in tmp_path.iterdir()] == [file_name(second)]
        assert await archive.find([first.document_id]) == [found_of(second)]


async def test_another_reading_whose_name_ends_alike_is_neither_removed_nor_found(tmp_path: Path):
    ours = an_entry(document_id="0" * 31 + "1")
    other = an_entry(document_id="0" * 31 + "2", practitioner_id="PRAC-02")
    archive = FileArchive(tmp_path)
    await archive.write([ours, other])
    await archive.write([], [removal_of(ours)])
    assert await archive.find([ours.document_id]) == []
    assert await archive.find([other.document_id]) == [found_of(other)]


async def test_of_a_document_that_a_crash_left_in_two_files_the_newer_version_is_found(
    tmp_path: Path,
):
    first, second = an_entry(version=1), an_entry(version=2, taken_at=TAKEN_AT - 1)
    archive = FileArchive(tmp_path)
    await archive.write([first, second])
    assert await archive.find([first.document_id]) == [found_of(second)]


async def test_a_file_that_is_damaged_is_passed_over_with_a_warning(tmp_path: Path, caplog):
    archive = FileArchive(tmp_path)
    await archive.write([an_entry()])
    (path,) = tmp_path.iterdir()
    path.write_bytes(b'{"document_id": ')
    assert await archive.find([an_entry().document_id]) == []
    await archive.write([], [removal_of(an_entry())])
    assert path.exists()
    assert f"{path} is passed over" in caplog.text


async def test_nothing_is_removed_before_the_entries_are_on_the_disk(tmp_path: Path):
    disk = Disk()
    archive = FileArchive(tmp_path, opener=disk)
    first, second = an_entry(version=1), an_entry(version=2, taken_at=TAKEN_AT + 1)
    await archive.write([first])
    disk.room = 10
    with pytest.raises(SinkError, match="did not take the batch"):
        await archive.write([second], [removal_of(first, version=2)])
    assert [path.name for path in tmp_path.iterdir()] == [file_name(first)]


async def test_a_folder_that_is_gone_cannot_be_searched(tmp_path: Path):
    with pytest.raises(SinkError, match="archive cannot be searched"):
        await FileArchive(tmp_path / "archive").find(["0" * 32])


_NUMBERS, _VERSIONS, _TIMES = st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)
_CALLS = st.tuples(
    st.dictionaries(_NUMBERS, st.tuples(_VERSIONS, _TIMES)),
    st.lists(st.tuples(_NUMBERS, _VERSIONS, _TIMES), max_size=4),
)


@given(st.lists(_CALLS, max_size=6))
async def test_any_calls_leave_the_files_of_a_dictionary(calls):
    """By document and time, the version that is there."""
    model: dict[tuple[int, int], int] = {}
    with tempfile.TemporaryDirectory() as name:
        archive = FileArchive(Path(name))
        for entries, removals in calls:
            written = [
                an_entry(n, version=version, taken_at=TAKEN_AT + time)
                for n, (version, time) in entries.items()
            ]
            removed = [
                Removal(an_entry(n).document_id, version, "PAT-003", TAKEN_AT + time)
                for n, version, time in removals
            ]
            for _ in range(2):
                await archive.write(written, removed)
            kept = {(n, time): version for n, (version, time) in entries.items()}
            for n, version, time in removals:
                if (n, time) not in kept and model.get((n, time), version + 1) <= version:
                    del model[n, time]
            model |= kept
            found = await archive.find([an_entry(n).document_id for n in range(4)])
            highest = {n: max(v for (m, _), v in model.items() if m == n) for n, _ in model}
            assert {each.document_id: each.version for each in found} == {
                an_entry(n).document_id: version for n, version in highest.items()
            }
            assert len(list(Path(name).iterdir())) == len(model)
