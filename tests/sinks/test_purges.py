"""The note of what was purged."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpstream.errors import FileError
from bpstream.sinks import purges
from bpstream.sinks.purges import Purge

_TIMES = st.integers(1, 5).map(lambda day: day * 86_400_000_000)


def test_a_folder_without_a_note_has_no_purges(tmp_path):
    assert purges.noted(tmp_path) == []


def test_a_purge_is_noted_when_it_begins_and_when_it_has_ended(tmp_path):
    purges.begin(tmp_path, 1000)
    assert purges.noted(tmp_path) == [Purge(1000)]
    purges.end(tmp_path, 1000, now=5000)
    assert purges.noted(tmp_path) == [Purge(1000, 5000)]
    assert [each.name for each in tmp_path.iterdir()] == [".purged"]


def test_a_later_purge_ends_what_was_interrupted_before(tmp_path):
    purges.begin(tmp_path, 1000)
    purges.begin(tmp_path, 3000)
    purges.end(tmp_path, 2000, now=5000)
    assert purges.noted(tmp_path) == [Purge(3000)]
    purges.end(tmp_path, 3000, now=6000)
    assert purges.noted(tmp_path) == [Purge(3000, 6000)]


@settings(max_examples=25)
@given(done=st.lists(st.tuples(_TIMES, _TIMES), max_size=6), taken_at=_TIMES, arrived_at=_TIMES)
def test_what_any_purge_excuses_the_note_excuses(tmp_path_factory, done, taken_at, arrived_at):
    folder = tmp_path_factory.mktemp("archive")
    # As the clock goes.
    done.sort(key=lambda each: each[1])
    for before, ended in done:
        purges.begin(folder, before)
        purges.end(folder, before, now=ended)
    noted = purges.noted(folder)
    assert len(noted) <= len(done)
    assert any(taken_at < each.before and arrived_at < each.ended for each in noted) == any(
        taken_at < before and arrived_at < ended for before, ended in done
    )


@pytest.mark.parametrize("content", [b"", b"[1]", b'[{"before":"soon"}]', b"\xff"])
def test_a_damaged_note_is_told(tmp_path, content):
    (tmp_path / ".purged").write_bytes(content)
    with pytest.raises(FileError, match="tells what was purged, cannot be read"):
        purges.noted(tmp_path)
