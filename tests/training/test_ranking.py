"""Ranking: held to scikit-learn, and to patients copied out row by row."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from bpstream.training import ranking
from bpstream.training.ranking import Ranking, ranked, threshold_at

# Few different scores, so that many are equal.
ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), st.integers(0, 5)),
    min_size=1,
    max_size=40,
)


def columns_of(rows):
    event, score, patient = zip(*rows, strict=True)
    return np.array(event), np.array(score), np.array(patient)


@given(ROWS)
def test_a_score_is_worth_what_scikit_learn_says(rows):
    event, score, _ = columns_of(rows)
    found = ranked(event, score)
    if len(set(event)) < 2:
        assert np.isnan(found).all()
        return
    assert found.auroc == pytest.approx(roc_auc_score(event, score), abs=1e-12)
    assert found.auprc == pytest.approx(average_precision_score(event, score), abs=1e-12)


@given(ROWS, st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_a_weight_is_worth_as_many_copies_of_the_patient(rows, weights):
    event, score, patient = columns_of(rows)
    weight = np.array(weights)
    copies = np.repeat(np.arange(len(event)), weight[patient])
    weighed = Ranking(event, score, patient).weighed(weight)
    assert weighed == pytest.approx(ranked(event[copies], score[copies]), abs=1e-12, nan_ok=True)


@given(st.permutations(range(30)))
def test_the_order_of_rows_changes_nothing(order):
    random = np.random.default_rng(0)
    event, score = random.random(30) < 0.4, np.round(random.random(30), 1)
    assert ranked(event[order], score[order]) == ranked(event, score)


def test_many_rows_are_measured_as_scikit_learn_measures_them():
    random = np.random.default_rng(0)
    score = np.round(random.random(200_000), 4)
    event = random.random(200_000) < score / 10
    found = ranked(event, score)
    assert found.auroc == pytest.approx(roc_auc_score(event, score), abs=1e-12)
    assert found.auprc == pytest.approx(average_precision_score(event, score), abs=1e-12)


@pytest.mark.parametrize(
    ("sensitivity", "threshold"),
    [(0.0, 0.9), (0.01, 0.9), (0.25, 0.9), (0.26, 0.5), (0.75, 0.5), (0.76, 0.1), (1.0, 0.1)],
)
def test_the_threshold_is_the_highest_that_is_sensitive_enough(sensitivity, threshold):
    event = np.array([True, True, False, True, True, False])
    score = np.array([0.1, 0.5, 0.7, 0.5, 0.9, 0.95])
    assert threshold_at(sensitivity, event, score) == threshold


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_hundred_events_need_no_more_than_their_percentage(percent):
    score = np.arange(100) / 100
    found = threshold_at(percent / 100, np.ones(100, np.bool_), score)
    assert np.count_nonzero(score >= found) == percent


def test_nothing_catches_events_that_are_not_there():
    assert np.isnan(threshold_at(0.8, np.array([False]), np.array([0.3])))


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(ranking).failed == 0
