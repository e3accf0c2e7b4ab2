"""Brier score and calibration: held to scikit-learn, and to what a calibrated model is."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from bpstream.training import statistics
from bpstream.training.statistics import (
    brier,
    calibration,
    expected_calibration_error,
    reliability,
)

ROWS = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60)


def logit(p):
    return np.log(p / (1 - p))


def expit(z):
    return 1 / (1 + np.exp(-z))


def drawn(count, seed=0):
    """Events that come as often as their probabilities say."""
    random = np.random.default_rng(seed)
    probability = expit(random.normal(-2, 1.5, count))
    return random.random(count) < probability, probability


@given(ROWS)
def test_the_brier_score_is_scikit_learns(rows):
    event, probability = (np.array(column) for column in zip(*rows, strict=True))
    expected = brier_score_loss(event, probability, labels=[False, True])
    assert brier(event, probability) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.5, -1), (2, 0.7), (-1, 0), (5, 3)])
def test_recalibration_is_the_logistic_regression_of_scikit_learn(slope, intercept):
    event, probability = drawn(4000)
    skewed = expit((logit(probability) - intercept) / slope)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    model.fit(logit(skewed)[:, None], event)
    found = calibration(event, skewed)
    assert found.slope == pytest.approx(model.coef_[0, 0], rel=1e-6)
    assert found.intercept == pytest.approx(model.intercept_[0], rel=1e-6, abs=1e-6)


def test_a_skewed_model_has_the_slope_and_intercept_that_undo_it():
    event, probability = drawn(200_000)
    assert calibration(event, probability) == pytest.approx((1, 0), abs=0.02)
    skewed = expit(2 * logit(probability) + 1)  # too extreme, and too high
    assert calibration(event, skewed) == pytest.approx((0.5, -0.5), abs=0.02)


@given(ROWS)
def test_at_the_recalibrated_weights_as_much_is_predicted_as_came(rows):
    event, probability = (np.array(column) for column in zip(*rows, strict=True))
    slope, intercept = calibration(event, probability)
    if np.isnan(slope):
        return
    x = logit(np.clip(probability, 1e-9, 1 - 1e-9))
    fitted = expit(intercept + slope * x)
    assert fitted.sum() == pytest.approx(event.sum(), abs=1e-5)
    assert fitted @ x == pytest.approx(event @ x, abs=1e-4)


@pytest.mark.parametrize(
    ("event", "probability"),
    [
        ([], []),
        ([True, True], [0.2, 0.4]),
        ([False, False], [0.2, 0.4]),
        ([True, False], [0.3, 0.3]),
        ([False, False, True, True], [0.1, 0.2, 0.8, 0.9]),
        ([True, True, False, False], [0.1, 0.2, 0.8, 0.9]),
        ([False, True], [0.0, 1.0]),
    ],
    ids=["nothing", "all", "none", "constant", "perfect", "perfectly wrong", "certain"],
)
def test_what_no_slope_can_be_told_of_has_none(event, probability):
    found = calibration(np.array(event, bool), np.array(probability, float))
    assert np.isnan(found).all()


def test_certainty_that_is_sometimes_wrong_has_a_slope():
    random = np.random.default_rng(0)
    certain = (random.random(1000) < 0.5).astype(float)
    event = (certain > 0) ^ (random.random(1000) < 0.1)
    assert 0 < calibration(event, certain).slope < 0.2


def test_bins_hold_as_many_readings_each_and_equal_probabilities_stay_together():
    event, probability = drawn(1000)
    assert reliability(event, probability).readings.tolist() == [100] * 10
    assert reliability(event, np.round(probability, 1)).readings.sum() == 1000
    one = reliability(event, np.full(1000, 0.2))
    assert (one.readings.tolist(), one.predicted[0]) == ([1000], pytest.approx(0.2))
    assert one.observed[0] == event.mean()


@given(ROWS)
def test_the_calibration_error_is_that_of_plain_python(rows):
    event, probability = (np.array(column) for column in zip(*rows, strict=True))
    ordered = sorted(probability)
    edges = [ordered[int((len(rows) - 1) * tenth / 10)] for tenth in range(1, 10)]
    bins = {}
    for happened, p in rows:
        bins.setdefault(sum(edge < p for edge in edges), []).append((happened, p))
    expected = sum(
        abs(sum(happened for happened, _ in each) - sum(p for _, p in each))
        for each in bins.values()
    )
    found = expected_calibration_error(event, probability)
    assert found == pytest.approx(expected / len(rows), abs=1e-12)


def test_a_calibrated_model_has_a_small_error_and_a_skewed_one_a_large():
    event, probability = drawn(50_000)
    assert expected_calibration_error(event, probability) < 0.01
    assert expected_calibration_error(event, np.sqrt(probability)) > 0.1


def test_nothing_is_measured_of_no_readings():
    nothing = np.zeros(0, np.bool_), np.zeros(0)
    assert np.isnan([brier(*nothing), expected_calibration_error(*nothing)]).all()


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(statistics).failed == 0
