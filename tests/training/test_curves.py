"""Curves: held to scikit-learn's, and to the areas that ranking gives."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from bpstream.training import curves as module
from bpstream.training.curves import curves
from bpstream.training.ranking import ranked

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])), min_size=1, max_size=40
).filter(lambda rows: len({event for event, _ in rows}) == 2)


@given(ROWS)
def test_every_point_is_scikit_learns(rows):
    event, score = (np.array(column) for column in zip(*rows, strict=True))
    found = curves(event, score)
    false_alarms, sensitivity, _ = roc_curve(event, score, drop_intermediate=False)
    assert found.false_alarms == pytest.approx(false_alarms[1:], abs=1e-12)
    assert found.sensitivity == pytest.approx(sensitivity[1:], abs=1e-12)
    precision, _, _ = precision_recall_curve(event, score)
    assert found.precision == pytest.approx(precision[-2::-1], abs=1e-12)


@given(ROWS)
def test_their_areas_are_those_that_are_told(rows):
    event, score = (np.array(column) for column in zip(*rows, strict=True))
    found, told = curves(event, score), ranked(event, score)
    area = np.trapezoid(np.append(0, found.sensitivity), np.append(0, found.false_alarms))
    assert area == pytest.approx(told.auroc, abs=1e-12)
    steps = np.diff(found.sensitivity, prepend=0) @ found.precision
    assert steps == pytest.approx(told.auprc, abs=1e-12)


@pytest.mark.parametrize("event", [[], [True, True], [False]])
def test_without_both_outcomes_there_is_no_curve(event):
    found = curves(np.array(event, bool), np.zeros(len(event)))
    assert [len(column) for column in found] == [0, 0, 0]


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(module).failed == 0
