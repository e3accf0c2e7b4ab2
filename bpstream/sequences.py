"""Sequences: the last readings of patients, from their rows and a step, for recurrent models.

A reading that came out of order is left out, in the row and in the step alike, so that how
readings were cut into chunks makes no difference; but of a patient's inputs the row holds the
last `patients.RECENT`, and where most of those were late or aggregates, a sequence is shorter.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.history import ARTERIAL, CUFF, SERIES, Floats
from bpstream.clinical.models.windows import windows_of
from bpstream.clinical.order import by_patient
from bpstream.clinical.plausibility import plausible
from bpstream.patients import AGGREGATE, RECENT, RETRACTED
from bpstream.reading import NOT_USUAL, Flag

_MINUTE = 60_000_000  # µs


class Sequence(NamedTuple):
    """Readings of several patients, each column of shape ``(n,)``, in order of arrival."""

    rows: NDArray[np.intp]
    series: NDArray[np.intp]
    taken_at: NDArray[np.int64]
    """µs since 1970 UTC."""
    systolic: Floats
    """mmHg, and so is diastolic."""
    diastolic: Floats

    def of(self, series: int) -> "Sequence":
        """Those of one series alone."""
        return Sequence(*(column[self.series == series] for column in self))


def windows(state: NDArray[np.void], readings: Sequence) -> Floats:
    """The window of each reading, as `early_warning.Seen` has it: shape ``(n, WINDOW, 3)``.

    `state` is a view of all rows (`patients.ROW`), which do not hold the readings yet.  What
    stands for a reading that came out of order is of no meaning.
    """
    both = [
        np.concatenate(columns)
        for columns in zip(_held(state, np.unique(readings.rows)), readings, strict=True)
    ]
    n, held = len(readings.rows), len(both[0]) - len(readings.rows)
    rows, series, taken_at, systolic, diastolic = both
    key = rows * SERIES + series
    order = by_patient(key)
    order = order[_in_order(key[order], taken_at[order])]
    minutes = (taken_at[order] - taken_at.min(initial=0)) / _MINUTE
    no_source = np.zeros(len(order), "U1")
    found = windows_of(key[order], no_source, minutes, systolic[order], diastolic[order])
    asked = np.flatnonzero(order >= held)
    of_readings = np.full((n, *found.shape[1:]), np.nan)
    of_readings[order[asked] - held] = found[asked]
    return of_readings


def _held(state: NDArray[np.void], patients: NDArray[np.intp]) -> Sequence:
    """What the rows of `patients` hold of readings that tell what is usual."""
    recent = state["recent"][patients]
    arrival = (state["next"][patients].astype(np.intp)[:, None] + np.arange(RECENT)) % RECENT
    recent = np.take_along_axis(recent, arrival, axis=1).ravel()
    return usual(recent, np.repeat(patients, RECENT))


def usual(recent: NDArray[np.void], rows: NDArray[np.intp]) -> Sequence:
    """Readings as rows hold them (`patients.READING`), but for those that tell nothing usual.

    Left out is what is no plausible spot reading.  `rows` has the shape of `recent`.
    """
    systolic, diastolic = (recent[name].astype(np.float64) for name in ("systolic", "diastolic"))
    counts = (
        (recent["identity"] != 0)
        & (recent["tags"] & (AGGREGATE | RETRACTED) == 0)
        & (recent["flags"] & NOT_USUAL == 0)
        & plausible(systolic, diastolic)
    )
    return Sequence(
        rows[counts],
        np.where(recent["flags"] & np.uint16(Flag.INVASIVE) > 0, ARTERIAL, CUFF)[counts],
        recent["taken_at"][counts],
        systolic[counts],
        diastolic[counts],
    )


def _in_order(key: NDArray[np.intp], taken_at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which readings are no older than those before them of the same key; keys ascend."""
    times, rank = np.unique(taken_at, return_inverse=True)
    raised = rank + key * len(times)
    in_order: NDArray[np.bool_] = raised == np.maximum.accumulate(raised)
    return in_order
