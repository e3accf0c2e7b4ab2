"""Documents: a sequence of entries, whatever was chosen of it and joined to it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bpstream.document import Entry
from bpstream.documents import NONE, Documents

entries = st.lists(
    st.builds(
        Entry,
        document_id=st.text("0123456789abcdef", max_size=4),
        version=st.integers(0, 2**63 - 1),
        patient_id=st.text(max_size=3),
        practitioner_id=st.none() | st.text(max_size=3),
        taken_at=st.integers(-(2**63), 2**63 - 1),
        body=st.binary(max_size=5).map(lambda body: body.replace(b"\n", b"")),
    ),
    max_size=6,
)


def lines(held):
    """What a store that holds lines is to hold."""
    return b"".join(entry.body + b"\n" for entry in held)


def some_of(data, n):
    """Positions in ascending order."""
    return np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))) if n else [], np.intp)


@given(entries)
def test_documents_are_their_entries(held):
    found = Documents.of(held)
    assert (list(found), len(found), found) == (held, len(held), held)
    assert [found[at] for at in range(len(held))] == held
    assert (found.lines(), found.size) == (lines(held), len(lines(held)))
    assert found.document_ids == [entry.document_id for entry in held]


@given(entries, st.data())
def test_some_of_them_are_these_entries_and_know_their_places(held, data):
    at = some_of(data, len(held))
    again = some_of(data, len(at))
    found = Documents.of(held).take(at).take(again)
    places = at[again].tolist()
    chosen = [held[place] for place in places]
    assert (list(found), list(found.places)) == (chosen, places)
    assert (found.lines(), found.size) == (lines(chosen), len(lines(chosen)))
    assert found[1:] == chosen[1:]
    assert found.document_ids == [entry.document_id for entry in chosen]
    assert found.version.tolist() == [entry.version for entry in chosen]
    assert found.taken_at.tolist() == [entry.taken_at for entry in chosen]
    assert found.parts().each() == [entry.body + b"\n" for entry in chosen]


@given(st.lists(st.tuples(entries, st.data()), min_size=1, max_size=4))
def test_joined_they_are_one_part_after_the_other(parts):
    chosen = [Documents.of(held).take(some_of(data, len(held))) for held, data in parts]
    found = Documents.joined(chosen)
    expected = [entry for part in chosen for entry in part]
    assert (list(found), found.lines()) == (expected, lines(expected))
    assert len(parts) == 1 or list(found.places) == list(range(len(expected)))


def test_none_are_none():
    assert (list(NONE), NONE.lines(), NONE.size, len(NONE)) == ([], b"", 0, 0)
    assert not NONE
