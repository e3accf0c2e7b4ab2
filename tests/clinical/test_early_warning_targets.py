"""The states of which an early warning tells: their boundaries, and what was not measured."""

import doctest

import numpy as np
import pytest

from bpstream.clinical import early_warning_targets
from bpstream.clinical.early_warning_targets import TARGETS, states


@pytest.mark.parametrize(
    ("systolic", "diastolic", "expected"),
    [
        (120, 80, set()),
        (90, 60, set()),
        (89.9, 60, {"hypotension"}),
        (95, 50, set()),
        (95, 49.9, {"low_map"}),
        (179.9, 119.9, set()),
        (180, 80, {"severe"}),
        (140, 120, {"severe"}),
        (180, 7, {"severe", "low_map"}),
        (70, 40, {"hypotension", "low_map"}),
        (np.nan, 40, set()),
        (85, np.nan, {"hypotension"}),
        (np.nan, np.nan, set()),
    ],
)
def test_a_reading_is_in_the_states_of_its_pressures(systolic, diastolic, expected):
    found = states(np.array([systolic], float), np.array([diastolic], float))
    assert tuple(found) == TARGETS
    assert {name for name, state in found.items() if state[0]} == expected


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(early_warning_targets).failed == 0
