"""Texts: as lists of strings, and as they stand in JSON."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.compiled import LOOPS
from bpstream.jsonlines import lines, parts
from bpstream.texts import Texts, alike, optional, taken, together

letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
plain = st.lists(st.text("xyzä-. ", max_size=4))
strings_of_either_kind = st.lists(letters) | plain


def read(*pieces, n):
    """The values of `n` lines that are one value each."""
    return [json.loads(line) for line in lines([*pieces, b"\n"], n).each()]


def made(strings):
    """The same texts, whatever they are made of: not all know their strings."""
    texts = Texts.of(strings)
    yield texts
    yield texts.take(np.arange(len(strings)))
    if all(each.isprintable() and not {*each} & {*'"\\'} for each in strings):
        yield Texts.of_lines("".join(f"{each}\n" for each in strings).encode())


@given(strings_of_either_kind)
def test_they_are_the_strings_they_were_made_of(strings):
    for texts in made(strings):
        assert texts == strings
        assert list(texts) == texts.strings == strings
        assert [texts[at] for at in range(len(strings))] == strings
    for texts in made(strings):  # Of which nobody asked for all the strings before.
        assert [texts[at] for at in range(len(strings))] == strings
        assert texts.utf8.each() == [each.encode() for each in strings]


@given(strings_of_either_kind)
def test_in_json_they_are_read_as_they_were_written(strings):
    for texts in made(strings):
        assert read(b'"', texts.json, b'"', n=len(strings)) == strings


@given(strings_of_either_kind, st.data())
def test_some_of_them_are_taken_as_of_a_list(strings, data):
    places = st.integers(0, len(strings) - 1)
    at = data.draw(st.lists(places if strings else st.nothing()))
    some = data.draw(st.slices(len(strings)))
    for texts in [*made(strings), strings]:
        assert taken(texts, np.array(at, np.intp)) == [strings[place] for place in at]
        assert texts[some] == strings[some]


@given(st.lists(strings_of_either_kind, min_size=1))
def test_those_of_several_stand_one_after_the_other(several):
    whole = [each for strings in several for each in strings]
    columns = list(map(Texts.of, several))
    found = together(columns)
    assert isinstance(found, Texts)
    assert found == together(several) == together([several[0], *columns[1:]]) == whole
    assert read(b'"', found.json, b'"', n=len(whole)) == whole


@given(st.lists(st.none() | letters))
def test_a_field_is_there_where_it_has_a_value(strings):
    found = read(b'{"a":1', *optional("b", strings), b"}", n=len(strings))
    assert found == [{"a": 1} if each is None else {"a": 1, "b": each} for each in strings]


@given(strings_of_either_kind)
def test_a_field_that_every_line_has_is_of_texts(strings):
    for texts in made(strings):
        found = read(b'{"a":1', *optional("b", texts), b"}", n=len(strings))
        assert found == [{"a": 1, "b": each} for each in strings]


few = st.binary(max_size=2) | st.sampled_from([bytes(16), bytes(17), b"12345678", b"123456789"])


@given(st.lists(few | st.binary(max_size=40)))
@pytest.mark.parametrize("loops", [LOOPS, None])
def test_texts_that_are_the_same_are_told_by_the_first_of_them(loops, given):
    groups, firsts = alike(parts(given), loops=loops)
    different = list(dict.fromkeys(given))
    assert [given[at] for at in firsts.tolist()] == different
    assert [different[at] for at in groups.tolist()] == given
    assert firsts.tolist() == [given.index(each) for each in different]
