"""Drift: whether what a model is given, and what it says, still looks like its training data.

A model knows in which bins the values of its training data fell.  What arrives is counted in
the same bins, the last `HALF_LIFE` readings or so; the population stability index compares.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HALF_LIFE = 5000
"""After so many readings a reading counts half."""

FEWEST = 1000
"""Readings below which nothing is said: the index of a small sample is large by chance."""

LARGE = 0.25
"""From here on a feed is another population (Siddiqi, Credit Risk Scorecards, 2006, ch. 8)."""

# A bin that one side never saw would make the index infinite.
_LEAST_SHARE = 1e-4


class Reference(NamedTuple):
    """How one column was distributed when the model was trained."""

    edges: NDArray[np.float64]
    """Between the bins, ascending, shape ``(bins - 1,)``; a value on an edge is below it."""
    shares: NDArray[np.float64]
    """Of each bin, shape ``(bins,)``; their sum is 1."""


class Drift:
    """Counts what a model is given and what it says, by column."""

    def __init__(self, references: Mapping[str, Reference]) -> None:
        self.references = references
        self.counts = {name: np.zeros(len(each.shares)) for name, each in references.items()}
        """Everything that was ever counted, by bin."""
        self._recent = {name: np.zeros(len(each.shares)) for name, each in references.items()}

    def observe(self, columns: Mapping[str, NDArray[np.float64]]) -> None:
        """Count readings; NaN is left out, and so is a column that has no reference."""
        for name, reference in self.references.items():
            if name not in columns:
                continue
            values = columns[name]
            values = values[~np.isnan(values)]
            if not len(values):
                continue
            bins = np.searchsorted(reference.edges, values)
            found = np.bincount(bins, minlength=len(reference.shares))
            self.counts[name] += found
            self._recent[name] *= 0.5 ** (len(values) / HALF_LIFE)
            self._recent[name] += found

    def index(self) -> dict[str, float]:
        """The population stability index of every column that has been seen often enough.

        0 is the same distribution; from `LARGE` on it is another one.
        """
        return {
            name: stability_index(recent / recent.sum(), self.references[name].shares)
            for name, recent in self._recent.items()
            if self.counts[name].sum() >= FEWEST
        }


def stability_index(shares: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """The population stability index: sum of (a - e) ln(a / e) over the bins.

    >>> round(stability_index(np.array([0.5, 0.5]), np.array([0.25, 0.75])), 3)
    0.275
    """
    actual, expected = (np.maximum(each, _LEAST_SHARE) for each in (shares, reference))
    return float(((actual - expected) * np.log(actual / expected)).sum())
