"""Lines of columns: what msgspec makes of the same values, with the loop in C and without it."""

import json
from datetime import datetime

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bpstream import jsonlines
from bpstream.compiled import LOOPS
from bpstream.jsonlines import parts
from bpstream.texts import Texts

NAN = float("nan")
letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
finite = st.floats(allow_nan=False, allow_infinity=False)
decimals = st.builds(round, st.floats(-1e6, 1e6) | st.floats(-1, 1), st.integers(0, 10))


def lines(pieces, n):
    """The lines, which are the same by the loop in C and by Python."""
    found = jsonlines.lines(pieces, n, loops=None)
    same = jsonlines.lines(pieces, n, loops=LOOPS)
    assert same.text == found.text
    assert same.begins.tolist() == found.begins.tolist()
    assert same.ends.tolist() == found.ends.tolist()
    return found


def read(*pieces, n):
    """The values of `n` lines that are one value each."""
    return [json.loads(line) for line in lines([*pieces, b"\n"], n).each()]


@given(st.lists(decimals | finite | st.just(NAN)))
@example([0.0, -0.0, 1e-9, 9.999e-6, 1e-5, 999999.999999999, 1e6, 120.0, 92.33, 0.1 + 0.2])
def test_numbers_are_written_as_msgspec_writes_them(values):
    written = lines([np.array(values, float)], len(values)).each()
    assert written == list(map(msgspec.json.encode, values))


@given(decimals)
def test_so_is_a_number_alone(value):
    """Beside none of many digits, which would have all of them written in another way."""
    assert lines([np.array([value])], 1).text == msgspec.json.encode(value)


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_whole_numbers_are_too(values):
    assert lines([np.array(values, np.int64)], len(values)).each() == [
        str(each).encode() for each in values
    ]


@given(st.lists(st.datetimes()))
@example([datetime(1, 1, 1), datetime(1900, 2, 28, 23, 59, 59, 999999), datetime(1900, 3, 1)])
@example([datetime(2000, 2, 29), datetime(2023, 12, 31), datetime(2024, 2, 29, 0, 0, 0, 1)])
def test_moments_are_written_to_the_microsecond(moments):
    written = lines([np.array(moments, "M8[us]")], len(moments)).each()
    assert written == [each.isoformat(timespec="microseconds").encode() for each in moments]


def test_moments_of_other_years_are_written_as_numpy_does():
    moments = np.array(["0000-12-31T23:59:59", "NaT", "2026-01-29"], "M8[us]")
    assert lines([moments], 3).each() == moments.astype("S26").tolist()


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.uint32, np.float32])
def test_columns_of_narrow_numbers_are_written_too(kind):
    assert read(np.array([0, 1, 120], kind), n=3) == [0, 1, 120]


@given(st.lists(st.booleans()), st.data())
def test_what_some_lines_have_stands_in_these(there, data):
    n, at = len(there), np.flatnonzero(there)
    strings = data.draw(st.lists(st.text("xyz", max_size=4), min_size=len(at), max_size=len(at)))
    group = lines([b"(", Texts.of(strings).json, b")"], len(at))
    found = lines([b"<", group.spread(at, n), b">"], n).each()
    told = iter(strings)
    assert found == [b"<(%b)>" % next(told).encode() if each else b"<>" for each in there]


@given(st.lists(st.tuples(st.booleans(), st.text("xyz"))))
def test_what_some_lines_are_not_to_have_is_left_out(told):
    there = np.array([each for each, _ in told], np.bool_)
    group = parts([text.encode() for _, text in told]).where(there)
    found = lines([b"<", group, b">"], len(told)).each()
    assert found == [b"<%b>" % (text.encode() if each else b"") for each, text in told]


@given(st.lists(st.text("xyz", min_size=1)), st.data())
def test_some_lines_are_given_one_after_the_other(strings, data):
    told = parts([each.encode() for each in strings])
    at = data.draw(st.lists(st.sampled_from(range(len(strings))))) if strings else []
    assert told.take(at).joined() == "".join(strings[each] for each in at).encode()
    assert told.take(range(len(strings))).joined() == told.joined() == told.text


@given(st.lists(st.tuples(*[st.text("ab", max_size=40)] * 2)))
def test_a_column_may_be_part_of_another_one(rows):
    """Of another stride than its width, or of one row that stands for all."""
    table = np.array([[each.encode() for each in row] for row in rows], "S40").reshape(-1, 2)
    numbers = np.arange(2 * len(rows)).reshape(-1, 2)
    one = np.broadcast_to(np.array(b"same"), len(rows))
    found = lines([table[:, 1], b"|", one, b"|", numbers[::-1, 0], b"\n"], len(rows)).text
    told = zip(table[:, 1].tolist(), numbers[::-1, 0].tolist(), strict=True)
    assert found == b"".join(b"%b|same|%d\n" % each for each in told)


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 700])
def test_as_many_lines_as_there_are_are_written(n):
    assert read(np.arange(n), n=n) == list(range(n))


def test_a_long_text_beside_short_ones_leaves_nothing_of_its_width():
    strings = ["a", "b" * 10_000, "c"]
    assert lines([b'"', Texts.of(strings).json, b'"\n'], 3).text == b"".join(
        msgspec.json.encode(each) + b"\n" for each in strings
    )


@pytest.mark.parametrize("n", [0, 3])
def test_lines_may_be_all_the_same(n):
    assert lines([b"a", b"\n"], n).text == b"a\n" * n
