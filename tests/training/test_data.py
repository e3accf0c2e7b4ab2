"""The original's readings and its label."""

import numpy as np
import pytest

from bpstream.training import data


def test_the_readings_are_the_same_every_time():
    first, second = data.original(), data.original()
    assert np.array_equal(first.features, second.features)


def test_the_readings_are_those_of_the_original_generator():
    random = np.random.RandomState(42)
    systolic = random.normal(120, 20, 5000)
    diastolic = random.normal(80, 15, 5000)
    assert np.array_equal(data.original().features, np.column_stack([systolic, diastolic]))


@pytest.mark.parametrize(
    ("systolic", "diastolic", "hypertension", "hypotension"),
    [
        (120, 80, False, False),
        (139.9, 89.9, False, False),
        (90.1, 60.1, False, False),
        (140, 80, True, False),
        (120, 90, True, False),
        (90, 80, False, True),
        (120, 60, False, True),
        (140, 60, True, True),
    ],
)
def test_a_pressure_on_a_threshold_is_labelled_anomalous(
    systolic, diastolic, hypertension, hypotension
):
    labelled = data.label(np.array([float(systolic)]), np.array([float(diastolic)]))
    assert (labelled.hypertension[0], labelled.hypotension[0]) == (hypertension, hypotension)
    assert labelled.anomalous[0] == (hypertension or hypotension)
