"""What is told of two pieces of JSON that differ."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.jsondiff import differences

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": 2}, ["a: 2 instead of 1"]),
        ({"a": 1}, {"a": True}, ["a: true instead of 1"]),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, ['a.b: "y" instead of "x"']),
        ({"a": 1}, {}, ["a: nothing instead of 1"]),
        ({}, {"a": 1}, ["a: 1 instead of nothing"]),
        ({}, {"a": None}, []),
        ({"a": None}, {}, []),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]: 3 instead of 2"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a: [1] instead of [1, 2]"]),
        ([1], {"a": 1}, ['all of it: {"a": 1} instead of [1]']),
        ({"a": "é" * 99}, {"a": ""}, [f'a: "" instead of "{"é" * 58}…']),
    ],
    ids=str,
)
def test_a_difference_is_told_by_its_place_and_both_values(wanted, found, told):
    assert [str(each) for each in differences(wanted, found)] == told


@given(JSON)
def test_nothing_differs_from_itself(value):
    assert differences(value, json.loads(json.dumps(value))) == []


@given(JSON, JSON)
def test_what_differs_one_way_differs_the_other_way_at_the_same_places(one, other):
    ahead, back = differences(one, other), differences(other, one)
    assert sorted(each.path for each in ahead) == sorted(each.path for each in back)
