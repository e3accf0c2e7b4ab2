"""Histories: what a step of readings adds to them, and what a model sees then."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical import history
from bpstream.clinical.features import features
from bpstream.clinical.history import ARTERIAL, CUFF, Floats
from bpstream.clinical.models.early_warning import Seen
from bpstream.clinical.plausibility import plausible
from bpstream.clinical.usual import deviation
from bpstream.patients import LONG_AGO, Patients
from bpstream.reading import NOT_USUAL, Kind, Readings, Series
from bpstream.sequences import Sequence, usual, windows


class Ahead(NamedTuple):
    """Readings that are the newest of their series: what comes next is not known yet."""

    at: NDArray[np.intp]
    """Their positions among the readings, ascending."""
    seen: Seen
    deviation: Floats
    """Of the systolic or the mean pressure, whichever is farther, from what was usual before, in
    the patient's standard deviations; NaN where too little came before."""


def absorb(patients: Patients, rows: NDArray[np.intp], readings: Readings) -> Ahead:
    """Add the readings to their patients' histories; `rows` says where each one's stands.

    A pressure counts as the row keeps it, in single precision: it can be taken out again.
    """
    systolic, diastolic = _as_kept(readings.systolic), _as_kept(readings.diastolic)
    spot = (readings.kind == Kind.READING) & (readings.flags & NOT_USUAL == 0)
    at = np.flatnonzero(spot & plausible(systolic, diastolic))
    systolic, diastolic = systolic[at], diastolic[at]
    series = np.where(readings.series[at] == Series.ARTERIAL, ARTERIAL, CUFF)
    told = Sequence(rows[at], series, readings.taken_at[at], systolic, diastolic)
    sums, is_newest = _absorbed(patients, told)
    if is_newest.all():
        found = features(sums, systolic, diastolic)
        seen = Seen(found, lambda: windows(patients.rows, told))
        return Ahead(at, seen, deviation(found, sums))
    newest = np.flatnonzero(is_newest)
    sums = sums[:, newest]
    found = features(sums, systolic[newest], diastolic[newest])
    seen = Seen(found, lambda: windows(patients.rows, told)[newest])
    return Ahead(at[newest], seen, deviation(found, sums))


def _absorbed(patients: Patients, told: Sequence) -> tuple[Floats, NDArray[np.bool_]]:
    """What `history.absorb` tells of each reading, of whatever series."""
    if not told.series.any():  # All are of a cuff.
        return _added(patients, CUFF, told)
    n = len(told.rows)
    sums, is_newest = np.empty((len(history.SUMS), n)), np.empty(n, np.bool_)
    for series in (CUFF, ARTERIAL):
        at = told.series == series
        sums[:, at], is_newest[at] = _added(patients, series, told.of(series))
    return sums, is_newest


def _added(patients: Patients, series: int, told: Sequence) -> tuple[Floats, NDArray[np.bool_]]:
    rows, _, taken_at, systolic, diastolic = told
    return history.absorb(patients.histories[series], rows, taken_at, systolic, diastolic)


def withdraw(patients: Patients, position: int, slot: int) -> None:
    """Take the reading that stands at `slot` of `recent` out of its patient's history."""
    row = patients.rows[position]
    gone = _usual(row["recent"][[slot]])
    if not len(gone.rows):
        return
    (series,), (taken_at,), (systolic,), (diastolic,) = gone[1:]
    held = patients.histories[series][position : position + 1]
    history.withdraw(held[0], taken_at, systolic, diastolic)
    if taken_at == held["at"][0]:
        others = _usual(np.delete(row["recent"], slot))
        _begin_again(held, others.of(series))


def _begin_again(held: NDArray[np.void], left: Sequence) -> None:
    """The newest reading of a series is gone: the newest of those that the row holds now is."""
    newest = int(left.taken_at.max(initial=LONG_AGO))
    if 0 <= int(held["at"][0]) - newest <= _MOST_BACK:
        history.refer(held[0], newest)
        return
    # Of what came so long before it the sums hold too few digits, or nothing came before it.
    held["at"], held["sums"] = 0, 0.0
    history.absorb(held, left.rows, left.taken_at, left.systolic, left.diastolic)


def ahead_of_last(patients: Patients, position: int) -> Seen | None:
    """What a model sees of a patient now; None where the last reading tells nothing usual."""
    last = _usual(patients.rows["last"][[position]])
    if not len(last.rows):
        return None
    held = patients.histories[last.series[0]][[position]]
    if held["at"] != last.taken_at:
        return None
    # Only a linear or an additive model has reasons, and none of those looks at windows.
    return Seen(features(held["sums"].T, last.systolic, last.diastolic))


_MOST_BACK = 5 * 3_600_000_000
"""µs: as far back sums are referred, by five of their fast horizons."""


def _usual(held: NDArray[np.void]) -> Sequence:
    """Those of one patient's readings that tell what is usual."""
    return usual(held, np.zeros(len(held), np.intp))


def _as_kept(pressure: NDArray[np.float64]) -> NDArray[np.float64]:
    return pressure.astype(np.float32).astype(np.float64)
