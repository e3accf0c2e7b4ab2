"""A model as the worker would serve it, asked of whole series."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.models.early_warning import EarlyWarning
from bpstream.training.examples import seen
from bpstream.training.readings import Series

_AT_ONCE = 10_000  # readings: what a model looks at meanwhile is many times as large


@dataclass(frozen=True, slots=True)
class Served:
    """A predictor (`Predictor`) that is a model's early warning."""

    early_warning: EarlyWarning

    def predict(self, series: Series) -> dict[str, NDArray[np.float64]]:
        """As `Predictor` has it."""
        everything = seen(series)
        found = np.empty((len(TARGETS), len(series)))
        for begin in range(0, len(series), _AT_ONCE):
            at = np.arange(begin, min(begin + _AT_ONCE, len(series)))
            found[:, at] = self.early_warning.probabilities(everything.take(at))
        return dict(zip(TARGETS, found, strict=True))
