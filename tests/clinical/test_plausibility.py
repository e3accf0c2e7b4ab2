"""Which readings are learned from: the boundaries, and what was not measured."""

import doctest

import numpy as np
import pytest

from bpstream.clinical import plausibility
from bpstream.clinical.plausibility import plausible


@pytest.mark.parametrize(
    ("systolic", "diastolic", "expected"),
    [
        (120, 80, True),
        (40, 30, True),
        (39.9, 29, False),
        (300, 200, True),
        (300.1, 200, False),
        (60, 20, True),
        (60, 19.9, False),
        (211, 200.1, False),
        (90, 80, True),
        (90, 80.1, False),
        (80, 120, False),
        (0, 0, False),
        (np.nan, 80, False),
        (120, np.nan, False),
    ],
)
def test_a_reading_on_a_boundary_is_plausible_and_one_beyond_is_not(systolic, diastolic, expected):
    found = plausible(np.array([systolic], float), np.array([diastolic], float))
    assert found.tolist() == [expected]


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(plausibility).failed == 0
