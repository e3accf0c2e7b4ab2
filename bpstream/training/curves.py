"""Curves of a score, a point for each different one: what a threshold there would do."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Curves(NamedTuple):
    """Warn from each score on, from the highest down; shape ``(scores,)``, each 0..1."""

    sensitivity: NDArray[np.float64]
    """The share of events that are warned of: also called recall, and true-positive rate."""
    false_alarms: NDArray[np.float64]
    """The share of the other readings that are: 1 - specificity, the false-positive rate."""
    precision: NDArray[np.float64]
    """The share of warnings that an event follows."""


def curves(event: NDArray[np.bool_], score: NDArray[np.float64]) -> Curves:
    """The curves of a `score` for an `event`, both of shape ``(n,)``.

    Without events, or with nothing else, there are none: shape ``(0,)``.

    >>> found = curves(np.array([False, True, True]), np.array([0.1, 0.1, 0.7]))
    >>> found.sensitivity.tolist(), found.false_alarms.tolist()
    ([0.5, 1.0], [0.0, 1.0])
    """
    if event.all() or not event.any():
        return Curves(*np.zeros((3, 0)))
    order = np.argsort(-score, kind="stable")
    happened, falling = event[order], -score[order]
    until = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    events = np.cumsum(happened)[until]
    others = until + 1 - events
    return Curves(
        sensitivity=events / events[-1],
        false_alarms=others / others[-1],
        precision=events / (until + 1),
    )
