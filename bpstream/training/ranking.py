"""How well a score ranks: AUROC and AUPRC, of all readings or of patients drawn anew.

A score is sorted once; after that every way to weigh the patients costs one pass over the
readings.  Equal scores count as such, so that no order of rows changes anything.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Ranked(NamedTuple):
    """What a score is worth; NaN where there are no events, or nothing but events."""

    auroc: float
    """The chance that an event has a higher score than a reading without (half of the ties)."""
    auprc: float
    """Average precision: the mean, over the events, of the precision at their score."""


class Ranking:
    """The readings by falling score; `event`, `score` and `patient` have shape ``(n,)``.

    `patient` tells whose reading each is, as places in the weights that `weighed` is given.
    """

    def __init__(
        self,
        event: NDArray[np.bool_],
        score: NDArray[np.float64],
        patient: NDArray[np.int64],
    ) -> None:
        order = np.argsort(-score, kind="stable")
        happened, falling, patient = event[order], -score[order], patient[order]
        self._patient_of_event = patient[happened]
        self._patient_of_other = patient[~happened]
        # Only where an event stands do recall and the area change: at these different scores.
        scores, first = np.unique(falling[happened], return_index=True)
        self._events_until = np.append(first[1:], np.count_nonzero(happened))
        others = falling[~happened]
        self._others_above = np.searchsorted(others, scores, side="left")
        self._others_until = np.searchsorted(others, scores, side="right")

    def weighed(self, weight: NDArray[np.int64]) -> Ranked:
        """What the score is worth if each patient's readings count `weight` times."""
        until = _sums(weight[self._patient_of_event])[self._events_until]
        others = _sums(weight[self._patient_of_other])
        if not len(until) or not until[-1] or not others[-1]:
            return Ranked(np.nan, np.nan)
        events = np.diff(until, prepend=0)
        others_above, others_until = others[self._others_above], others[self._others_until]
        below = others[-1] - (others_above + others_until) / 2
        precision = until / np.maximum(until + others_until, 1)
        # Not `@`: BLAS would set threads to work on each of thousands of small products.
        return Ranked(
            auroc=float(np.sum(events * below) / (until[-1] * others[-1])),
            auprc=float(np.sum(events * precision) / until[-1]),
        )


def _sums(weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the first 0, 1, 2 ... weights."""
    sums = np.zeros(len(weights) + 1, np.int64)
    np.cumsum(weights, out=sums[1:])
    return sums


def ranked(event: NDArray[np.bool_], score: NDArray[np.float64]) -> Ranked:
    """AUROC and AUPRC of a `score` for an `event`, both of shape ``(n,)``.

    >>> ranked(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8]))
    Ranked(auroc=0.75, auprc=0.8333333333333333)
    """
    everyone = np.zeros(len(event), np.int64)
    return Ranking(event, score, everyone).weighed(np.ones(1, np.int64))


def threshold_at(sensitivity: float, event: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """The highest score from which on at least `sensitivity` (0..1) of the events lie.

    NaN where there are no events.

    >>> float(threshold_at(0.5, np.array([True, True, False]), np.array([0.2, 0.7, 0.9])))
    0.7
    """
    scores = np.sort(score[event])[::-1]
    if not len(scores):
        return np.nan
    # Less a hair: 0.07 * 100 is 7.000000000000001, and seven events are enough.
    caught = int(np.ceil(sensitivity * len(scores) * (1 - 1e-12)))
    return float(scores[max(caught, 1) - 1])
