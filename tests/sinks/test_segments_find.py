"""Taking documents out of the archive of segments, and finding them by id."""

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bpstream.document import Entry, tombstone
from bpstream.errors import SinkError
from bpstream.sinks import segment_search
from bpstream.sinks.segments import SegmentArchive
from tests.sinks.helpers import (
    TAKEN_AT,
    Disk,
    a_document,
    an_entry,
    archived_lines,
    found_of,
    removal_of,
)

_NOW = 1769722400.25  # 2026-01-29T21:33:20.250Z


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[SegmentArchive]:
    archive = SegmentArchive(tmp_path, lineage="run", max_bytes=1, now=lambda: _NOW)
    await archive.take_over(0, 1, None)
    yield archive
    await archive.close()


async def _sealed(archive: SegmentArchive, *entries: Entry, removals: tuple = ()) -> None:
    """Write them to a segment of their own."""
    await archive.rotate(0, await archive.write(0, entries, removals))


def _ids(*entries: Entry) -> list[str]:
    return [entry.document_id for entry in entries]


async def test_a_removal_is_a_line_that_says_so_and_stands_before_the_entries(tmp_path, archive):
    entry, other = an_entry(1), an_entry(2)
    position = await archive.write(0, [other], [removal_of(entry, version=7)])
    lines = archived_lines(tmp_path)
    assert lines[1] == other.body + b"\n"
    assert position.length == sum(map(len, lines))
    assert json.loads(lines[0]) == {
        "retracted": True,
        "document_id": entry.document_id,
        "version": 7,
        "patient_id": "PAT-003",
        "timestamp": a_document().timestamp,
        "retracted_at": "2026-01-29T21:33:20.250000Z",
    }


async def test_a_document_is_found_in_an_open_and_in_a_sealed_segment(archive):
    old, new, never = an_entry(1), an_entry(2), an_entry(3)
    await _sealed(archive, old)
    await archive.write(0, [new])
    found = await archive.find(0, _ids(old, new, never, new))
    assert sorted(found) == [found_of(old), found_of(new)]


@pytest.mark.parametrize("is_sealed", [False, True])
@pytest.mark.parametrize(("removed", "left"), [(4, [5]), (5, []), (6, [])])
async def test_only_a_higher_version_than_the_removals_stays(archive, is_sealed, removed, left):
    entry = an_entry(version=5)
    await archive.write(0, [entry])
    for _ in range(2):
        position = await archive.write(0, [], [removal_of(entry, version=removed)])
        if is_sealed:
            await archive.rotate(0, position)
        assert [each.version for each in await archive.find(0, _ids(entry))] == left


@pytest.mark.parametrize("removed", [(4, 5), (5, 4)])
async def test_of_several_removals_the_one_of_the_highest_version_counts(archive, removed):
    entry = an_entry(version=5)
    await _sealed(archive, entry)
    for version in removed:
        await _sealed(archive, removals=(removal_of(entry, version=version),))
    assert await archive.find(0, _ids(entry)) == []


async def test_a_document_that_comes_again_after_its_removal_is_there_again(archive):
    entry = an_entry()
    await _sealed(archive, entry)
    await _sealed(archive, removals=(removal_of(entry, version=9),))
    await _sealed(archive, entry)
    assert await archive.find(0, _ids(entry)) == [found_of(entry)]


async def test_a_correction_is_found_with_its_new_time(archive):
    first, second = an_entry(version=1), an_entry(version=2, taken_at=TAKEN_AT - 1)
    await _sealed(archive, first)
    await _sealed(archive, second, removals=(removal_of(first, version=2),))
    assert await archive.find(0, _ids(first)) == [found_of(second)]


async def test_of_two_versions_in_a_segment_the_higher_counts(archive):
    await archive.write(0, [an_entry(version=2), an_entry(version=1)])
    assert await archive.find(0, _ids(an_entry())) == [found_of(an_entry(version=2))]


async def test_a_text_that_looks_like_an_id_is_none(archive):
    quoting = an_entry(1, device=f'"document_id":"{an_entry(2).document_id}"')
    await archive.write(0, [quoting])
    assert await archive.find(0, _ids(an_entry(2))) == []


async def test_a_line_longer_than_a_block_is_found(archive):
    entry = an_entry(1, device="x" * 3_000_000)
    await _sealed(archive, an_entry(0), entry, an_entry(2))
    found = await archive.find(0, _ids(an_entry(0), entry, an_entry(2)))
    assert sorted(found) == [found_of(an_entry(0)), found_of(entry), found_of(an_entry(2))]


async def test_other_partitions_are_not_searched(archive):
    await archive.take_over(1, 1, None)
    await archive.write(1, [an_entry()])
    assert await archive.find(0, _ids(an_entry())) == []
    assert len(await archive.find(1, _ids(an_entry()))) == 1


async def test_a_search_reads_no_further_than_it_must(tmp_path, archive, caplog):
    old, new = an_entry(1), an_entry(2)
    await _sealed(archive, old)
    for path in tmp_path.glob("*/*.gz"):
        path.write_bytes(b"unreadable")
    await _sealed(archive, new)
    assert await archive.find(0, _ids(new)) == [found_of(new)]
    assert caplog.text == ""
    assert await archive.find(0, _ids(old, new)) == [found_of(new)]
    assert "run-000001-00000000" in caplog.text


