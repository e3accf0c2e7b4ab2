"""Measures: what alarm rules may know of readings, with bounds as bounds; columns in and out."""

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.conditions import OF_SILENCE, PRESSURES, WARNINGS, Floats, Measures
from bpstream.encoding import Judged
from bpstream.reading import EXACT, Flag, Readings

HELD = {*PRESSURES, "artefact"}
"""What the row's last readings tell; of the others they tell nothing."""
_HELD_DIGITS = 4  # of a pressure in mmHg, that 32 bits hold

_INFINITE = {"<": (-np.inf, 0.0), "<=": (-np.inf, 0.0), ">": (0.0, np.inf), ">=": (0.0, np.inf)}
"""What a comparator adds to a value for the lowest and the highest the pressure may be."""


def of_held(kept: NDArray[np.void]) -> Measures:
    """What is known of readings that a row keeps (`patients.READING`, shape ``(n,)``)."""
    systolic, diastolic, mean = (pressure(kept, name) for name in PRESSURES)
    artefact = kept["flags"] & np.uint16(Flag.IMPLAUSIBLE) > 0
    return Measures.exact(systolic, diastolic, mean, artefact)


def pressure(kept: NDArray[np.void], name: str) -> Floats:
    """A pressure as it was before it was shortened to be held."""
    pressures: Floats = kept[name].astype(np.float64)
    return pressures.round(_HELD_DIGITS)


def of_readings(readings: Readings, judged: Judged, live: NDArray[np.intp]) -> Measures:
    """What is known of the readings at the positions `live`."""
    flags = readings.flags[live]
    warnings = judged.warning[:, live]
    exact = Measures.exact(
        readings.systolic[live],
        readings.diastolic[live],
        judged.mean[live],
        flags & np.uint32(Flag.IMPLAUSIBLE) > 0,
        {
            "deviation": judged.deviation[live],
            **dict(zip(WARNINGS, warnings, strict=True)),
            **dict.fromkeys(OF_SILENCE, np.zeros(len(live))),
        },
    )
    bounded = np.flatnonzero(flags & np.uint32(Flag.COMPARATOR))
    return exact if not len(bounded) else _with_bounds(exact, readings, live, bounded)


def _with_bounds(
    exact: Measures, readings: Readings, live: NDArray[np.intp], bounded: NDArray[np.intp]
) -> Measures:
    """Where a value is a bound of the pressure (`> 200`): all that it may be."""
    low = {name: values.copy() for name, values in exact.low.items()}
    high = {name: values.copy() for name, values in exact.high.items()}
    for at in bounded.tolist():
        comparators = readings.details_of(live[at]).comparators or EXACT
        for name, comparator in zip(PRESSURES, comparators, strict=True):
            if comparator:
                below, above = _INFINITE[comparator]
                value = exact.low[name][at]
                low[name][at], high[name][at] = value + below, value + above
                if comparator == ">":
                    low[name][at] = np.nextafter(value, np.inf)
                elif comparator == "<":
                    high[name][at] = np.nextafter(value, -np.inf)
        # A mean that was computed from a bound says nothing.
        if np.isnan(readings.mean[live[at]]):
            low["mean"][at] = high["mean"][at] = np.nan
    return Measures(low, high)
