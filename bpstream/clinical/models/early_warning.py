"""Early warning: the probability that a patient's next reading is in a state to be feared."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.history import Floats

WINDOW = 8
"""How many of a patient's last readings a recurrent model looks at."""

MOST_REASONS = 3
ELEVATED = 2.0
"""Reasons are told where a probability is so many times what it is for most patients."""

_T = TypeVar("_T")
_TARGETS, _FEATURES = np.array(TARGETS, object), np.array(FEATURES, object)


def _no_windows() -> Floats:
    raise ValueError("the patient's last readings are not known here")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model is given of readings, each the newest of its patient's series."""

    features: Floats
    """Shape ``(len(FEATURES), n)``, as `features.features` makes them."""
    windows: Callable[[], Floats] = _no_windows
    """The last `WINDOW` readings of each patient, this one last: shape ``(n, WINDOW, 3)``, of
    systolic, diastolic (mmHg) and the hours since the reading before it; NaN before the first."""

    def take(self, at: NDArray[np.intp]) -> "Seen":
        """Only the readings at these positions."""
        return Seen(self.features[:, at], lambda: self.windows()[at])


class EarlyWarning(ABC):
    """Scores what is to come.  Subclasses are what the `early_warning` of a model may be."""

    prevalence: Floats
    """Of each of TARGETS: how many of a hundred patients not in that state are in it next."""

    @abstractmethod
    def probabilities(self, seen: Seen) -> Floats:
        """Of each of TARGETS, for each reading: shape ``(len(TARGETS), n)``, 0..1."""

    def contributions(self, seen: Seen) -> Floats | None:
        """What each feature adds to the log-odds: shape ``(len(TARGETS), len(FEATURES), n)``.

        Against the average of the training data.  None where the model cannot tell.
        """
        del seen
        return None


def of_targets(by_target: Mapping[str, _T]) -> list[_T]:
    """The values in the order of TARGETS.  Raises ValueError unless these are its keys."""
    if set(by_target) != set(TARGETS):
        raise ValueError(f"the targets are {', '.join(TARGETS)}, not {', '.join(by_target)}")
    return [by_target[name] for name in TARGETS]


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why a probability is high: what one feature of the history adds to its log-odds."""

    target: str
    """Of TARGETS the one whose probability is the highest above the usual."""
    feature: str
    value: float
    contribution: float


def reasons(model: EarlyWarning, seen: Seen, probabilities: Floats) -> list[tuple[Reason, ...]]:
    """Of each reading, what most raises the probability that is highest above the usual.

    None where no probability is `ELEVATED`, or the model cannot tell.
    """
    told: list[tuple[Reason, ...]] = [()] * probabilities.shape[1]
    times = probabilities / model.prevalence[:, None]
    elevated = np.flatnonzero(times.max(axis=0, initial=0) >= ELEVATED)
    if not len(elevated):
        return told
    about = seen.take(elevated)
    contributions = model.contributions(about)
    if contributions is None:
        return told
    target = times[:, elevated].argmax(axis=0)
    added = contributions[target, :, np.arange(len(elevated))]
    most = np.argsort(-added, axis=1, kind="stable")[:, :MOST_REASONS]
    values = np.take_along_axis(about.features.T, most, axis=1)
    added = np.take_along_axis(added, most, axis=1).round(3)
    raising = np.count_nonzero(added > 0, axis=1)
    columns = _TARGETS[target], raising, _FEATURES[most], values, added
    for at, name, count, *each in zip(
        elevated.tolist(), *(column.tolist() for column in columns), strict=True
    ):
        told[at] = tuple(map(Reason, repeat(name, count), *each))
    return told
