"""Trees that were read off answer as the library does, wherever a value lies."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from xgboost import XGBClassifier

from bpstream.clinical.features import GRIDS
from bpstream.clinical.models.trees import NO_LEAST, Mean
from bpstream.training.families.read_off import (
    largest_rounded_to,
    of_boosting,
    of_forest,
    shortest_between,
)

AS_IT_IS = Mean(intercept=0.0, slope=1.0, least=NO_LEAST)
FOUR = [GRIDS[name] for name in ("systolic", "mean", "systolic_deviation", "low_map_share")]
N = 600


def columns(random, *, on_grid):
    """Four features of N readings, shape (4, N), on few different cells of their grids."""
    if on_grid:
        return np.array(
            [
                (grid.least * grid.per_unit + random.integers(0, min(grid.cells, 60), N))
                / grid.per_unit
                for grid in FOUR
            ]
        )
    return random.normal(0, 1, (4, N))


def labels(random, found):
    """Events that depend on the features, and on chance."""
    ranks = found.argsort(axis=1).argsort(axis=1)
    return ranks[0] + ranks[1] - ranks[2] + random.normal(0, N / 3, N) > N / 2


def near(values):
    """The values, and their neighbours of single precision and of half a cell."""
    beside = values.astype(np.float32)
    around = [np.nextafter(beside, np.float32(way)) for way in (-np.inf, np.inf)]
    return np.concatenate([values, *(each.astype(np.float64) for each in around)], axis=1)


def a_forest(rows, events, seed=0):
    model = RandomForestClassifier(20, max_leaf_nodes=30, random_state=seed)
    return model.fit(rows, events)


def boosted(rows, events, **settings):
    model = XGBClassifier(n_estimators=30, max_depth=4, learning_rate=0.3, n_jobs=1, **settings)
    return model.fit(rows, events)


@pytest.mark.parametrize("on_grid", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_forest_answers_as_scikit_learns_does(on_grid, seed):
    random = np.random.default_rng(seed)
    found = columns(random, on_grid=on_grid)
    model = a_forest(found.T, labels(random, found), seed)
    asked = found if on_grid else near(found)
    read = of_forest(model, AS_IT_IS, FOUR if on_grid else [None] * 4).served(4)
    np.testing.assert_allclose(
        read.probabilities(asked), model.predict_proba(asked.T)[:, 1], atol=2e-12, rtol=0
    )


@pytest.mark.parametrize("method", ["hist", "exact"])
@pytest.mark.parametrize("on_grid", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_boosted_trees_answer_as_xgboosts_do(on_grid, method, seed):
    random = np.random.default_rng(seed)
    found = columns(random, on_grid=on_grid)
    model = boosted(found.T, labels(random, found), tree_method=method)
    asked = found if on_grid else near(found)
    read = of_boosting(model.get_booster(), FOUR if on_grid else [None] * 4).served(4)
    np.testing.assert_allclose(
        read.probabilities(asked), model.predict_proba(asked.T)[:, 1], atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(("value", "first"), [(99.5, True), (100.0, False), (100.5, False)])
def test_a_value_on_xgboosts_threshold_is_not_below_it(value, first):
    # Readings are 99.5 or 100, and "exact" splits in the middle, "hist" on 100.
    rows = np.array([[99.5], [100.0]] * 20)
    model = boosted(rows, rows[:, 0] >= 100, tree_method="hist")
    said = (
        of_boosting(model.get_booster(), [GRIDS["systolic"]])
        .served(1)
        .probabilities(np.array([[value]]))
    )
    assert said == pytest.approx(model.predict_proba([[value]])[:, 1], abs=1e-6)
    assert (said[0] < 0.5) == first


def test_leaves_that_are_cut_short_are_off_by_no_more_than_that():
    random = np.random.default_rng(0)
    found = columns(random, on_grid=True)
    model = a_forest(found.T, labels(random, found))
    short = of_forest(model, AS_IT_IS, FOUR, digits=3)
    assert all(round(number, 3) == number for number in short.number if number < 1)
    difference = short.served(4).probabilities(found) - model.predict_proba(found.T)[:, 1]
    assert 0 < np.abs(difference).max() <= 0.0005


singles = st.floats(-400, 400, width=32)


@given(singles)
def test_the_largest_number_that_rounds_to_a_single_is_the_last_that_does(until):
    found = largest_rounded_to(until)
    assert np.float32(found) <= until < np.float32(math.nextafter(found, math.inf))


@given(st.integers(-2000, 2000), st.sampled_from([2, 4, 8, 32, 128, 256]))
def test_the_shortest_number_between_two_cells_is_between_them(cell, per_unit):
    least, below = cell / per_unit, (cell + 1) / per_unit
    found = shortest_between(least, below)
    assert least <= found < below
    decimals = len(repr(found).partition(".")[2].rstrip("0"))
    fewer = 10.0 ** (decimals - 1)
    assert decimals == 0 or not least <= math.ceil(least * fewer) / fewer < below
