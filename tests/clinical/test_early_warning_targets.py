"""The states of which an early warning tells: their boundaries, and what was not measured."""

import doctest

import numpy as np
import pytest

from bpstream.clinical import early_warning_targets
from bpstream.clinical.early_warning_targets import TARGETS, states


@pytest.mark.parametrize(
    ("systolic", "diastolic", "measured", "expected"),
    [
        (120, 80, np.nan, set()),
        (90, 60, np.nan, set()),
        (89.9, 60, np.nan, {"hypotension"}),
        (95, 50, np.nan, set()),
        (95, 49.9, np.nan, {"low_map"}),
        (95, 49.9, 65, set()),
        (120, 80, 64.9, {"low_map"}),
        (179.9, 119.9, np.nan, set()),
        (180, 80, np.nan, {"severe"}),
        (140, 120, np.nan, {"severe"}),
        (180, 20, 60, {"severe", "low_map"}),
        (70, 40, np.nan, {"hypotension", "low_map"}),
        (np.nan, 40, np.nan, set()),
        (85, np.nan, np.nan, {"hypotension"}),
        (np.nan, np.nan, 60, {"low_map"}),
    ],
)
def test_a_reading_is_in_the_states_of_its_pressures(systolic, diastolic, measured, expected):
    columns = (np.array([each], float) for each in (systolic, diastolic, measured))
    found = states(*columns)
    assert tuple(found) == TARGETS
    assert {name for name, state in found.items() if state[0]} == expected


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(early_warning_targets).failed == 0
