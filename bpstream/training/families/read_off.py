"""Reads trees off scikit-learn and XGBoost, into the columns that `clinical.models.trees` walks.

Both turn values into single precision first.  Where a feature lies on a grid, a threshold may
be any number between two of its cells, and the shortest one is taken; elsewhere the threshold
is the largest number that the library sends to the first child.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.features import Grid
from bpstream.clinical.models.trees import LEAF, Ensemble, LogOdds, Mean

Floats = NDArray[np.float64]


class Tree(NamedTuple):
    """One tree's nodes, of shape ``(nodes,)``; the first is the root."""

    feature: NDArray[np.intp]
    """LEAF for a leaf."""
    until: Floats
    """The largest number of single precision that goes to the first child."""
    value: Floats
    first: NDArray[np.intp]
    second: NDArray[np.intp]


Grids = Sequence[Grid | None]
"""Of each feature; None where it may have any value."""


def of_forest(model: Any, link: Mean, grids: Grids, *, digits: int | None = None) -> Ensemble:
    """A fitted RandomForestClassifier of two classes; `digits` are left of its leaves' values."""
    trees = []
    for estimator in model.estimators_:
        nodes = estimator.tree_
        leaf = nodes.children_left < 0
        # A value goes to the first child if it is at most the threshold.
        threshold = nodes.threshold.astype(np.float32)
        above = threshold > nodes.threshold
        threshold[above] = np.nextafter(threshold[above], np.float32(-np.inf))
        trees.append(
            Tree(
                np.where(leaf, LEAF, nodes.feature),
                threshold,
                nodes.value[:, 0, 1],
                nodes.children_left,
                nodes.children_right,
            )
        )
    return _ensemble(trees, link, grids, digits)


def of_boosting(booster: Any, grids: Grids, *, digits: int | None = None) -> Ensemble:
    """A fitted xgboost.Booster of the objective binary:logistic."""
    learner = json.loads(booster.save_raw("json"))["learner"]
    base = float(np.ravel(json.loads(learner["learner_model_param"]["base_score"]))[0])
    trees = []
    for nodes in learner["gradient_booster"]["model"]["trees"]:
        first = np.array(nodes["left_children"], np.intp)
        leaf = first < 0
        number = np.array(nodes["split_conditions"], np.float32)
        trees.append(
            Tree(
                np.where(leaf, LEAF, np.array(nodes["split_indices"], np.intp)),
                # A value goes to the first child if it is less than the threshold.
                np.nextafter(number, np.float32(-np.inf)),
                number.astype(np.float64),
                first,
                np.array(nodes["right_children"], np.intp),
            )
        )
    return _ensemble(trees, LogOdds(float(np.log(base / (1 - base)))), grids, digits)


def constant(logit: float) -> Ensemble:
    """A tree that says the same of everything."""
    return Ensemble(link=LogOdds(logit), feature=[LEAF], number=[0.0])


def _ensemble(
    trees: Iterable[Tree], link: Mean | LogOdds, grids: Grids, digits: int | None
) -> Ensemble:
    feature: list[int] = []
    number: list[float] = []
    for tree in trees:
        order = _breadth_first(tree)
        for node in order:
            at = int(tree.feature[node])
            value = float(tree.value[node])
            feature.append(at)
            if at == LEAF:
                number.append(value if digits is None else round(value, digits))
            else:
                number.append(_threshold(float(tree.until[node]), grids[at]))
    return Ensemble(link=link, feature=feature, number=number)


def _breadth_first(tree: Tree) -> list[int]:
    order = [0]
    for node in order:  # which grows
        if tree.feature[node] != LEAF:
            order += [int(tree.first[node]), int(tree.second[node])]
    return order


def _threshold(until: float, grid: Grid | None) -> float:
    """What a number of double precision is compared with, instead of one of single precision."""
    if grid is None:
        return largest_rounded_to(until)
    cell = np.floor(until * grid.per_unit)
    return shortest_between(float(cell / grid.per_unit), float((cell + 1) / grid.per_unit))


def largest_rounded_to(until: float) -> float:
    """The largest number whose nearest of single precision is `until`, or less.

    `until` is of single precision.

    >>> np.float32(largest_rounded_to(0.5)), np.float32(np.nextafter(largest_rounded_to(0.5), 1))
    (np.float32(0.5), np.float32(0.50000006))
    """
    following = float(np.nextafter(np.float32(until), np.float32(np.inf)))
    middle = (until + following) / 2
    return middle if np.float32(middle) <= until else float(np.nextafter(middle, -np.inf))


def shortest_between(least: float, below: float) -> float:
    """Of the numbers from `least` to less than `below`, the one with the fewest decimals.

    >>> shortest_between(0.49609375, 0.5), shortest_between(118.0, 118.5)
    (0.497, 118.0)
    """
    for decimals in range(_MOST_DECIMALS):
        found = float(np.ceil(least * 10**decimals) / 10**decimals)
        if least <= found < below:
            return found
    return least


# More than a number of double precision has within the grids.
_MOST_DECIMALS = 12
