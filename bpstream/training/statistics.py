"""How good probabilities are: the Brier score and calibration.

`event` and `probability` have shape ``(n,)``.  What cannot be told is NaN: nothing is measured
of no readings, and no slope of readings that all have one probability, or one outcome.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Probabilities 0 and 1 have no logit.
_NEAREST_TO_CERTAIN = 1e-9
_MOST_STEPS, _STEP_IS_NONE, _NO_SUCH_WEIGHT = 100, 1e-10, 1e6


class Calibration(NamedTuple):
    """Of the logistic recalibration logit P(event) = intercept + slope * logit(probability).

    1 and 0 are perfect.  A slope below 1: too extreme; an intercept above 0 (at slope 1): too
    low.  Cox, Biometrika 1958;45:562-565.
    """

    slope: float
    intercept: float


class Reliability(NamedTuple):
    """Readings in bins of as many each, by rising probability; shape ``(bins,)``, at most."""

    predicted: NDArray[np.float64]
    """Their mean probability."""
    observed: NDArray[np.float64]
    """The share of events among them."""
    readings: NDArray[np.int64]


def brier(event: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    """The mean squared error of the probabilities: 0 is perfect.

    >>> round(brier(np.array([True, False]), np.array([0.8, 0.4])), 3)
    0.1
    """
    return float(np.mean((probability - event) ** 2)) if len(event) else np.nan


def calibration(event: NDArray[np.bool_], probability: NDArray[np.float64]) -> Calibration:
    """Slope and intercept by maximum likelihood, found by Newton's method.

    NaN, too, where the probabilities tell events and others apart without fault: the more
    extreme they were, the better they would be.
    """
    unknown = Calibration(np.nan, np.nan)
    clipped = np.clip(probability, _NEAREST_TO_CERTAIN, 1 - _NEAREST_TO_CERTAIN)
    logit = np.log(clipped / (1 - clipped))
    if not len(event) or event.all() or not event.any() or np.ptp(logit) == 0:
        return unknown
    columns = np.column_stack([np.ones(len(logit)), logit])
    weights = np.array([0.0, 1.0])
    loss = _loss(event, columns @ weights)
    for _ in range(_MOST_STEPS):
        fitted = 0.5 * (1 + np.tanh(columns @ weights / 2))
        gradient = columns.T @ (event - fitted)
        curvature = (columns * (fitted * (1 - fitted))[:, None]).T @ columns
        if not np.linalg.cond(curvature) < 1 / np.finfo(np.float64).eps:
            return unknown
        step = np.linalg.solve(curvature, gradient)
        # Far from the optimum a whole step may lead away from it.
        while (next_loss := _loss(event, columns @ (weights + step))) > loss + 1e-9 * abs(loss):
            step /= 2
        weights, loss = weights + step, next_loss
        if np.abs(step).max() < _STEP_IS_NONE:
            return Calibration(slope=float(weights[1]), intercept=float(weights[0]))
        if np.abs(weights).max() > _NO_SUCH_WEIGHT:
            return unknown
    return unknown


def _loss(event: NDArray[np.bool_], logit: NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0, logit) - event * logit))


def reliability(
    event: NDArray[np.bool_], probability: NDArray[np.float64], *, bins: int = 10
) -> Reliability:
    """What was predicted and what came, in `bins` of as many readings each.

    Not of the same width: of rare events nearly all readings would be in the first bin.  Equal
    probabilities stay together, so there may be fewer bins.
    """
    if not len(event):
        empty = np.zeros(0)
        return Reliability(empty, empty, empty.astype(np.int64))
    edges = np.quantile(probability, np.arange(1, bins) / bins, method="lower")
    _, place = np.unique(np.searchsorted(edges, probability), return_inverse=True)
    readings = np.bincount(place)
    return Reliability(
        predicted=np.bincount(place, probability) / readings,
        observed=np.bincount(place, event) / readings,
        readings=readings,
    )


def expected_calibration_error(event: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    """The mean distance of what was predicted from what came, over ten bins of `reliability`.

    >>> round(expected_calibration_error(np.array([True, False]), np.array([0.9, 0.2])), 3)
    0.15
    """
    predicted, observed, readings = reliability(event, probability)
    if not len(readings):
        return np.nan
    return float(np.abs(predicted - observed) @ readings / readings.sum())
