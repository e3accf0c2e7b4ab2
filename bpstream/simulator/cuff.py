"""What a cuff tells of a pressure: with an error, now and then wrong, sometimes nothing.

Pressures are mmHg.  A number that names no source is bpstream's own choice.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bpstream.simulator.physiology import Floats, plausible


class Artefact(IntEnum):
    """What went wrong with a reading."""

    NONE = 0
    MOTION = 1
    SMALL_CUFF = 2
    PULSE_PRESSURE_COLLAPSE = 3
    SWAPPED = 4
    DROPOUT = 5
    """The cuff gave up: there is no reading."""


ARTEFACT_SHARES = {
    Artefact.MOTION: 0.006,
    Artefact.SMALL_CUFF: 0.004,
    Artefact.PULSE_PRESSURE_COLLAPSE: 0.002,
    Artefact.SWAPPED: 0.001,
    Artefact.DROPOUT: 0.001,
}

# SD of the error of a single reading; ISO 81060-2 lets a device pass with up to 8.
_SYSTOLIC_ERROR, _DIASTOLIC_ERROR = 5.0, 4.0
_MOTION, _DIASTOLIC_MOTION = 25.0, 0.6  # SD, and diastolic's share of it
# Within what single sources of error were found to add, up to 33 and 23: Kallioinen et al.,
# J Hypertens 2017;35:421-441.
_SMALL_CUFF_SYSTOLIC, _SMALL_CUFF_DIASTOLIC = (10.0, 25.0), (5.0, 15.0)
_COLLAPSED_PULSE_PRESSURE = (2.0, 7.0)
# What the display shows at all.
_SYSTOLIC_SHOWN, _DIASTOLIC_SHOWN = (30.0, 300.0), (10.0, 250.0)

_UP_TO = np.cumsum(list(ARTEFACT_SHARES.values()))
_KINDS = np.array([*ARTEFACT_SHARES, Artefact.NONE], np.int8)


def measure(
    systolic: Floats, diastolic: Floats, random: np.random.Generator
) -> tuple[Floats, Floats, NDArray[np.int8]]:
    """One reading of each pair of true pressures, in whole mmHg, and its :class:`Artefact`.

    Shape ``(n,)``; a dropout's pressures are NaN.  Without an artefact the reading is one a
    living adult may have.
    """
    n = len(systolic)
    error = random.standard_normal((3, n))
    upon = random.random((4, n))
    artefact = _KINDS[np.searchsorted(_UP_TO, upon[0], side="right")]
    shown, low = plausible(
        systolic + _SYSTOLIC_ERROR * error[0], diastolic + _DIASTOLIC_ERROR * error[1]
    )
    rows = artefact == Artefact.MOTION
    jolt = _MOTION * error[2, rows]
    shown[rows] += jolt
    low[rows] += _DIASTOLIC_MOTION * jolt
    rows = artefact == Artefact.SMALL_CUFF
    shown[rows] += _within(_SMALL_CUFF_SYSTOLIC, upon[1, rows])
    low[rows] += _within(_SMALL_CUFF_DIASTOLIC, upon[2, rows])
    rows = artefact == Artefact.PULSE_PRESSURE_COLLAPSE
    low[rows] = shown[rows] - _within(_COLLAPSED_PULSE_PRESSURE, upon[3, rows])
    rows = artefact == Artefact.SWAPPED
    shown[rows], low[rows] = low[rows], shown[rows]
    shown, low = np.clip(shown, *_SYSTOLIC_SHOWN), np.clip(low, *_DIASTOLIC_SHOWN)
    rows = artefact == Artefact.DROPOUT
    shown[rows] = low[rows] = np.nan
    return np.rint(shown), np.rint(low), artefact


def _within(bounds: tuple[float, float], upon: Floats) -> Floats:
    """The value that lies at `upon`, 0..1, between the bounds."""
    return bounds[0] + (bounds[1] - bounds[0]) * upon
