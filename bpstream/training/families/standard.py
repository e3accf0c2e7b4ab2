"""Standardised columns: each less its mean, in its standard deviations."""

from typing import NamedTuple, Self

import numpy as np

from bpstream.clinical.history import Floats


class Standard(NamedTuple):
    """Means and standard deviations of columns, each of shape ``(k,)``."""

    center: Floats
    scale: Floats

    @classmethod
    def of(cls, columns: Floats) -> Self:
        """Of columns of shape ``(k, n)``; one that never varies has the scale 1."""
        scale = columns.std(axis=1)
        return cls(columns.mean(axis=1), np.where(scale > 0, scale, 1.0))

    def __call__(self, columns: Floats) -> Floats:
        """The columns standardised."""
        found: Floats = (columns - self.center[:, None]) / self.scale[:, None]
        return found
