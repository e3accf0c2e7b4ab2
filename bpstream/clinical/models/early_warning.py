"""Early warning: the probability that a patient's next reading is in a state to be feared."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple, TypeVar

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

    def contributions_to(self, seen: Seen, target: NDArray[np.intp]) -> Floats | None:
        """Of `contributions` those to one target a reading: shape ``(len(FEATURES), n)``."""
        added = self.contributions(seen)
        return None if added is None else added[target, :, np.arange(len(target))].T


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


class Reasons(NamedTuple):
    """Why warnings are high, in columns of readings that have a reason or more; the most first."""

    at: NDArray[np.intp]
    """Positions of the readings, ascending, shape ``(m,)``."""
    target: NDArray[np.intp]
    """Position in TARGETS, shape ``(m,)``."""
    feature: NDArray[np.intp]
    """Positions in FEATURES, shape ``(m, MOST_REASONS)``, as the other two have."""
    value: Floats
    contribution: Floats
    """To the third decimal; what is not above 0 is no reason."""

    @classmethod
    def none(cls) -> "Reasons":
        """No reading has any."""
        nothing, numbers = np.zeros(0, np.intp), np.zeros((0, MOST_REASONS))
        return cls(nothing, nothing, numbers.astype(np.intp), numbers, numbers)

    def take(self, rows: NDArray[np.bool_]) -> "Reasons":
        """Only these, shape ``(m,)``."""
        return Reasons(
            self.at[rows],
            self.target[rows],
            self.feature[rows],
            self.value[rows],
            self.contribution[rows],
        )

    def of(self, position: int) -> list[Reason]:
        """Those of one reading."""
        return [
            Reason(TARGETS[target], FEATURES[feature], value, contribution)
            for row in np.flatnonzero(self.at == position).tolist()
            for target, feature, value, contribution in zip(
                repeat(int(self.target[row])),
                *(column[row].tolist() for column in self[2:]),
                strict=False,
            )
            if contribution > 0
        ]


def reasons(model: EarlyWarning, seen: Seen, probabilities: Floats) -> Reasons:
    """Of each reading, what most raises the probability that is highest above the usual.

    None where no probability is `ELEVATED`, or the model cannot tell.
    """
    times = probabilities / model.prevalence[:, None]
    elevated = np.flatnonzero(times.max(axis=0, initial=0) >= ELEVATED)
    target = times.argmax(axis=0)[elevated] if len(elevated) else elevated
    about = seen.take(elevated)
    added = model.contributions_to(about, target) if len(elevated) else None
    if added is None:
        return Reasons.none()
    added, values = added.T.copy(), about.features.T
    rows = np.arange(len(elevated))
    feature = np.empty((len(elevated), MOST_REASONS), np.intp)
    most = np.empty((len(elevated), MOST_REASONS))
    # Of three it is faster to look three times than to sort; of equal ones the first counts.
    for nth in range(MOST_REASONS):
        feature[:, nth] = added.argmax(axis=1)
        most[:, nth] = added[rows, feature[:, nth]]
        added[rows, feature[:, nth]] = -np.inf
    found = Reasons(
        elevated, target, feature, np.take_along_axis(values, feature, axis=1), most.round(3)
    )
    return found.take(found.contribution[:, 0] > 0)
