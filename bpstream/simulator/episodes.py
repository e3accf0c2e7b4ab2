"""Episodes: when a patient's pressure leaves its usual course, for hours or for days.

Times are minutes of the patients' own clock, pressures mmHg.  Every number is bpstream's own
choice: there are to be enough episodes to learn from and to be measured by.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bpstream.simulator.physiology import Floats


class Episode(IntEnum):
    """What kind of an episode a patient is in."""

    NONE = 0
    HYPERTENSIVE_CRISIS = 1
    HYPOTENSION = 2
    DRIFT_UP = 3
    DRIFT_DOWN = 4


class Course(NamedTuple):
    """How an episode goes: systolic pressure ramps to its change, stays, and ramps back."""

    share: float
    """Of all episodes."""
    median_minutes: float
    spread: float
    """Log-SD of the duration."""
    change: tuple[float, float]
    """Of systolic pressure: each value of the range is as likely as another."""
    diastolic: float
    """Diastolic pressure changes by so much of it."""
    ramp: tuple[float, float]
    """Minutes to the change and back; or, where `gradual`, shares of the duration."""
    gradual: bool = False


COURSES = {
    Episode.HYPERTENSIVE_CRISIS: Course(0.25, 180, 0.7, (45, 80), 0.5, (12, 12)),
    Episode.HYPOTENSION: Course(0.40, 120, 0.8, (-50, -30), 0.62, (12, 12)),
    Episode.DRIFT_UP: Course(0.20, 2880, 0.5, (18, 35), 0.5, (0.7, 0.1), gradual=True),
    Episode.DRIFT_DOWN: Course(0.15, 2880, 0.5, (-28, -15), 0.62, (0.7, 0.1), gradual=True),
}

BETWEEN_MINUTES = 4 * 24 * 60.0
"""Mean time from one episode of a patient to the next; its distribution has no memory."""

# So long before the first reading the episodes begin, and after a gap as long they begin anew:
# some patients are in one at once, as often as later.
_SETTLED_AFTER = 60 * 24 * 60.0

# The columns of COURSES, by kind - 1.
_SHARE, _MEDIAN, _SPREAD = (
    np.array([course[column] for course in COURSES.values()], np.float64) for column in range(3)
)
_LEAST, _MOST = np.array([course.change for course in COURSES.values()]).T
_DIASTOLIC = np.array([course.diastolic for course in COURSES.values()])
_RAMPS = np.array([course.ramp for course in COURSES.values()]).T
_GRADUAL = np.array([course.gradual for course in COURSES.values()])


class Episodes:
    """Each patient's present episode, or the next one."""

    def __init__(self, patients: int, random: np.random.Generator) -> None:
        self._random = random
        self._kind = np.zeros(patients, np.int8)
        self._start, self._end = np.full(patients, -np.inf), np.full(patients, -np.inf)
        # Systolic and diastolic; to the change and back.
        self._change, self._ramps = np.zeros((2, patients)), np.ones((2, patients))

    def at(self, minutes: ArrayLike) -> tuple[NDArray[np.int8], Floats, Floats]:
        """What each patient is in at `minutes`, since when, and how it changes the pressures.

        `minutes` is one time or each patient's own, and not before those asked for last.  The
        first two have shape ``(patients,)``: an :class:`Episode`, and NaN where there is none.
        The last is systolic and diastolic, shape ``(2, patients)``.
        """
        now = np.asarray(minutes, np.float64)
        self._end = np.maximum(self._end, now - _SETTLED_AFTER)
        while len(over := np.flatnonzero(self._end <= now)):
            self._draw(over)
        begun = self._start <= now
        ramps = (now - self._start) / self._ramps[0], (self._end - now) / self._ramps[1]
        change = self._change * np.clip(np.minimum(*ramps), 0, 1)
        return (
            np.where(begun, self._kind, np.int8(Episode.NONE)),
            np.where(begun, self._start, np.nan),
            change,
        )

    def _draw(self, patients: NDArray[np.intp]) -> None:
        """The next episode of each of the `patients`, from the end of its last."""
        random, n = self._random, len(patients)
        row = np.searchsorted(np.cumsum(_SHARE), random.random(n), side="right")
        row = np.minimum(row, len(_SHARE) - 1)  # the shares' sum may be a hair below 1
        start = self._end[patients] + random.exponential(BETWEEN_MINUTES, n)
        lasts = random.lognormal(np.log(_MEDIAN[row]), _SPREAD[row])
        systolic = random.uniform(_LEAST[row], _MOST[row])
        self._kind[patients] = row + 1
        self._start[patients], self._end[patients] = start, start + lasts
        self._change[:, patients] = systolic, systolic * _DIASTOLIC[row]
        self._ramps[:, patients] = _RAMPS[:, row] * np.where(_GRADUAL[row], lasts, 1)
