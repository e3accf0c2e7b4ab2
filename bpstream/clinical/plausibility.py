"""Which readings a patient's baseline, and a model, may learn from.

Wider than health and narrower than what is accepted (`fhir.quantity`): outside it lie
artefacts such as a flushed line, a loose cuff or swapped pressures.
"""

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.categories import pulse_pressure

# mmHg, both ends included: bpstream's own choice, wider than what IEC 80601-2-30 asks an
# automated cuff to measure, because shocked patients and arterial lines go beyond that.
_SYSTOLIC_RANGE = (40.0, 300.0)
_DIASTOLIC_RANGE = (20.0, 200.0)
# bpstream's own choice: below it the two pressures are hardly told apart by a cuff.
_LEAST_PULSE_PRESSURE = 10.0


def plausible(systolic: NDArray[np.float64], diastolic: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each reading may be learned from.

    The arrays have shape ``(n,)`` and are mmHg.  A reading that lacks a pressure (NaN) may not.

    >>> plausible(np.array([120.0, 85.0, np.nan]), np.array([80.0, 80.0, 80.0]))
    array([ True, False, False])
    """
    return (
        _within(systolic, _SYSTOLIC_RANGE)
        & _within(diastolic, _DIASTOLIC_RANGE)
        & (pulse_pressure(systolic, diastolic) >= _LEAST_PULSE_PRESSURE)
    )


def _within(pressure: NDArray[np.float64], bounds: tuple[float, float]) -> NDArray[np.bool_]:
    return (pressure >= bounds[0]) & (pressure <= bounds[1])
