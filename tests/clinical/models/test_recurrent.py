"""A recurrent model, held to a loop over units in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.models.early_warning import Seen
from bpstream.clinical.models.recurrent import MOST_HOURS
from tests.clinical.models.forms import recurrent, seen

FORM = recurrent(np.random.default_rng(0))


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def dot(weights, values):
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def said_of(form, window):
    """The probabilities after one window, a list of (systolic, diastolic, hours)."""
    units = len(form.bias) // 3
    memory = [0.0] * units
    for systolic, diastolic, hours in window:
        if math.isnan(systolic):
            continue
        told = [
            systolic,
            diastolic,
            math.log1p(hours if math.isnan(hours) else min(hours, MOST_HOURS)),
        ]
        told = [
            0.0 if math.isnan(value) else (value - center) / scale
            for value, center, scale in zip(told, form.center, form.scale, strict=True)
        ]
        fed = [dot(row, told) + bias for row, bias in zip(form.inputs, form.bias, strict=True)]
        recalled = [dot(row, memory) for row in form.memory]
        for unit in range(units):
            update = sigmoid(fed[unit] + recalled[unit])
            reset = sigmoid(fed[units + unit] + recalled[units + unit])
            candidate = math.tanh(fed[2 * units + unit] + reset * recalled[2 * units + unit])
            memory[unit] = (1 - update) * candidate + update * memory[unit]
    return [sigmoid(form.intercepts[name] + dot(form.outputs[name], memory)) for name in TARGETS]


@given(seed=st.integers(0, 2**32 - 1))
def test_the_network_is_what_the_formulas_say(seed):
    form, asked = recurrent(np.random.default_rng(seed)), seen(5, seed)
    found = form.served().probabilities(asked)
    expected = [said_of(form, window) for window in asked.windows().tolist()]
    np.testing.assert_allclose(found.T, expected, rtol=1e-9)


def test_what_stood_before_the_first_reading_makes_no_difference():
    windows = seen(20).windows()
    windows[:, :3] = np.nan
    short = [said_of(FORM, window) for window in windows[:, 3:].tolist()]
    features = np.zeros((0, 20))
    found = FORM.served().probabilities(Seen(features, lambda: windows))
    np.testing.assert_allclose(found.T, short, rtol=1e-9)


def test_a_gap_of_days_says_no_more_than_one_of_the_longest_that_counts():
    windows = seen(20).windows()
    longest, days = windows.copy(), windows.copy()
    longest[:, -1, 2], days[:, -1, 2] = MOST_HOURS, 100.0
    model, features = FORM.served(), np.zeros((0, 20))
    np.testing.assert_array_equal(
        model.probabilities(Seen(features, lambda: longest)),
        model.probabilities(Seen(features, lambda: days)),
    )


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"bias": []}, "at least one unit"),
        ({"bias": [0.0] * 13}, "bias has shape"),
        ({"center": [1.0]}, "center has shape"),
        ({"scale": [1.0, 0.0, 1.0]}, "above 0, not 0.0"),
        ({"inputs": FORM.inputs[1:]}, "inputs has shape"),
        ({"inputs": [[1.0], *FORM.inputs[1:]]}, "inhomogeneous"),
        ({"memory": FORM.inputs}, "memory has shape"),
        ({"bias": [math.inf, *FORM.bias[1:]]}, "bias has numbers that are not finite"),
        ({"outputs": {**FORM.outputs, "severe": [1.0]}}, "inhomogeneous"),
        ({"outputs": {name: [1.0] for name in TARGETS}}, "outputs has shape"),
        ({"intercepts": {"severe": 1.0}}, "the targets are"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_what_is_wrong(change, wrong):
    with pytest.raises(ValueError, match=wrong):
        replace(FORM, **change).served()
