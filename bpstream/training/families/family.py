"""What every family gives."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from bpstream.clinical.features import FEATURES
from bpstream.clinical.history import Floats
from bpstream.clinical.models.model import AnyEarlyWarning, AnyRisk
from bpstream.training.examples import Examples, Flags

Progress = Callable[[str], None]
"""Is told each step as it begins."""


def teaches(examples: Examples, at: int) -> bool:
    """Whether there is something to learn of a target: readings came out one way and the other."""
    labels = examples.labels[at]
    return bool(labels.any() and not labels.all() and examples.at_risk[at].any())


def log_odds(probability: float) -> float:
    """Of a probability between 0 and 1; what a target that teaches nothing is told by."""
    return math.log(probability / (1 - probability))


class Fitted(NamedTuple):
    """A model of one family."""

    form: AnyEarlyWarning
    """What model.json holds."""
    estimators: Mapping[str, Any]
    """By target, what the form was made from, for those who use the library that learned it.

    Empty where there is none; without a target that had nothing to learn from.  Its features
    are rows, ``(n, len(FEATURES))``.
    """
    features: tuple[str, ...] = FEATURES
    """Those that the form looks at."""


class Fit(Protocol):
    """How a family learns."""

    def __call__(self, examples: Examples, *, seed: int, progress: Progress) -> Fitted:
        """Learn every target; the same seed and libraries learn the same."""


class FitRisk(Protocol):
    """How a family learns the risk of a single reading."""

    def __call__(self, pressures: Floats, anomalous: Flags, *, seed: int) -> AnyRisk:
        """Learn from systolic and diastolic, shape ``(2, n)``, which readings are `anomalous`."""


class Family(NamedTuple):
    """A module of this package, as the commands use it."""

    fit: Fit
    fit_risk: FitRisk | None
    """None: the usual one (`anomaly.distance`)."""
    steps: tuple[str, ...]
    """What `fit` does, in this order; it says each as it begins."""
    libraries: tuple[str, ...]
    """The distributions, beside numpy, whose versions decide what is learned."""
