"""A patient's pressure between episodes: the day, the night, and a wandering that remembers."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from bpstream.simulator.physiology import (
    DIASTOLIC_RANGE,
    LEAST_PULSE_PRESSURE,
    SYSTOLIC_RANGE,
    Physiology,
    plausible,
)

MANY = 20_000
HOUR = 60


def physiology(patients=MANY, seed=1):
    return Physiology(patients, np.random.default_rng(seed))


def means(hours):
    """Mean systolic and diastolic pressure of many patients at each hour, against the baseline."""
    patients = physiology()
    found = [patients.pressures(hour * HOUR) for hour in hours]
    return [
        (s.mean() / patients.systolic.mean(), d.mean() / patients.diastolic.mean())
        for s, d in found
    ]


def test_pressures_are_lowest_asleep_and_highest_after_waking():
    night, waking, noon, evening, next_night = means([3, 9, 13, 20, 27])
    # The dip of 13 and 18 %, and most of the surge of 6 %, as not all wake at one time.
    assert night == pytest.approx((0.87, 0.82), abs=0.01)
    assert waking == pytest.approx((1.035, 1.03), abs=0.01)
    assert noon == pytest.approx((1, 1), abs=0.005)
    assert evening == pytest.approx((1, 1), abs=0.005)
    assert next_night == pytest.approx(night, abs=0.005)


def test_a_day_has_no_seam():
    patients = physiology(200)
    minutes = np.arange(0, 2 * 24 * HOUR, 2)
    day = np.array([patients.rhythm(minute / HOUR) for minute in minutes])
    # Waking takes a third of an hour or so: two minutes of it are no leap.
    assert np.abs(np.diff(day[:, 0], axis=0)).max() < 0.04
    assert np.abs(np.diff(day[:, 1], axis=0)).max() < 0.002


NOON = 12 * HOUR


def strayed(patients, minutes):
    """How far each patient is from the daytime mean, at a time of neither night nor surge."""
    found = patients.pressures(minutes)
    return np.array([found[0] - patients.systolic, found[1] - patients.diastolic])


def test_the_wandering_has_its_spread():
    found = strayed(physiology(), NOON)
    assert np.sqrt(np.mean(found**2, axis=1)) == pytest.approx([9.2, 0.68 * 9.2], abs=0.15)
    assert np.corrcoef(*found)[0, 1] == pytest.approx(0.65, abs=0.02)


@pytest.mark.parametrize("steps", [1, 10])
@pytest.mark.parametrize("minutes", [1, 20, 60, 240])
def test_the_wandering_remembers_for_an_hour_or_so_in_however_many_steps_it_passes(minutes, steps):
    patients = physiology()
    before = strayed(patients, NOON)
    for step in range(1, steps + 1):
        after = strayed(patients, NOON + minutes * step / steps)
    # The mean over a log-normal memory of median 60 minutes.
    memory = np.random.default_rng(2).lognormal(np.log(60), 0.4, 100_000)
    remembered = np.mean(before * after, axis=1) / np.mean(before**2, axis=1)
    assert remembered == pytest.approx([np.exp(-minutes / memory).mean()] * 2, abs=0.03)
    assert np.mean(after**2, axis=1) == pytest.approx(np.mean(before**2, axis=1), rel=0.05)


def test_for_a_time_that_was_asked_for_before_the_wandering_stands_still():
    patients = physiology(100)
    first = patients.pressures(500)
    assert np.array_equal(first, patients.pressures(500))
    patients.pressures(500 - 24 * HOUR)
    assert np.array_equal(first, patients.pressures(500))


anything = st.floats(-1e6, 1e6)


@hypothesis.given(st.lists(st.tuples(anything, anything), min_size=1))
def test_whatever_is_drawn_becomes_plausible_and_what_is_stays_as_it_is(drawn):
    systolic, diastolic = np.array(drawn).T
    found = plausible(systolic, diastolic)
    for pressure, (lowest, highest) in zip(found, (SYSTOLIC_RANGE, DIASTOLIC_RANGE), strict=True):
        assert ((pressure >= lowest) & (pressure <= highest)).all()
    assert (found[0] - found[1] >= LEAST_PULSE_PRESSURE).all()
    assert np.array_equal(found, plausible(*found))
