"""Blood-pressure categories and severities of adults: arrays in, arrays out.

Every array has shape ``(n,)`` and is mmHg; NaN is a pressure that was not measured, and
the other one is judged alone.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.rules import (
    HYPERTENSION_DIASTOLIC_ABOVE,
    HYPERTENSION_SYSTOLIC_ABOVE,
    HYPOTENSION_DIASTOLIC_BELOW,
    HYPOTENSION_SYSTOLIC_BELOW,
)


class Category(IntEnum):
    """Ordered by severity, so the larger of two categories is the worse one."""

    NORMAL = 0
    ELEVATED = 1
    STAGE_1 = 2
    STAGE_2 = 3
    SEVERE = 4


UNCATEGORIZED = -1
"""In the place of a category where neither pressure was measured."""

CATEGORY_NAMES: dict[int, str | None] = {
    UNCATEGORIZED: None,
    **{category.value: category.name.lower() for category in Category},
}
"""By the value of `categorize`: the document's `category`."""

# Source: Whelton et al., 2017 ACC/AHA guideline, Hypertension 2018;71:e13-e115, Table 6.
# Lowest mmHg of ELEVATED, STAGE_1 and STAGE_2.  Diastolic pressure has no ELEVATED
# band: at 80 it is STAGE_1 already.
_SYSTOLIC_FROM = np.array([120.0, 130.0, 140.0])
_DIASTOLIC_FROM = np.array([80.0, 80.0, 90.0])
# The same guideline's hypertensive crisis, without regard to organ damage: SEVERE lies
# above it, CRITICAL includes it, for 180/120 is not to wait.
CRISIS_SYSTOLIC, CRISIS_DIASTOLIC = 180.0, 120.0


class Severity(IntEnum):
    """How soon somebody should look, ordered."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


SEVERITY_NAMES: tuple[str, ...] = tuple(severity.name.lower() for severity in Severity)
"""By the value of `severity`: the document's `severity`."""

# Kidney and heart injury rise below it: Walsh et al., Anesthesiology 2013;119:507-515.
CRITICAL_BELOW_MEAN = 55.0
# bpstream's own choice; no guideline names it.
CRITICAL_BELOW_SYSTOLIC = 80.0
# Grade 2 hypertension: Mancia et al., 2023 ESH guideline, J Hypertens 2023;41:1874-2071.
HIGH_FROM_SYSTOLIC, HIGH_FROM_DIASTOLIC = 160.0, 100.0


def categorize(systolic: NDArray[np.float64], diastolic: NDArray[np.float64]) -> NDArray[np.int8]:
    """Categorize each reading by the worse of its two pressures.

    The result's values are :class:`Category`, or UNCATEGORIZED.

    >>> categorize(np.array([118.0, 125.0, np.nan]), np.array([76.0, 84.0, np.nan]))
    array([ 0,  2, -1], dtype=int8)
    """
    category = np.maximum(
        _band(systolic, _SYSTOLIC_FROM), _band(diastolic, _DIASTOLIC_FROM)
    ).astype(np.int8)
    severe = (systolic > CRISIS_SYSTOLIC) | (diastolic > CRISIS_DIASTOLIC)
    category[severe] = Category.SEVERE
    return category


def _band(pressure: NDArray[np.float64], lowest: NDArray[np.float64]) -> NDArray[np.intp]:
    """How many of `lowest` each pressure has reached; NaN would sort above them all."""
    reached = np.searchsorted(lowest, pressure, side="right")
    reached[np.isnan(pressure)] = UNCATEGORIZED
    return reached


def severity(
    systolic: NDArray[np.float64],
    diastolic: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> NDArray[np.int8]:
    """Rank each reading; the result's values are :class:`Severity`.

    `mean` is what `mean_arterial_pressure` returns.  A low diastolic pressure alone is LOW:
    in intensive care more than half of all readings have one.

    >>> pressures = np.array([118.0, 85.0, 185.0]), np.array([55.0, 58.0, 90.0])
    >>> severity(*pressures, np.array([76.0, 67.0, 121.7]))
    array([1, 3, 4], dtype=int8)
    """
    ranked = np.full(systolic.shape, Severity.NONE, np.int8)
    ranked[diastolic < HYPOTENSION_DIASTOLIC_BELOW] = Severity.LOW
    ranked[
        (systolic > HYPERTENSION_SYSTOLIC_ABOVE) | (diastolic > HYPERTENSION_DIASTOLIC_ABOVE)
    ] = Severity.MEDIUM
    ranked[
        (systolic < HYPOTENSION_SYSTOLIC_BELOW)
        | (systolic >= HIGH_FROM_SYSTOLIC)
        | (diastolic >= HIGH_FROM_DIASTOLIC)
    ] = Severity.HIGH
    ranked[
        (systolic >= CRISIS_SYSTOLIC)
        | (diastolic >= CRISIS_DIASTOLIC)
        | (systolic < CRITICAL_BELOW_SYSTOLIC)
        | (mean < CRITICAL_BELOW_MEAN)
    ] = Severity.CRITICAL
    return ranked


def mean_arterial_pressure(
    systolic: NDArray[np.float64],
    diastolic: NDArray[np.float64],
    measured: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The `measured` mean where there is one, else a third of the way up from diastolic.

    NaN where the mean was not measured and a pressure is missing.

    >>> mean_arterial_pressure(np.array([120.0]), np.array([80.0]), np.array([np.nan]))
    array([93.33333333])
    """
    return np.where(np.isnan(measured), (systolic + 2 * diastolic) / 3, measured)


def pulse_pressure(
    systolic: NDArray[np.float64], diastolic: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Systolic less diastolic; NaN where one is missing, negative where they are swapped."""
    return systolic - diastolic