async def test_what_is_damaged_is_passed_over_with_a_warning(tmp_path, archive, caplog):
    first, second = an_entry(1), an_entry(2)
    await _sealed(archive, first)
    (sealed,) = tmp_path.glob("*/*.gz")
    sealed.write_bytes(sealed.read_bytes()[:-12])
    torn = second.body[:-20]
    await archive.write(0, [second._replace(body=torn), second])
    found = await archive.find(0, _ids(first, second))
    assert found_of(second) in found
    assert "a line of run-000001-00000001" in caplog.text
    assert "the end of run-000001-00000000" in caplog.text


async def test_other_lineages_count_and_come_before_ours(tmp_path, archive):
    ours, theirs, removed = an_entry(1), an_entry(2), an_entry(3)
    folder = tmp_path / "partition=0"
    older = b"".join(entry.body + b"\n" for entry in (theirs, removed, an_entry(1, version=9)))
    path = folder / "zz-000001-00000000.jsonl.gz"
    path.write_bytes(gzip.compress(older))
    os.utime(path, (_NOW + 10**9, _NOW + 10**9))  # Its time means nothing beside ours.
    await archive.write(0, [ours], [removal_of(removed)])
    found = await archive.find(0, _ids(ours, theirs, removed))
    assert sorted(found) == [found_of(ours), found_of(theirs)]


@pytest.mark.parametrize(("newest", "left"), [("a", 0), ("b", 1)])
async def test_other_lineages_follow_one_another_by_their_time(tmp_path, archive, newest, left):
    folder = tmp_path / "partition=0"
    line = tombstone(removal_of(an_entry()), 0) + b"\n"
    (folder / "a-000001-00000000.jsonl.gz").write_bytes(gzip.compress(line))
    (folder / "b-000001-00000000.jsonl.gz").write_bytes(gzip.compress(an_entry().body + b"\n"))
    for name in "ab":
        seconds = 2000 if name == newest else 1000
        os.utime(folder / f"{name}-000001-00000000.jsonl.gz", (seconds, seconds))
    assert len(await archive.find(0, _ids(an_entry()))) == left


def test_a_segment_that_is_purged_while_it_is_looked_for_holds_nothing(tmp_path):
    for number in range(3):
        path = tmp_path / f"run-000001-0000000{number}.jsonl.gz"
        path.write_bytes(gzip.compress(an_entry(number).body + b"\n"))

    def purged() -> None:
        """Called when the segments are listed."""
        (tmp_path / "run-000001-00000001.jsonl.gz").unlink()

    found = segment_search.find(
        tmp_path, "run", _ids(*map(an_entry, range(3))), written=purged, stopped=lambda: False
    )
    assert found == [found_of(an_entry(2)), found_of(an_entry(0))]


async def test_what_was_not_accepted_is_not_found(tmp_path):
    disk = Disk()
    archive = SegmentArchive(tmp_path, lineage="run", opener=disk)
    await archive.take_over(0, 1, None)
    await archive.write(0, [an_entry(1)])
    disk.syncs = disk.truncates = False
    with pytest.raises(SinkError, match="did not take the batch"):
        await archive.write(0, [an_entry(2)])
    assert len(archived_lines(tmp_path)) == 2
    assert await archive.find(0, _ids(an_entry(1), an_entry(2))) == [found_of(an_entry(1))]
    disk.mend()
    await archive.close()


async def test_a_partition_of_another_worker_is_not_searched(archive):
    with pytest.raises(SinkError, match="partition=1 is not this worker's"):
        await archive.find(1, _ids(an_entry()))


async def test_a_folder_that_cannot_be_read_is_told(tmp_path, archive):
    (tmp_path / "partition=0" / "old-000001-00000000.jsonl").mkdir()
    with pytest.raises(SinkError, match="partition=0 cannot be searched"):
        await archive.find(0, _ids(an_entry()))


async def test_readings_are_written_and_sealed_while_a_search_goes_on(archive):
    ballast = [an_entry(n, device="x" * 20_000) for n in range(10, 110)]
    for start in range(0, 100, 20):
        await _sealed(archive, an_entry(start // 20), *ballast[start : start + 20])
    wanted = _ids(*(an_entry(n) for n in range(5)), an_entry(999))
    searches = [asyncio.create_task(archive.find(0, wanted)) for _ in range(4)]
    for n in range(200, 230):
        await _sealed(archive, an_entry(n))
    for found in await asyncio.gather(*searches):
        assert sorted(found) == [found_of(an_entry(n)) for n in range(5)]


async def test_a_search_that_is_cancelled_leaves_the_archive_usable(archive):
    await _sealed(archive, *(an_entry(n) for n in range(2000)))
    searching = asyncio.create_task(archive.find(0, _ids(an_entry(9999))))
    await asyncio.sleep(0)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    assert len(await archive.find(0, _ids(an_entry(1)))) == 1
