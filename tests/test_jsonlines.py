"""Lines of columns: what msgspec makes of the same values, whatever texts and numbers they are."""

import json
from itertools import pairwise
from math import isnan

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream import jsonlines
from bpstream.compiled import LOOPS
from bpstream.jsonlines import (
    beside,
    decimals,
    numbers,
    optional,
    probabilities,
    spread,
    texts,
)

NAN = float("nan")
letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
finite = st.floats(allow_nan=False, allow_infinity=False)


def lines(pieces, n):
    """The lines, which are the same by the loop in C and without it."""
    found = jsonlines.lines(pieces, n, loops=None).text
    assert jsonlines.lines(pieces, n, loops=LOOPS).text == found
    return found


def read(*pieces, n):
    """The values of `n` lines that are one value each."""
    return [json.loads(line) for line in lines([*pieces, b"\n"], n).splitlines()]


@given(st.lists(letters))
def test_texts_are_read_as_they_were_written(strings):
    assert read(b'"', texts(strings), b'"', n=len(strings)) == strings


@given(st.lists(st.text("ab", min_size=2, max_size=2)))
def test_texts_of_one_length_are_too(strings):
    assert read(b'"', texts(strings), b'"', n=len(strings)) == strings


@given(st.lists(st.none() | letters))
def test_a_field_is_there_where_it_has_a_value(strings):
    found = read(b'{"a":1', optional("b", strings), b"}", n=len(strings))
    assert found == [{"a": 1} if each is None else {"a": 1, "b": each} for each in strings]


@given(st.lists(finite | st.just(NAN)))
def test_numbers_are_exactly_what_they_were(values):
    expected = [None if isnan(each) else each for each in values]
    assert read(numbers(np.array(values, float)), n=len(values)) == expected


@pytest.mark.parametrize("times", [1, 100])  # Few are written in another way than many.
@given(
    values=st.lists(
        st.integers(-200, 100_200).map(lambda each: each / 100) | finite | st.just(NAN), max_size=20
    )
)
def test_decimals_are_too(values, times):
    values *= times
    expected = [None if isnan(each) else each for each in values]
    assert read(*decimals(np.array(values, float)), n=len(values)) == expected


@pytest.mark.parametrize("times", [1, 100])
@pytest.mark.parametrize("value", [0.0, 0.01, 0.1, 9.99, 80.0, 92.33, 92.5, 999.99, 1000.0, -0.5])
def test_a_decimal_is_spelled_as_json_spells_it(value, times):
    assert lines(decimals(np.full(times, value)), times) == json.dumps(value).encode() * times


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_whole_numbers_are_too(values):
    assert read(numbers(np.array(values, np.int64)), n=len(values)) == values


@given(st.lists(st.floats(0, 1) | st.just(NAN)))
def test_probabilities_have_six_digits(values):
    expected = [None if isnan(each) else round(each, 6) for each in values]
    found = read(*probabilities(np.array(values, float).round(6)), n=len(values))
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0.0"),
        (1.0, b"1.0"),
        (0.5, b"0.5"),
        (0.25, b"0.25"),
        (0.1234, b"0.1234"),
        (0.123456, b"0.123456"),
        (0.000001, b"0.000001"),
        (0.00101, b"0.00101"),
        (0.999999, b"0.999999"),
        (0.9999996, b"1.0"),
        (NAN, b"null"),
    ],
)
def test_a_probability_has_no_digit_too_many(value, text):
    assert lines(probabilities(np.array([value])), 1) == text


@given(st.lists(st.booleans()), st.data())
def test_what_some_lines_have_stands_in_these(there, data):
    n, at = len(there), np.flatnonzero(there)
    strings = data.draw(st.lists(st.text("xyz", max_size=4), min_size=len(at), max_size=len(at)))
    group = beside([b"(", texts(strings), b")"], len(at))
    found = lines([b"<", spread(group, at, n), b">\n"], n).decode().splitlines()
    told = iter(strings)
    assert found == [f"<({next(told)})>" if each else "<>" for each in there]


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 700])
def test_as_many_lines_as_there_are_are_written(n):
    numbered = np.arange(n)
    assert read(numbers(numbered), n=n) == numbered.tolist()


def test_a_long_text_beside_short_ones_leaves_nothing_of_its_width():
    strings = ["a", "b" * 10_000, "c"]
    assert lines([b'"', texts(strings), b'"\n'], 3) == b"".join(
        msgspec.json.encode(each) + b"\n" for each in strings
    )


@pytest.mark.parametrize("loops", [LOOPS, None], ids=["compiled", "NumPy"])
@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 700])
def test_it_is_told_where_each_line_begins(loops, n):
    pieces = [b"(", numbers(np.arange(n)), b")\n"]
    text, bounds = jsonlines.lines(pieces, n, loops=loops)
    assert [text[start:end] for start, end in pairwise(bounds)] == text.splitlines(keepends=True)
    assert (bounds[0], bounds[-1], len(bounds)) == (0, len(text), n + 1)


@given(st.lists(st.tuples(*[st.text("ab", max_size=40)] * 3)))
def test_a_column_may_be_part_of_another_one(rows):
    """Of another stride than its width, or of one row that stands for all."""
    n = len(rows)
    table = np.array([[each.encode() for each in row] for row in rows], "S40").reshape(n, 3)
    one = np.broadcast_to(np.array(b"same"), n)
    found = lines([table[:, 1], b"|", table[:, ::-1][:, 0], b"|", one, b"\n"], n)
    assert found == b"".join(b"%b|%b|same\n" % (row[1], row[2]) for row in table.tolist())
