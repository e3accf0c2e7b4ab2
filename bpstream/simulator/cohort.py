"""Patients who are measured over and over: their true pressures, and what the cuff tells."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bpstream.simulator.cuff import Artefact, measure
from bpstream.simulator.episodes import Episodes
from bpstream.simulator.physiology import Floats, Physiology, plausible


class Truth(NamedTuple):
    """What is known of readings because they were made: columns of shape ``(n,)``."""

    patient: NDArray[np.int32]
    """0 is PAT-001."""
    minutes: Floats
    """Of the patients' own clock."""
    episode: NDArray[np.int8]
    """An :class:`Episode`."""
    episode_start: Floats
    """Minutes; NaN where there is no episode."""
    artefact: NDArray[np.int8]
    """An :class:`Artefact`."""
    systolic: Floats
    """The true pressure, mmHg, without the cuff's error."""
    diastolic: Floats

    def take(self, rows: NDArray[np.intp]) -> "Truth":
        """The `rows`, as a copy."""
        columns: list[Any] = [column[rows] for column in self]
        return Truth(*columns)


class Measured(NamedTuple):
    """Readings, and the truth of each; columns of shape ``(n,)``."""

    systolic: Floats
    """mmHg, whole numbers, as the cuff tells them."""
    diastolic: Floats
    truth: Truth

    @property
    def patient(self) -> NDArray[np.int32]:
        """0 is PAT-001."""
        return self.truth.patient

    @property
    def minutes(self) -> Floats:
        """Of the patients' own clock."""
        return self.truth.minutes

    def take(self, rows: NDArray[np.intp]) -> "Measured":
        """The `rows`, as a copy."""
        return Measured(self.systolic[rows], self.diastolic[rows], self.truth.take(rows))


class Cohort:
    """Patients with courses of their own.  The same `seed` makes the same of the same times."""

    def __init__(self, patients: int, seed: int | None) -> None:
        # numpy takes no seed below 0; as with Python's own, -7 is 7.
        entropy = np.random.SeedSequence(None if seed is None else abs(seed))
        # What happens to one of them leaves the others' random numbers alone.
        course, episodes, cuff = (np.random.default_rng(each) for each in entropy.spawn(3))
        self.physiology = Physiology(patients, course)
        self._episodes = Episodes(patients, episodes)
        self._cuff = cuff
        self._patients = np.arange(patients, dtype=np.int32)

    def measure(self, minutes: ArrayLike) -> Measured:
        """A reading of every patient at `minutes`, one time or each patient's own.

        A dropout leaves none: there are fewer readings than patients now and then.
        """
        at = np.broadcast_to(np.asarray(minutes, np.float64), self._patients.shape)
        episode, start, change = self._episodes.at(at)
        systolic, diastolic = self.physiology.pressures(at)
        systolic, diastolic = plausible(systolic + change[0], diastolic + change[1])
        shown, low, artefact = measure(systolic, diastolic, self._cuff)
        truth = Truth(self._patients, at, episode, start, artefact, systolic, diastolic)
        return Measured(shown, low, truth).take(np.flatnonzero(artefact != Artefact.DROPOUT))
