"""Risk: a probability of every reading, one-sided as the original's or two-sided as the rules."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.models import risk
from bpstream.clinical.models.model import load
from bpstream.clinical.models.risk import Distance, Logistic, beyond_limits
from bpstream.clinical.rules import tag
from bpstream.resources import shipped
from bpstream.settings import Settings

NAN = float("nan")
LINE = Logistic(intercept=-4.0, systolic=0.02, diastolic=0.02)
DEFAULT = load(shipped("models") / Settings().model).risk
KINDS = pytest.mark.parametrize("kind", [LINE, Distance(-0.5, 1.0), DEFAULT], ids=repr)
PRESSURES = st.floats(30, 350), st.floats(10, 250)


def score_of(kind, systolic, diastolic):
    return kind.score(np.array([float(systolic)]), np.array([float(diastolic)]))[0]


@KINDS
@pytest.mark.parametrize(("systolic", "diastolic"), [(NAN, 80), (120, NAN), (NAN, NAN)])
def test_a_reading_that_lacks_a_pressure_has_no_score(kind, systolic, diastolic):
    assert np.isnan(score_of(kind, systolic, diastolic))


@KINDS
@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_score_is_a_probability_however_absurd_the_reading(kind, systolic, diastolic):
    assert 0 <= score_of(kind, systolic, diastolic) <= 1


@KINDS
def test_a_batch_is_scored_as_its_readings_are_one_by_one(kind):
    systolic, diastolic = np.array([89.0, 120.0, NAN]), np.array([70.0, 80.0, 80.0])
    alone = [score_of(kind, s, d) for s, d in zip(systolic, diastolic, strict=True)]
    assert kind.score(systolic, diastolic) == pytest.approx(alone, nan_ok=True)


@given(*PRESSURES, st.floats(0, 100))
def test_on_a_line_a_higher_pressure_never_scores_lower(systolic, diastolic, more):
    score = score_of(LINE, systolic, diastolic)
    assert score <= score_of(LINE, systolic + more, diastolic)
    assert score <= score_of(LINE, systolic, diastolic + more)


@given(*PRESSURES, st.floats(0, 100), st.floats(0, 100))
def test_by_distance_what_lies_farther_from_the_middle_never_scores_lower(
    systolic, diastolic, more, diastolic_more
):
    """The middle of either range is 115 and 75."""
    outwards = (
        systolic + more * np.sign(systolic - 115),
        diastolic + diastolic_more * np.sign(diastolic - 75),
    )
    assert score_of(DEFAULT, systolic, diastolic) <= score_of(DEFAULT, *outwards)


@given(st.integers(30, 350), st.integers(10, 250))
def test_by_distance_a_whole_pressure_is_predicted_as_the_rules_have_it(systolic, diastolic):
    pressures = np.array([float(systolic)]), np.array([float(diastolic)])
    assert (DEFAULT.score(*pressures)[0] >= 0.5) == (tag(*pressures)[0] > 0)


@pytest.mark.parametrize(
    ("systolic", "diastolic", "mmhg"),
    [
        *((120, 75, -15), (115, 75, -15), (115, 85, -5), (140, 75, 0), (90, 75, 0)),
        *((115, 90, 0), (115, 60, 0), (141, 75, 1), (89, 75, 1), (115, 91, 1), (115, 59, 1)),
        *((200, 50, 60), (150, 120, 30)),
    ],
)
def test_the_distance_is_from_the_limit_that_is_broken_most(systolic, diastolic, mmhg):
    assert beyond_limits(np.array([float(systolic)]), np.array([float(diastolic)]))[0] == mmhg


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(risk).failed == 0
