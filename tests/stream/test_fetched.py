"""Records in columns: a sequence as any other, but for what a slice of it costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.stream.fetched import Fetched, Records
from tests.stream.helpers import together

texts = st.none() | st.binary(max_size=3)
headers = st.lists(st.tuples(st.text(max_size=2), texts), max_size=2).map(tuple)


@st.composite
def fetches(draw):
    offsets = sorted(draw(st.sets(st.integers(0, 2**62), min_size=1, max_size=9)))
    at = st.integers(-1, 2**45)
    return [
        Fetched("fhir", 3, offset, draw(at), draw(texts), draw(texts), draw(headers))
        for offset in offsets
    ]


bounds = st.none() | st.integers(-10, 10)


@given(fetches(), bounds, bounds, st.sampled_from([None, 1, 2, 3, -1, -2]))
def test_a_slice_holds_what_a_slice_of_the_records_would(fetched, start, stop, step):
    part = together(*fetched)[start:stop:step]
    assert isinstance(part, Records)
    assert list(part) == fetched[start:stop:step]
    assert set(part.headers) == {at for at, each in enumerate(part) if each.headers}


@given(fetches(), st.integers(-20, 20))
def test_a_record_is_found_by_its_position_from_either_end(fetched, at):
    records = together(*fetched)
    assert len(records) == len(fetched)
    if -len(fetched) <= at < len(fetched):
        assert records[at] == fetched[at]
    else:
        with pytest.raises(IndexError):
            records[at]


@given(fetches(), st.integers(0, 8), st.integers(-1, 1))
def test_what_lies_before_an_offset_is_left_out(fetched, at, beside):
    offset = fetched[at % len(fetched)].offset + beside
    since = together(*fetched).since(offset)
    assert list(since) == [each for each in fetched if each.offset >= offset]


@given(fetches())
def test_an_offset_is_a_number_that_every_client_takes(fetched):
    assert {type(each.offset) for each in together(*fetched)} == {int}
