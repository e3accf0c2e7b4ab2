"""What a model has to beat: baselines that anybody could compute.

Each is fitted per target, on the readings that count (`Outcome.counted`).  A model that is no
better than `BEST_BASELINE` has learned nothing that four numbers on a chart do not tell.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.training.outcomes import outcomes
from bpstream.training.predictor import Predictor
from bpstream.training.readings import Series

# How many features of `features` each uses.
_USED = {"prevalence": 0, "last_value": 1, "four_features": 4}
BASELINES = tuple(_USED)
"""The share of events; a logistic regression of the last value; one of all of `FEATURES`."""
NO_RANKING, BEST_BASELINE = "prevalence", "four_features"

FEATURES = ("last value", "mean of the last five", "mean so far", "extreme so far")
"""Of the target's own pressure, of one patient and source, this reading among them.

The pressure is the mean for low_map, else the systolic; the extreme is the least so far, for
severe the greatest.
"""
_LAST = 5


class _Weights(NamedTuple):
    """Of one target: logit = intercept + coefficients · features, in mmHg."""

    intercept: float
    coefficients: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic regression per target; without coefficients it is the share of events."""

    weights: dict[str, _Weights]

    def predict(self, series: Series) -> dict[str, NDArray[np.float64]]:
        """As `Predictor` has it."""
        found = {}
        for target, (intercept, coefficients) in self.weights.items():
            used = features(series, target)[:, : len(coefficients)]
            found[target] = 0.5 * (1 + np.tanh((intercept + used @ coefficients) / 2))
        return found


def fit(series: Series, names: Collection[str] = BASELINES) -> dict[str, Predictor]:
    """The baselines of these `names`, as the patients of `series` teach them.

    Where no reading counts for a target nothing is known of it, and a half is told.
    """
    outcome_of = outcomes(series)
    weights: dict[str, dict[str, _Weights]] = {name: {} for name in names}
    for target in TARGETS:
        counted = outcome_of[target].counted
        event = outcome_of[target].event[counted]
        known = features(series, target)[counted]
        for name in names:
            weights[name][target] = _fitted(known[:, : _USED[name]], event)
    return {name: Logistic(of_target) for name, of_target in weights.items()}


def _fitted(known: NDArray[np.float64], event: NDArray[np.bool_]) -> _Weights:
    if not known.shape[1] or event.all() or not event.any():
        share = np.clip(event.mean(), 1e-9, 1 - 1e-9) if len(event) else 0.5
        return _Weights(float(np.log(share / (1 - share))), np.zeros(known.shape[1]))
    center, scale = known.mean(axis=0), known.std(axis=0)
    scale[scale == 0] = 1
    # The features resemble each other: the default solver would stop on the way.
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8)
    model.fit((known - center) / scale, event)
    coefficients = model.coef_[0] / scale
    return _Weights(float(model.intercept_[0] - coefficients @ center), coefficients)


def features(series: Series, target: str) -> NDArray[np.float64]:
    """`FEATURES` of every reading, shape ``(n, 4)``, in mmHg."""
    value = series.mean_arterial_pressure if target == "low_map" else series.systolic
    order, begins = series.runs()
    lengths = np.diff(begins, append=len(series))
    run = np.repeat(np.arange(len(begins)), lengths)
    nth = np.arange(len(series)) - np.repeat(begins, lengths)
    value = value[order]
    found = np.empty((len(series), len(FEATURES)))
    found[order] = np.column_stack(
        [
            value,
            _mean_of_last(value, np.minimum(nth + 1, _LAST)),
            _mean_of_last(value, nth + 1),
            _greatest(value, run) if target == "severe" else -_greatest(-value, run),
        ]
    )
    return found


def _mean_of_last(value: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of the `count` values that end at each place."""
    # Sums of millions of pressures lose digits; those of what they differ by lose fewer.
    anchor = float(value.mean()) if len(value) else 0.0
    sums = np.zeros(len(value) + 1)
    np.cumsum(value - anchor, out=sums[1:])
    end = np.arange(1, len(value) + 1)
    means: NDArray[np.float64] = anchor + (sums[end] - sums[end - count]) / count
    return means


def _greatest(value: NDArray[np.float64], run: NDArray[np.int64]) -> NDArray[np.float64]:
    """The greatest value so far in each run.

    Ranks stand for the values: raised by run, so that a new one begins above all before it,
    they stay exact.
    """
    levels, rank = np.unique(value, return_inverse=True)
    raised = np.maximum.accumulate(rank + run * len(levels))
    return levels[raised - run * len(levels)]
