"""What a patient's blood pressure is between episodes: a level, a night, a slow wandering.

Arrays of shape ``(patients,)``; pressures are mmHg and times minutes of the patients' own clock,
whose 0 is a midnight.  A number that names no source is bpstream's own choice.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Level(NamedTuple):
    """How the daytime means of a group are distributed: normally, mean and SD."""

    systolic: tuple[float, float]
    diastolic: tuple[float, float]


HYPERTENSIVE_SHARE = 0.32
"""Of adults from 30 to 79, worldwide: NCD-RisC, Lancet 2021;398:957-980."""
_HYPERTENSIVE = Level(systolic=(142.0, 13.0), diastolic=(86.0, 9.0))
_OTHERS = Level(systolic=(120.0, 10.0), diastolic=(75.0, 7.5))
# Of the two pressures, between patients and within one.
_CORRELATION = 0.65

# Share by which systolic pressure is lower asleep than awake, mean and SD, and how much more
# diastolic pressure falls: 0.13 (SD 0.05) and 0.18, Hinderliter et al., J Am Soc Hypertens
# 2013;7:432-439.
_DIP = (0.13, 0.055)
_DIP_RANGE = (-0.08, 0.28)
_DIASTOLIC_DIP = 0.18 / 0.13

_WAKES_AT = (7.5, 0.8)  # the hour, mean and SD
_SLEEPS_FOR = 8.1  # hours
# Hours over which the pressure falls to its night, and over which it is back.
_FALLING_ASLEEP, _WAKING = 0.6, 0.3
_SURGE = 0.06  # of the daytime mean
_SURGE_AFTER, _SURGE_WIDTH = 1.0, 0.9  # hours: after waking, and SD
# Who dips less has no surge either.
_SURGE_FROM_DIP = 0.05

# An Ornstein-Uhlenbeck process: the SD of its systolic part, and how long it remembers.
_WANDERING = (9.0, 1.8)
_WANDERING_RANGE = (5.0, 16.0)
_DIASTOLIC_WANDERING = 0.68
_MEMORY_MINUTES, _MEMORY_SPREAD = 60.0, 0.4  # median and log-SD

# What passes for a pressure of a living adult, and the least pulse pressure: after the
# measuring ranges of IEC 80601-2-30.
SYSTOLIC_RANGE, DIASTOLIC_RANGE = (40.0, 300.0), (20.0, 200.0)
LEAST_PULSE_PRESSURE = 10.0


def plausible(systolic: Floats, diastolic: Floats) -> tuple[Floats, Floats]:
    """The nearest pressures that a living adult may have."""
    systolic = np.clip(systolic, *SYSTOLIC_RANGE)
    lowest, highest = DIASTOLIC_RANGE
    return systolic, np.clip(
        diastolic, lowest, np.minimum(systolic - LEAST_PULSE_PRESSURE, highest)
    )


class Physiology:
    """Patients with a level, a day and a wandering of their own."""

    def __init__(self, patients: int, random: np.random.Generator) -> None:
        self._random, self._patients = random, patients
        self.hypertensive = random.random(patients) < HYPERTENSIVE_SHARE
        # The daytime means.
        self.systolic, self.diastolic = (
            np.where(self.hypertensive, high[0] + each * high[1], other[0] + each * other[1])
            for each, high, other in zip(self._correlated(), _HYPERTENSIVE, _OTHERS, strict=True)
        )
        self.dip = np.clip(random.normal(*_DIP, patients), *_DIP_RANGE)
        self._wakes_at = random.normal(*_WAKES_AT, patients)
        self._wandering = np.clip(random.normal(*_WANDERING, patients), *_WANDERING_RANGE)
        self._memory = random.lognormal(np.log(_MEMORY_MINUTES), _MEMORY_SPREAD, patients)
        # Nothing is remembered of what was before the first reading.
        self._at: Floats = np.full(patients, -np.inf)
        self._strayed = np.zeros((2, patients))

    def pressures(self, minutes: ArrayLike) -> tuple[Floats, Floats]:
        """Systolic and diastolic pressure at `minutes`, one time or each patient's own.

        The wandering goes on from the times asked for last; for earlier ones it stands still.
        """
        self._wander(np.asarray(minutes, np.float64))
        night, surge = self.rhythm(np.asarray(minutes, np.float64) / 60)
        strayed = self._wandering * self._strayed
        return (
            self.systolic * (1 - self.dip * night + surge) + strayed[0],
            self.diastolic * (1 - _DIASTOLIC_DIP * self.dip * night + surge)
            + _DIASTOLIC_WANDERING * strayed[1],
        )

    def rhythm(self, hours: ArrayLike) -> tuple[Floats, Floats]:
        """How much it is night, 0..1, and the morning's surge, a share of the daytime mean."""
        # Hours from the middle of the sleep, -12..12: the seam lies in the afternoon.
        since = (np.asarray(hours) - self._wakes_at + _SLEEPS_FOR / 2 + 12) % 24 - 12
        asleep = _gradual((since + _SLEEPS_FOR / 2) / _FALLING_ASLEEP)
        night = asleep * _gradual((_SLEEPS_FOR / 2 - since) / _WAKING)
        after = (since - _SLEEPS_FOR / 2 - _SURGE_AFTER) / _SURGE_WIDTH
        surge = _SURGE * np.exp(-0.5 * after**2) * (self.dip > _SURGE_FROM_DIP)
        return night, surge

    def _correlated(self) -> Floats:
        """Two rows of standard normal numbers, shape ``(2, patients)``."""
        pair = self._random.standard_normal((2, self._patients))
        pair[1] = _CORRELATION * pair[0] + np.sqrt(1 - _CORRELATION**2) * pair[1]
        return pair

    def _wander(self, minutes: Floats) -> None:
        """The exact step of the process, however long it is."""
        remembered = np.exp(-np.maximum(minutes - self._at, 0) / self._memory)
        self._strayed *= remembered
        self._strayed += np.sqrt(1 - remembered**2) * self._correlated()
        self._at = np.maximum(minutes, self._at)


def _gradual(value: Floats) -> Floats:
    """The logistic function."""
    return 1 / (1 + np.exp(-value))
