"""The archive read back: both layouts, without what was taken back or is not yet written."""

import gzip

import msgspec
import pytest

from bpstream import document as documents
from bpstream.document import Removal
from bpstream.errors import FileError
from bpstream.replay.archive import Archive
from tests.sinks.helpers import TAKEN_AT, a_document

SECOND = 1_000_000


def line_of(document) -> bytes:
    return msgspec.json.encode(document) + b"\n"


def tombstone(number, *, after, version=1) -> bytes:
    """Takes document `number` back so many seconds after it was taken."""
    document = a_document(number)
    removal = Removal(document.document_id, version, document.patient_id, TAKEN_AT)
    return documents.tombstone(removal, TAKEN_AT + after * SECOND) + b"\n"


def a_segment(folder, partition, sequence, *lines, sealed=True, torn=b""):
    path = folder / f"partition={partition}" / f"run-000001-{sequence:08d}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(lines) + torn
    if sealed:
        path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(content))
    else:
        path.write_bytes(content)
    return path


def numbers(archive):
    """The numbers of the documents, as `a_document` counts them."""
    return [
        int(each.document_id[:8], 16)
        for part in archive.parts
        for each in archive.documents(part)
        if not isinstance(each, tuple)
    ]


def test_segments_are_read_in_order_open_or_sealed(tmp_path):
    one, two, three, four = (line_of(a_document(number)) for number in (1, 2, 3, 4))
    a_segment(tmp_path, 0, 2, three, sealed=False, torn=four[:-5])
    a_segment(tmp_path, 0, 1, one, two)
    a_segment(tmp_path, 1, 1, four)
    assert numbers(Archive(tmp_path)) == [1, 2, 3, 4]


def test_files_are_read(tmp_path):
    for number in (1, 2):
        (tmp_path / f"p{number}.json").write_bytes(line_of(a_document(number)).strip())
    (tmp_path / ".p3.json.tmp").write_bytes(b"{")
    assert sorted(numbers(Archive(tmp_path))) == [1, 2]


def test_a_document_that_was_taken_back_is_left_out_wherever_the_line_stands(tmp_path):
    written = [line_of(a_document(number)) for number in (1, 2)]
    a_segment(tmp_path, 0, 1, *written)
    a_segment(tmp_path, 3, 1, tombstone(1, after=60), sealed=False)
    assert numbers(Archive(tmp_path)) == [2]


@pytest.mark.parametrize(
    ("after", "version", "left"),
    [(0, 1, [1]), (1, 1, []), (2, 1, []), (2, 0, [1]), (2, 2, [])],
)
def test_a_later_document_counts_and_so_does_a_higher_version(tmp_path, after, version, left):
    # It has version 1, and is ingested a second after it was taken.
    line = tombstone(1, after=after, version=version)
    a_segment(tmp_path, 0, 1, line, line_of(a_document(1)))
    assert numbers(Archive(tmp_path)) == left


def test_what_is_archived_meanwhile_is_left_out(tmp_path):
    path = a_segment(tmp_path, 0, 1, line_of(a_document(1)), sealed=False)
    archive = Archive(tmp_path)
    with path.open("ab") as file:
        file.write(line_of(a_document(2)))
    a_segment(tmp_path, 0, 2, line_of(a_document(3)))
    assert numbers(archive) == [1]


def test_a_line_that_is_no_document_is_told_with_its_place(tmp_path):
    a_segment(tmp_path, 0, 1, line_of(a_document(1)), b'{"retracted": 7}\n', b"{}\n", b"no\n")
    archive = Archive(tmp_path)
    assert numbers(archive) == [1]
    told = [each for each in archive.documents(archive.parts[0]) if isinstance(each, tuple)]
    assert [place.line for place, _ in told] == [1, 2, 3]


def test_a_patient_called_retracted_is_no_tombstone(tmp_path):
    a_segment(tmp_path, 0, 1, line_of(a_document(1, patient_id="retracted")))
    assert numbers(Archive(tmp_path)) == [1]


def test_an_archive_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileError, match=r"there is no archive at .*gone"):
        Archive(tmp_path / "gone")
