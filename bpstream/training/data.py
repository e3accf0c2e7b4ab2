"""The readings the original model learned from: drawn at random, labelled by its own rule."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical import rules

SEED = 42
READINGS = 5000
# mmHg: mean and standard deviation of normal distributions, drawn apart.
SYSTOLIC = (120.0, 20.0)
DIASTOLIC = (80.0, 15.0)

LABEL = (
    f"systolic >= {rules.HYPERTENSION_SYSTOLIC_ABOVE:g} or "
    f"<= {rules.HYPOTENSION_SYSTOLIC_BELOW:g}, "
    f"diastolic >= {rules.HYPERTENSION_DIASTOLIC_ABOVE:g} or "
    f"<= {rules.HYPOTENSION_DIASTOLIC_BELOW:g}"
)
"""What `label` does, for the manifest."""


class Dataset(NamedTuple):
    """Labelled readings; every column has shape ``(n,)``."""

    systolic: NDArray[np.float64]
    """mmHg."""
    diastolic: NDArray[np.float64]
    """mmHg."""
    hypertension: NDArray[np.bool_]
    hypotension: NDArray[np.bool_]

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """The label: a reading may be too high and too low at once."""
        return self.hypertension | self.hypotension

    @property
    def features(self) -> NDArray[np.float64]:
        """Shape ``(n, 2)``: systolic, diastolic."""
        return np.column_stack([self.systolic, self.diastolic])


def original() -> Dataset:
    """The same readings every time: the legacy generator's stream does not change."""
    random = np.random.RandomState(SEED)
    return label(random.normal(*SYSTOLIC, READINGS), random.normal(*DIASTOLIC, READINGS))


def label(systolic: NDArray[np.float64], diastolic: NDArray[np.float64]) -> Dataset:
    """Label readings as the original did: a pressure on a threshold is anomalous.

    The stream's own rules are strict and call it normal; readings of random real numbers
    hardly ever tell the two apart.
    """
    return Dataset(
        systolic,
        diastolic,
        hypertension=(systolic >= rules.HYPERTENSION_SYSTOLIC_ABOVE)
        | (diastolic >= rules.HYPERTENSION_DIASTOLIC_ABOVE),
        hypotension=(systolic <= rules.HYPOTENSION_SYSTOLIC_BELOW)
        | (diastolic <= rules.HYPOTENSION_DIASTOLIC_BELOW),
    )
