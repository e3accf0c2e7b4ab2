"""Purging segments: what goes, what stays and why, and what a crash or a worker makes of it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpstream.document import Entry, iso
from bpstream.purge.done import Done
from bpstream.purge.segments import SegmentsPurge
from bpstream.replay.archive import Archive
from bpstream.sinks import segment_repair
from bpstream.sinks.segment_files import Position, SegmentName, open_path
from bpstream.sinks.segment_repair import rewriting
from bpstream.sinks.segments import SegmentArchive
from tests.purge.helpers import (
    BEFORE,
    a_new,
    a_sealed,
    an_old,
    lines_of,
    no_bar,
    removed,
    written,
)
from tests.sinks.helpers import found_of, removal_of

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def the_purge(archive: Path) -> SegmentsPurge:
    return SegmentsPurge(archive, BEFORE, clock=lambda: NOW)


def purged(archive: Path) -> Done:
    with rewriting(archive):
        return the_purge(archive).purge(no_bar)


def an_open(folder: Path, lines: Iterable[Entry | bytes], *, torn: bytes = b"") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = open_path(folder, SegmentName("run", 1, 99))
    path.write_bytes(written(lines) + torn)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "partition=2"


def test_lines_taken_before_go_and_those_of_the_very_moment_stay(tmp_path, folder):
    early = an_old(2, taken_at=BEFORE - 1)
    path = a_sealed(folder, 0, [an_old(0), a_new(1), early, a_new(3)])
    done = purged(tmp_path)
    assert lines_of(path) == [a_new(1).body, a_new(3).body]
    assert (done.readings, done.details, done.left) == (2, ["0 segments whole, 1 in part"], [])


def test_a_segment_of_which_nothing_is_left_goes_and_one_without_old_lines_is_not_touched(
    tmp_path, folder
):
    gone, stays = a_sealed(folder, 0, [an_old()]), a_sealed(folder, 1, [a_new()])
    before = stays.stat().st_ino
    assert purged(tmp_path).details == ["1 segments whole, 0 in part"]
    assert not gone.exists()
    assert stays.stat().st_ino == before


def test_to_look_is_to_change_nothing_and_to_tell_what_would_go(tmp_path, folder):
    path = a_sealed(folder, 0, [an_old(0), a_new(1), removed(an_old(0))])
    before = path.read_bytes()
    found = the_purge(tmp_path).find(no_bar)
    assert path.read_bytes() == before
    assert found == purged(tmp_path)
    assert (found.readings, found.details) == (1, ["0 segments whole, 1 in part, 1 tombstones"])


def test_what_was_purged_is_purged_again_for_nothing(tmp_path, folder):
    path = a_sealed(folder, 0, [an_old(0), a_new(1)])
    purged(tmp_path)
    before = path.stat().st_ino
    again = purged(tmp_path)
    assert (again.readings, again.details, again.left) == (0, [], [])
    assert path.stat().st_ino == before


@pytest.mark.parametrize(
    ("age", "why"),
    [
        (60, "an open segment: its worker seals it by 2026-02-01T00:14:00Z"),
        (901, "an open segment that nobody seals: the next worker does, at its start"),
    ],
)
def test_an_open_segment_is_left_and_named(tmp_path, folder, age, why):
    begun = iso(int((NOW - timedelta(seconds=age)).timestamp() * 1_000_000))
    path = an_open(folder, [an_old(0, ingested_at=begun), a_new(1)], torn=b'{"docu')
    before = path.read_bytes()
    done = purged(tmp_path)
    assert path.read_bytes() == before
    (left,) = done.left
    assert (left.what, left.why) == (f"1 readings in partition=2/{path.name}", why)
    assert left.by_itself
    assert done.readings == 0


def test_an_open_segment_with_nothing_old_is_not_worth_a_word(tmp_path, folder):
    an_open(folder, [a_new(0), removed(an_old(1))])
    assert purged(tmp_path).left == []


def test_a_sealed_segment_beside_its_open_one_is_left_to_the_worker_that_seals_it(tmp_path, folder):
    path = a_sealed(folder, 99, [an_old(0)])
    an_open(folder, [an_old(0)])
    assert len(purged(tmp_path).left) == 1
    assert lines_of(path) == [an_old(0).body]


def test_a_tombstone_stays_as_long_as_the_line_that_it_takes_out(tmp_path, folder):
    """Which a repair that was killed has left in an open segment."""
    path = a_sealed(folder, 0, [removed(an_old(0)), removed(an_old(1))])
    an_open(folder, [an_old(0)])
    purged(tmp_path)
    assert lines_of(path) == [removed(an_old(0))]


def test_a_segment_that_was_set_aside_is_purged_too(tmp_path, folder):
    path = a_sealed(folder, 0, [an_old(0), a_new(1)])
    aside = path.rename(f"{path}.uncommitted")
    assert purged(tmp_path).readings == 1
    assert lines_of(aside) == [a_new(1).body]


@pytest.mark.parametrize("damage", [b"\0" * 40, b""], ids=["overwritten", "cut"])
def test_a_damaged_segment_is_left_and_named_and_the_others_are_purged(tmp_path, folder, damage):
    broken = a_sealed(folder, 0, [an_old(n) for n in range(50)])
    content = broken.read_bytes()
    broken.write_bytes(content[:60] + damage + content[60 + len(damage or content) :])
    other = a_sealed(folder, 1, [an_old(99)])
    done = purged(tmp_path)
    (left,) = done.left
    assert left.what == f"partition=2/{broken.name}"
    assert left.why.endswith("restore it, or remove it")
    assert not left.by_itself
    assert broken.exists()
    assert not other.exists()


def test_lines_that_are_no_documents_stay_and_are_counted(tmp_path, folder):
    path = a_sealed(folder, 0, [b"no document", an_old(), b'{"timestamp":"soon"}', b"\xff"])
    (left,) = purged(tmp_path).left
    assert left.what == f"3 lines of partition=2/{path.name}"
    assert lines_of(path) == [b"no document", b'{"timestamp":"soon"}', b"\xff"]


class Killed(BaseException):
    """In place of SIGKILL: nothing catches it."""


_DOCUMENTS = st.dictionaries(
    st.integers(0, 9),
    st.tuples(st.booleans(), st.integers(0, 2), st.none() | st.integers(0, 2)),
    max_size=8,
)


@settings(max_examples=30)
@given(found=_DOCUMENTS, crash=st.integers(0, 4))
def test_wherever_it_is_killed_nothing_comes_back_nothing_new_goes_and_the_next_call_ends_it(
    tmp_path_factory, found, crash
):
    """`found`: of a document, whether it is old, its segment, and how much later it goes again."""
    archive = tmp_path_factory.mktemp("archive")
    segments: dict[int, list[Entry | bytes]] = {}
    for number, (is_old, where, later) in found.items():
        entry = an_old(2 * number) if is_old else a_new(2 * number + 1)
        segments.setdefault(where, []).append(entry)
        if later is not None:
            segments.setdefault(where + later, []).append(removed(entry))
    for where, lines in segments.items():
        # A tombstone stands behind what it takes out.
        a_sealed(
            archive / "partition=0", where, sorted(lines, key=lambda each: isinstance(each, bytes))
        )
    before = documents(archive)
    new = {each for each in before if int(each[:8], 16) % 2}

    rewrites = 0
    rewrite = segment_repair.without

    def killed(path: Path, lines: frozenset[int]) -> None:
        nonlocal rewrites
        if rewrites == crash:
            raise Killed
        rewrites += 1
        rewrite(path, lines)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bpstream.purge.segments.without", killed)
        try:
            purged(archive)
        except Killed:
            between = documents(archive)
            assert new <= between <= before
    purged(archive)
    assert documents(archive) == new
    assert purged(archive).readings == 0


def documents(archive: Path) -> set[str]:
    """What a replay would find."""
    found = Archive(archive)
    return {each.document_id for part in found.parts for each in found.documents(part)}


# Beside a worker.


async def test_a_worker_writes_seals_finds_and_takes_over_as_if_nothing_had_been(tmp_path):
    def an_archive() -> SegmentArchive:
        return SegmentArchive(tmp_path, lineage="run", max_bytes=1)

    first = an_archive()
    await first.take_over(0, 1, None)
    position = await first.write(0, [an_old(0), a_new(1)])
    await first.rotate(0, position)
    position = await first.write(0, [an_old(2)])
    await first.rotate(0, position)
    done = purged(tmp_path)
    assert done.readings == 2
    ids = [an_old(n).document_id for n in range(4)]
    assert await first.find(0, ids) == [found_of(a_new(1))]

    # A reading that was purged is corrected, and another is taken back.
    late = an_old(0, version=2)
    position = await first.write(0, [late], [removal_of(late), removal_of(an_old(2))])
    assert sorted(await first.find(0, ids)) == sorted([found_of(late), found_of(a_new(1))])
    await first.rotate(0, position)
    assert purged(tmp_path).readings == 1
    assert await first.find(0, ids) == [found_of(a_new(1))]
    await first.close()

    # The segment of its position is gone: the next owner goes on behind it.
    second = an_archive()
    await second.take_over(0, 2, position)
    position = await second.write(0, [a_new(3)])
    assert (await second.find(0, ids)) == [found_of(a_new(3)), found_of(a_new(1))]
    assert Position(*position).name == "run-000002-00000000"
    await second.close()
