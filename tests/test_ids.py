"""Ids: a text keeps the position that it was given, by the loops and by Python alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.compiled import LOOPS
from bpstream.ids import ids, roomy
from bpstream.jsonlines import parts

BOTH_WAYS = pytest.mark.parametrize("loops", [LOOPS, None])

# Of a few letters, so that many are the same, and of all lengths that are hashed differently.
texts = st.text("aé", max_size=20).map(str.encode) | st.binary(max_size=3).map(bytes.hex).map(
    str.encode
)


@BOTH_WAYS
@given(st.lists(st.tuples(st.booleans(), st.lists(texts, max_size=40)), max_size=8))
def test_a_text_has_the_position_that_it_was_given_first(loops, calls):
    held, expected = ids(loops=loops), dict[bytes, int]()
    for adds, asked in calls:
        if adds:
            for each in asked:
                expected.setdefault(each, len(expected))
        found = (held.add if adds else held.find)(parts(asked))
        assert found.tolist() == [expected.get(each, -1) for each in asked]
    assert len(held) == len(expected)
    assert held.take(np.arange(len(held))) == [each.decode() for each in expected]


@BOTH_WAYS
@given(st.lists(texts, min_size=1, unique=True), st.data())
def test_texts_are_taken_by_their_positions_and_stay_what_they_are(loops, some, data):
    held = ids(loops=loops)
    held.add(parts(some))
    at = data.draw(st.lists(st.integers(0, len(some) - 1)))
    taken = held.take(np.array(at, np.intp))
    held.add(parts([b"%d more" % number for number in range(300)]))
    assert taken == [some[position].decode() for position in at]
    assert held.take(np.arange(len(some))) == [each.decode() for each in some]


@BOTH_WAYS
@pytest.mark.parametrize("at_once", [1, 7, 4000])
def test_thousands_keep_their_positions_while_thousands_are_added(loops, at_once):
    held = ids(loops=loops)
    every = [b"PAT-%06d" % number for number in range(20_000)]
    for start in range(0, len(every), at_once):
        held.add(parts(every[start : start + at_once]))
    assert held.find(parts(every)).tolist() == list(range(len(every)))
    assert (held.find(parts([b"PAT-%07d" % number for number in range(4000)])) == -1).all()
    assert held.take(np.arange(len(held))) == [each.decode() for each in every]


@pytest.mark.parametrize(
    ("count", "room"),
    [
        (1, 256),
        (16, 256),
        (17, 272),
        (4000, 64_000),
        (17_476, 279_616),
        (17_477, 279_621),
        (262_144, 524_288),
        (262_145, 524_290),
        (10_000_000, 20_000_000),
    ],
)
def test_few_have_room_for_many_more_and_many_for_twice_as_many(count, room):
    assert roomy(count) == room
