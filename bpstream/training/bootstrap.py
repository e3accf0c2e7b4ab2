"""How sure a figure is: intervals from patients drawn anew.

Readings of one patient resemble each other, so whole patients are drawn, with replacement,
and every model is measured on the same ones: the difference of two models varies less than
either does (Field & Welsh, J R Stat Soc B 2007;69:369-390).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.training.ranking import Ranking

METRICS = ("auroc", "auprc", "brier")
"""What `draw` measures, by field of `Replicates`."""

_LEVEL = 0.95


class Interval(NamedTuple):
    """In which 95 of 100 draws lie; NaN where it cannot be told."""

    low: float
    high: float


class Replicates(NamedTuple):
    """One model's figures, of every draw; shape ``(resamples,)``, NaN where a draw had none."""

    auroc: NDArray[np.float64]
    auprc: NDArray[np.float64]
    brier: NDArray[np.float64]


def draw(
    event: NDArray[np.bool_],
    probabilities: Mapping[str, NDArray[np.float64]],
    patient: NDArray[np.int64],
    *,
    resamples: int,
    seed: int,
) -> dict[str, Replicates]:
    """Measure each of `probabilities`, by model, on `resamples` draws of the patients.

    `event`, `patient` (any numbers) and every model's probabilities have shape ``(n,)``.
    The same seed draws the same patients.
    """
    patients, place = np.unique(patient, return_inverse=True)
    count = len(patients)
    rankings = {
        model: Ranking(event, probability, place) for model, probability in probabilities.items()
    }
    readings = np.bincount(place, minlength=count)
    errors = {
        model: np.bincount(place, (probability - event) ** 2, minlength=count)
        for model, probability in probabilities.items()
    }
    found = {
        model: Replicates(*np.full((len(METRICS), resamples), np.nan)) for model in probabilities
    }
    random = np.random.default_rng(seed)
    for number in range(resamples if count else 0):
        weight = np.bincount(random.integers(count, size=count), minlength=count)
        for model, replicates in found.items():
            replicates.auroc[number], replicates.auprc[number] = rankings[model].weighed(weight)
            replicates.brier[number] = np.sum(weight * errors[model]) / np.sum(weight * readings)
    return found


def interval(replicates: NDArray[np.float64]) -> Interval:
    """The percentile interval of the draws that could be measured."""
    known = replicates[~np.isnan(replicates)]
    if not len(known):
        return Interval(np.nan, np.nan)
    outside = (1 - _LEVEL) / 2
    low, high = np.quantile(known, [outside, 1 - outside])
    return Interval(float(low), float(high))
