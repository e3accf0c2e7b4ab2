"""What became of each reading's patient: the labels of the early-warning targets."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import HORIZON_MINUTES, states
from bpstream.training.readings import Series


class Outcome(NamedTuple):
    """Of one target; every column has shape ``(n,)``, as the readings have."""

    event: NDArray[np.bool_]
    """The next reading is in the state.  False, too, where nothing is known of it."""
    at_risk: NDArray[np.bool_]
    """This reading is not in the state: whoever is counts neither for nor against a model."""
    followed: NDArray[np.bool_]
    """There is a next reading within the horizon; the others are censored."""

    @property
    def counted(self) -> NDArray[np.bool_]:
        """The readings on which a model of this target learns, and is measured."""
        return self.at_risk & self.followed


def outcomes(series: Series) -> dict[str, Outcome]:
    """The outcome of every reading, by target.

    The next reading is that of the same patient and source, however soon; one that is exactly
    `HORIZON_MINUTES` later still counts.
    """
    now = states(series.systolic, series.diastolic)
    following, gap = next_readings(series)
    followed = gap <= HORIZON_MINUTES
    return {
        target: Outcome(event=followed & state[following], at_risk=~state, followed=followed)
        for target, state in now.items()
    }


def next_readings(series: Series) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where each reading's next one stands, and how many minutes later; itself and infinity."""
    order, begins = series.runs()
    following = np.arange(len(series))
    following[order[:-1]] = order[1:]
    last = order[np.append(begins[1:], len(series)) - 1]
    following[last] = last
    gap = series.t_minutes[following] - series.t_minutes
    gap[last] = np.inf
    return following, gap
