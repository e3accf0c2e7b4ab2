"""The history: sums that forget, held to a sequential reference in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpstream.clinical.early_warning_targets import states
from bpstream.clinical.history import (
    FAST_HOURS,
    HISTORY,
    SLOW_HOURS,
    SUMS,
    absorb,
    is_begun,
    merged,
    withdraw,
)

HOUR = 3_600_000_000
START = 1_700_000_000_000_000
PATIENTS = 4

readings = st.tuples(
    st.integers(0, PATIENTS - 1),
    st.one_of(
        st.integers(0, 6 * HOUR),  # seconds to hours apart, many out of order
        st.integers(0, 5000 * HOUR),  # and spans of hundreds of horizons
    ).map(lambda after: START + after),
    st.floats(60, 250),
    st.floats(30, 55),
)
batches = st.lists(st.lists(readings, max_size=12), min_size=1, max_size=6)


def reference(seen, newest):
    """The sums of one series' readings, each weighed by itself; `seen` is (µs, S, D)."""
    sums = dict.fromkeys(SUMS, 0.0)
    for taken_at, systolic, diastolic in seen:
        t = (taken_at - newest) / HOUR
        slow, fast = math.exp(t / SLOW_HOURS), math.exp(t / FAST_HOURS)
        x, y = systolic - 120, diastolic - 80
        now = states(np.array([systolic]), np.array([diastolic]))
        of_one = {
            "w": 1, "x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y,
            "t": t, "tt": t * t, "tx": t * x, "ty": t * y,
            **{name: float(state[0]) for name, state in now.items()},
        }  # fmt: skip
        for name, value in of_one.items():
            sums[name] += slow * value
        for name in ("w", "x", "y", "xx"):
            sums[f"fast_{name}"] += fast * of_one[name]
    return [sums[name] for name in SUMS]


def take(held, batch):
    """A batch of (patient, µs, S, D) in order of arrival."""
    rows, taken_at, systolic, diastolic = (
        np.array([each[column] for each in batch], kind)
        for column, kind in enumerate((np.intp, np.int64, float, float))
    )
    return absorb(held, rows, taken_at, systolic, diastolic)


def close(found, expected):
    """Equal to 1e-9 of what each sum could be at most."""
    found, expected = np.asarray(found), np.asarray(expected)
    size = np.maximum(1.0, np.abs(expected))
    assert (np.abs(found - expected) <= 1e-9 * size).all(), (found, expected)


@given(batches)
def test_the_sums_are_those_of_a_sequential_reference_whatever_comes_in_whatever_order(batches):
    held, seen = np.zeros(PATIENTS, HISTORY), {}
    for batch in batches:
        if not batch:
            continue
        sums, is_newest = take(held, batch)
        for at, (patient, *reading) in enumerate(batch):
            mine = seen.setdefault(patient, [])
            newest = max([reading[0], *(each[0] for each in mine)])
            mine.append(reading)
            assert is_newest[at] == (reading[0] == newest)
            close(sums[:, at], reference(mine, newest))
    for patient, mine in seen.items():
        newest = max(each[0] for each in mine)
        assert held["at"][patient] == newest
        close(held["sums"][patient], reference(mine, newest))
    assert np.flatnonzero(is_begun(held)).tolist() == sorted(seen)
    assert not held["sums"][~is_begun(held)].any()


@given(st.lists(readings, min_size=1, max_size=30), st.data())
def test_how_readings_are_cut_into_batches_makes_no_difference(some, data):
    one, many = (np.zeros(PATIENTS, HISTORY) for _ in range(2))
    sums, newest = take(one, some)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(some)))))
    parts = [
        take(many, some[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(some)], strict=True)
        if end > start
    ]
    close(np.concatenate([part for part, _ in parts], axis=1), sums)
    assert np.concatenate([part for _, part in parts]).tolist() == newest.tolist()
    close(many["sums"], one["sums"])


@given(st.lists(readings, max_size=20), st.permutations(range(20)))
def test_the_order_of_arrival_makes_no_difference_in_the_end(some, order):
    one, other = (np.zeros(PATIENTS, HISTORY) for _ in range(2))
    if some:
        take(one, some)
        take(other, [some[at] for at in order if at < len(some)])
    close(other["sums"], one["sums"])
    assert (other["at"] == one["at"]).all()


@given(st.lists(readings, max_size=12), st.lists(readings, max_size=12))
def test_two_histories_merge_into_that_of_all_their_readings(some, others):
    one, other, both = (np.zeros(PATIENTS, HISTORY) for _ in range(3))
    for held, batch in ((one, some), (other, others), (both, some + others)):
        if batch:
            take(held, batch)
    found = merged(one, other)
    close(found["sums"], both["sums"])
    assert (found["at"] == both["at"]).all()


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(START, START + 30 * HOUR), st.floats(60, 250), st.floats(30, 55)),
        min_size=1,
        max_size=10,
    ),
    st.data(),
)
def test_a_reading_that_is_withdrawn_leaves_the_sums_of_the_others(some, data):
    held = np.zeros(1, HISTORY)
    take(held, [(0, *reading) for reading in some])
    newest = held["at"][0]
    left = list(some)
    gone = left.pop(data.draw(st.integers(0, len(left) - 1)))
    withdraw(held[0], *gone)
    expected = reference(left, newest)
    # What is left of one reading of thousands is lost in the digits of the others.
    assert np.abs(held["sums"][0] - expected).max() <= 1e-9 * 250**2 * len(some)
    if not left:
        assert not held["sums"].any()


def test_the_last_reading_that_is_withdrawn_leaves_an_empty_history():
    held = np.zeros(1, HISTORY)
    take(held, [(0, START, 130.0, 70.0)])
    withdraw(held[0], START, 130.0, 70.0)
    assert not held["sums"].any()
    sums, is_newest = take(held, [(0, START - HOUR, 110.0, 60.0)])
    assert is_newest.all()
    close(sums[:, 0], reference([(START - HOUR, 110.0, 60.0)], START - HOUR))


def test_what_a_history_has_long_forgotten_cannot_be_taken_out_of_a_younger_one():
    held = np.zeros(1, HISTORY)
    take(held, [(0, START, 130.0, 70.0)])
    before = held.copy()
    withdraw(held[0], START + HOUR, 220.0, 110.0)
    assert held.tobytes() == before.tobytes()


def test_no_readings_change_nothing():
    held = np.zeros(1, HISTORY)
    none = np.array([], np.intp)
    sums, is_newest = absorb(held, none, none.astype(np.int64), *np.empty((2, 0)))
    assert (sums.shape, is_newest.shape) == ((len(SUMS), 0), (0,))


@pytest.mark.parametrize("span", [1, 100, 10_000])
def test_a_thousand_readings_of_one_patient_in_one_batch_stay_exact(span):
    random = np.random.default_rng(span)
    at = START + np.sort(random.integers(0, span * HOUR, 1000))
    some = [
        (0, int(t), float(s), float(d))
        for t, s, d in zip(
            at, random.uniform(60, 250, 1000), random.uniform(30, 55, 1000), strict=True
        )
    ]
    held = np.zeros(1, HISTORY)
    sums, _ = take(held, some)
    for position in (0, 1, 2, 500, 999):
        seen = [each[1:] for each in some[: position + 1]]
        close(sums[:, position], reference(seen, seen[-1][0]))
