"""Risk: the probability that a reading is anomalous under the rules, from its pressures alone."""

from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.rules import (
    HYPERTENSION_DIASTOLIC_ABOVE,
    HYPERTENSION_SYSTOLIC_ABOVE,
    HYPOTENSION_DIASTOLIC_BELOW,
    HYPOTENSION_SYSTOLIC_BELOW,
)

Floats = NDArray[np.float64]


class Risk(Protocol):
    """Scores readings: what the `risk` of a model.json may be."""

    def score(self, systolic: Floats, diastolic: Floats) -> Floats:
        """The probability, 0..1, that each reading is anomalous.

        The arrays have shape ``(n,)`` and are mmHg.  A reading that lacks a pressure (NaN)
        has no score (NaN).
        """


class Logistic(msgspec.Struct, frozen=True, tag="logistic", forbid_unknown_fields=True):
    """A straight line between normal and anomalous readings: it sees one side of a range.

    >>> line = Logistic(intercept=-12.0, systolic=0.1, diastolic=0.0)
    >>> line.score(np.array([120.0, np.nan]), np.array([80.0, 80.0]))
    array([0.5, nan])
    """

    intercept: float
    systolic: float
    diastolic: float

    def score(self, systolic: Floats, diastolic: Floats) -> Floats:
        """The logistic function of the weighted sum."""
        return sigmoid(self.intercept + self.systolic * systolic + self.diastolic * diastolic)


class Distance(msgspec.Struct, frozen=True, tag="distance", forbid_unknown_fields=True):
    """How far a reading is beyond the nearest of the rules' four limits, or within them all.

    Two-sided, and monotone away from the middle of both ranges.

    >>> near = Distance(intercept=-0.5, per_mmhg=1.0)
    >>> near.score(np.array([140.0, 141.0, 89.0]), np.array([80.0, 80.0, 70.0])).round(2)
    array([0.38, 0.62, 0.62])
    """

    intercept: float
    per_mmhg: float

    def score(self, systolic: Floats, diastolic: Floats) -> Floats:
        """The logistic function of the distance (mmHg, negative within the limits)."""
        return sigmoid(self.intercept + self.per_mmhg * beyond_limits(systolic, diastolic))


class QuadraticRisk(msgspec.Struct, frozen=True, tag="quadratic", forbid_unknown_fields=True):
    """An ellipse, or another conic, between normal and anomalous readings: it sees both sides.

    >>> circle = QuadraticRisk(
    ...     center=(115, 75), intercept=-4, linear=(0, 0), squares=(0.01, 0.01), product=0
    ... )
    >>> circle.score(np.array([115.0, 135.0, 95.0]), np.array([75.0, 75.0, 75.0])).round(2)
    array([0.02, 0.5 , 0.5 ])
    """

    center: tuple[float, float]
    """mmHg, systolic and diastolic: the numbers below are of what differs from it."""
    intercept: float
    linear: tuple[float, float]
    squares: tuple[float, float]
    product: float

    def score(self, systolic: Floats, diastolic: Floats) -> Floats:
        """The logistic function of the quadratic form."""
        x, y = systolic - self.center[0], diastolic - self.center[1]
        return sigmoid(
            self.intercept
            + x * (self.linear[0] + self.squares[0] * x + self.product * y)
            + y * (self.linear[1] + self.squares[1] * y)
        )


def beyond_limits(systolic: Floats, diastolic: Floats) -> Floats:
    """By how many mmHg each reading is beyond the limit that it breaks most.

    Negative: so far is the nearest limit.  NaN where a pressure is.
    """
    return np.maximum(
        np.maximum(systolic - HYPERTENSION_SYSTOLIC_ABOVE, HYPOTENSION_SYSTOLIC_BELOW - systolic),
        np.maximum(
            diastolic - HYPERTENSION_DIASTOLIC_ABOVE, HYPOTENSION_DIASTOLIC_BELOW - diastolic
        ),
    )


def sigmoid(logit: Floats) -> Floats:
    """The same as 1 / (1 + exp(-logit)), which overflows far from 0."""
    return 0.5 * (1 + np.tanh(logit / 2))
