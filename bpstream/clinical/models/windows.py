"""Windows: the last readings of a patient before each reading, for models that read a sequence.

What a worker takes from a patient's memory, for a whole data set at once.
"""

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.history import Floats
from bpstream.clinical.models.early_warning import WINDOW

SYSTOLIC, DIASTOLIC, HOURS = range(3)
"""What stands where in the last axis of a window."""


def windows_of(
    patient: NDArray[np.int64],
    source: NDArray[np.str_],
    t_minutes: Floats,
    systolic: Floats,
    diastolic: Floats,
) -> Floats:
    """The window of each reading: shape ``(n, WINDOW, 3)``, as `early_warning.Seen` has it.

    The columns have shape ``(n,)`` and are sorted by patient, source and time; the readings of
    one patient and source are one series.  Pressures are mmHg.  The hours since the reading
    before are NaN, too, for the first of a series; before that all three are NaN.
    """
    n = len(patient)
    begins = np.ones(n, np.bool_)
    begins[1:] = (patient[1:] != patient[:-1]) | (source[1:] != source[:-1])
    readings = np.empty((n, 3))
    readings[:, SYSTOLIC], readings[:, DIASTOLIC] = systolic, diastolic
    readings[:, HOURS] = np.diff(t_minutes, prepend=np.nan) / 60
    readings[begins, HOURS] = np.nan
    places = np.arange(n)[:, None] + np.arange(1 - WINDOW, 1)
    first = np.maximum.accumulate(np.where(begins, np.arange(n), 0))
    held = readings[np.maximum(places, 0)]
    return np.where((places < first[:, None])[:, :, None], np.nan, held)
