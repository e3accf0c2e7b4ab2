"""Copied rows: what was put in comes out, in its order."""

from hypothesis import given
from hypothesis import strategies as st

from bpstream.copied import Copied

rows = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=9)))


@given(rows)
def test_rows_come_out_as_they_were_put_in_as_often_as_asked(found):
    copied = Copied.of(found)
    assert list(copied) == list(copied) == found
    assert (len(copied), copied.packed.sizes()) == (len(found), [len(row) for _, row in found])
    assert bool(copied) == bool(found)
    assert Copied.of(copied) == copied
