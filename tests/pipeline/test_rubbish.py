"""Rubbish among readings: each input has one fate, and the state is as if it had not come."""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpstream.pipeline import Batch
from tests.pipeline.messages import (
    RUBBISH,
    Message,
    Taken,
    a_pipeline,
    body,
    chunk,
    messages,
)
from tests.pipeline.owner import Owner, patients_a_step

STRANGER = "stranger"
"""A patient whose home is another partition."""

# The same inputs in every run: a failure is a change of the code, and never of the dice.
FUZZ = settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)

SAMPLES = [
    each
    for path in sorted((Path(__file__).parents[1] / "samples").glob("*.json"))
    if path.name not in {"expected.json", "d61_truncated.json"}
    and len(each := path.read_bytes()) < 10_000
]


class Valid(bytes):
    """A message that holds a reading for certain."""


def an_owner() -> Owner:
    return Owner(a_pipeline(home=lambda patients: [int(who == STRANGER) for who in patients]))


# Inputs: readings, any bytes, any JSON, and what was a reading before something happened to it.

_taken = st.builds(
    Taken,
    name=st.sampled_from("abcdefgh"),
    patient=st.sampled_from(["p1", "p1", "p2", STRANGER]),
    minute=st.integers(-30, 5),
    systolic=st.integers(70, 200),
    diastolic=st.integers(40, 65),
    version=st.integers(0, 2),
    aggregate=st.just(False),
    status=st.sampled_from(["final", "final", "amended", "entered-in-error"]),
)
valid = st.lists(_taken, min_size=1, max_size=3).map(lambda readings: Valid(body(*readings)))

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["Observation", "Bundle", "Patient/", "#", "urn:uuid:", "DELETE", "\x00"]),
    st.sampled_from(["entered-in-error", "9999-12-31T23:59:60Z", "0000", "8480-6", "1e999"]),
    st.sampled_from([10**18, 10**400, -1, 1e308]),
)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
any_json = _json.map(lambda value: json.dumps(value).encode())
any_bytes = st.none() | st.binary(max_size=100)

_TWICE = "\x00twice "


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A sample of which up to three fields, wherever, are gone, another, or there twice."""
    message = json.loads(draw(st.sampled_from(SAMPLES) | valid))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(message))
        if not places:
            break
        parent, name = draw(st.sampled_from(places))
        match draw(st.sampled_from(["gone", "another", "twice"])):
            case "gone":
                del parent[name]
            case "another":
                parent[name] = draw(_json)
            case _ if isinstance(parent, dict):
                parent[f"{_TWICE}{name}"] = draw(st.just(parent[name]) | _json)
            case _:
                parent.append(copy.deepcopy(parent[name]))
    # A dictionary cannot hold a name twice, and JSON can.
    return json.dumps(message).replace(json.dumps(_TWICE)[1:-1], "").encode()


@st.composite
def spliced(draw: st.DrawFn) -> bytes:
    """A sample with some of its bytes replaced, by others or by a part of another sample."""
    text, other = draw(st.sampled_from(SAMPLES) | valid), draw(st.sampled_from(SAMPLES))
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(other))] * 2)))
    return text[:start] + draw(st.binary(max_size=20) | st.just(other[first:last])) + text[end:]


lines = st.lists(any_json | changed() | valid, min_size=2, max_size=4).map(b"\n".join)
anything = st.one_of(any_bytes, any_json, changed(), spliced(), lines)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(value, dict | list):
        return
    for name, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, name
        yield from _places(each)


# What has to hold, whatever comes.


def check(values: list[bytes | None], *, patients: int = 2) -> None:
    held = messages(*values)
    owner, without = an_owner(), an_owner()
    with patients_a_step(patients):
        batch = owner.read(chunk(held))
        read = _assert_one_fate_each(batch, held)
        assert {place for place, value in enumerate(values) if isinstance(value, Valid)} <= read
        steps = owner.take(chunk(held))
        without.take(chunk([held[place] for place in sorted(read)]))
    used = len(batch.at_home) + len(batch.retractions)
    told = (len(each.entries) + each.repeated + len(each.retracted) for each in steps)
    assert sum(told) + sum(len(step.unknown) for step in steps) == used
    assert owner.rows == without.rows
    assert list(owner.partition.patients) == list(without.partition.patients)
    assert owner.entries == without.entries
    assert STRANGER not in owner.rows

    again = owner.read(chunk(held))
    assert again.skipped == len(held)
    assert len(again.at_home) == len(again.away) == 0
    assert again.rejected == again.retractions == again.ignored == []


def _assert_one_fate_each(batch: Batch, held: list[Message]) -> set[int]:
    """Returns the places of the messages that may change a state."""
    readings = [*batch.at_home.origin, *batch.away.origin]
    retracted = [each.origin for each in (*batch.retractions, *batch.retractions_away)]
    unused = [each.origin for each in (*batch.rejected, *batch.ignored)]
    fates = Counter(origin[:2] for origin in (*readings, *retracted, *unused))
    assert set(fates.values()) <= {1}
    assert {message for message, _ in fates} == set(range(len(held)))
    assert batch.skipped == 0
    return {origin.message for origin in (*readings, *retracted)}


@FUZZ
@given(st.lists(valid | any_bytes | any_json, max_size=8), st.integers(1, 3))
def test_any_bytes_and_any_json_leave_the_state_as_it_is(values, patients):
    check(values, patients=patients)


@FUZZ
@given(st.lists(valid | changed(), min_size=1, max_size=6))
def test_a_reading_with_fields_gone_replaced_or_twice_has_one_fate_and_troubles_no_other(values):
    check(values)


@FUZZ
@given(st.lists(valid | spliced(), min_size=1, max_size=6))
def test_a_reading_with_bytes_of_another_has_one_fate_and_troubles_no_other(values):
    check(values)


@FUZZ
@given(st.lists(valid | anything, max_size=10), st.integers(1, 3))
def test_whatever_comes_together_in_a_chunk_is_told_apart(values, patients):
    check(values, patients=patients)


@pytest.mark.parametrize("value", [None, b"", RUBBISH, b"[]", b"\xff", b"{}\n{}", *SAMPLES])
def test_what_is_known_to_come_troubles_no_reading_around_it(value):
    check([Valid(body(Taken("a"))), value, Valid(body(Taken("b", minute=1)))])
