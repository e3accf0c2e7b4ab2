"""Purging the archive's layout `files`: by the names alone."""

from pathlib import Path

import pytest

from bpstream.purge.files import FilesPurge
from bpstream.sinks.files import FileArchive, file_name
from tests.purge.helpers import BEFORE, a_new, an_old, no_bar
from tests.sinks.helpers import removal_of


@pytest.mark.parametrize(
    "patient_id", ["PAT-003", "a_b_20300101_000000_000000", "../../x", "x" * 90, ".hidden"]
)
async def test_files_of_readings_taken_before_go_whatever_the_patients_id(tmp_path, patient_id):
    entries = [
        an_old(0, patient_id=patient_id, practitioner_id=None),
        an_old(1, patient_id=patient_id, taken_at=BEFORE - 1),
        a_new(2, patient_id=patient_id),
        a_new(3, patient_id=patient_id, taken_at=BEFORE + 1),
    ]
    await FileArchive(tmp_path).write(entries)
    assert FilesPurge(tmp_path, BEFORE).find().readings == 2
    done = FilesPurge(tmp_path, BEFORE).purge(no_bar)
    assert (done.readings, done.left) == (2, [])
    assert names(tmp_path) == sorted(map(file_name, entries[2:]))
    assert FilesPurge(tmp_path, BEFORE).purge(no_bar).readings == 0


async def test_a_correction_and_a_retraction_of_what_was_purged_do_no_harm(tmp_path):
    archive = FileArchive(tmp_path)
    await archive.write([an_old(0), an_old(1), a_new(2)])
    FilesPurge(tmp_path, BEFORE).purge(no_bar)
    late = an_old(0, version=2)
    await archive.write([late], [removal_of(late), removal_of(an_old(1))])
    assert names(tmp_path) == sorted(map(file_name, [late, a_new(2)]))


def test_a_file_whose_name_tells_no_time_is_left_and_counted(tmp_path):
    (tmp_path / "notes.json").write_text("{}")
    (left,) = FilesPurge(tmp_path, BEFORE).purge(no_bar).left
    assert left.what == f"1 files *.json in {tmp_path}"
    assert names(tmp_path) == ["notes.json"]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())
