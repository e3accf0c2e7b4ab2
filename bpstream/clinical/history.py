"""History: what is usual for a patient, in sums that forget.

Every reading is added with weight 1, and its weight falls by e in each of two horizons, a slow
and a fast one.  So the sums take constant memory, commute (the order of arrival makes no
difference), merge, and a reading that is withdrawn can be subtracted again.

The decayed mean and variance are those of an exponentially weighted window (Finch, Incremental
calculation of weighted mean and variance, University of Cambridge, 2009); the moments of time
beside them make a weighted least-squares slope.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS, states
from bpstream.clinical.order import by_patient
from bpstream.clinical.structures import whole

Floats = NDArray[np.float64]

SLOW_HOURS, FAST_HOURS = 12.0, 1.0
"""The horizons: after so long a reading weighs 1/e."""

SYSTOLIC_ANCHOR, DIASTOLIC_ANCHOR = 120.0, 80.0
"""mmHg.  Pressures are summed from here, so that squares lose no digits."""

SUMS = (
    # Slow: the weights w, and of x (systolic) and y (diastolic, both from their anchors) ...
    "w", "x", "y", "xx", "yy", "xy",
    # ... the moments of t, the hours from now (negative), which make slopes.
    "t", "tt", "tx", "ty",
    # Slow: the weight of readings that were in a state that a warning is about.
    "hypotension", "low_map", "severe",
    # Fast.
    "fast_w", "fast_x", "fast_y", "fast_xx",
)  # fmt: skip
_AT = {name: position for position, name in enumerate(SUMS)}
_W, _X, _Y, _T, _TT, _TX, _TY = (_AT[name] for name in ("w", "x", "y", "t", "tt", "tx", "ty"))
_SLOW, _FAST = slice(0, _AT["fast_w"]), slice(_AT["fast_w"], len(SUMS))

HISTORY = np.dtype(
    [
        ("at", "<i8"),  # what the sums refer to: the newest reading's time, µs since 1970 UTC
        ("sums", "<f8", (len(SUMS),)),
    ]
)
"""One series of one patient.  All zeros: no reading yet."""

SERIES = 2
"""A patient has a history of cuff readings, with which those of an unknown kind go, and one of
arterial readings: a cuff reads low pressures higher (Lehman et al., Crit Care Med 2013;41:34)."""
CUFF, ARTERIAL = range(SERIES)

_HOUR = 3_600_000_000  # µs
# What is left of a weight when all that was added has been subtracted again.
_NOTHING = 1e-9


def absorb(
    held: NDArray[np.void],
    rows: NDArray[np.intp],
    taken_at: NDArray[np.int64],
    systolic: Floats,
    diastolic: Floats,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Add readings of one series to `held`, and tell the sums as each reading left them.

    `held` has shape ``(patients,)`` of HISTORY; `rows` says where in it each reading goes.  They
    and the pressures (mmHg, plausible) have shape ``(n,)``, in order of arrival; `taken_at` is in
    µs since 1970 UTC.

    Returns the sums, shape ``(len(SUMS), n)``, referred to the newest reading of the series so
    far, and whether the reading was that newest one.  How readings are cut into calls makes no
    difference but for rounding.
    """
    n = len(rows)
    order = by_patient(rows)
    at, firsts, nth = taken_at[order], *_runs(rows[order])
    owner = rows[order[firsts]]
    before = whole(held)[owner].view(HISTORY)
    has = before["sums"][:, _W] > 0

    # The newest reading so far of the series; as a rule that is the reading itself.
    newest = at.copy()
    newest[firsts[has]] = np.maximum(at[firsts[has]], before["at"][has])
    if (n > 1 and ((np.diff(at) < 0) & (nth[1:] > 0)).any()) or (newest > at).any():
        for later, earlier in _steps(nth):
            newest[later] = np.maximum(newest[later], newest[earlier])

    sums = _of_readings(systolic[order], diastolic[order])
    behind = newest - at
    if behind.any():
        # Weighed where the reading stands, before its newest.
        sums = _older(sums, behind)
    if has.any():
        into = firsts[has]
        sums[:, into] += _older(before["sums"][has].T, newest[into] - before["at"][has])
    # An inclusive scan by doubling (Hillis and Steele, Commun ACM 1986;29:1170): nothing is ever
    # divided by a weight, so a span of many horizons neither overflows nor cancels.
    for later, earlier in _steps(nth):
        sums[:, later] += _older(sums[:, earlier], newest[later] - newest[earlier])

    lasts = np.append(firsts[1:], n) - 1 if n else firsts
    held["at"][owner], held["sums"][owner] = newest[lasts], sums[:, lasts].T
    left, is_newest = np.empty_like(sums), np.empty(n, np.bool_)
    left[:, order], is_newest[order] = sums, behind == 0
    return left, is_newest


def withdraw(history: np.void, taken_at: int, systolic: float, diastolic: float) -> None:
    """Subtract a reading that `absorb` added; `history` is one of HISTORY."""
    if taken_at > history["at"]:  # It was of a history that was forgotten, and began anew.
        return
    reading = _of_readings(np.array([systolic]), np.array([diastolic]))
    sums = history["sums"] - _older(reading, np.array([history["at"] - taken_at]))[:, 0]
    history["sums"] = sums if sums[_W] > _NOTHING else 0.0


def refer(history: np.void, at: int) -> None:
    """Refer the sums to `at` (µs since 1970 UTC), when there is no newer reading any more.

    What is left of the digits falls by e with every horizon that this goes back.
    """
    sums = history["sums"][:, None]
    history["sums"] = _older(sums, np.array([at - int(history["at"])]))[:, 0]
    history["at"] = at


def merged(one: NDArray[np.void], other: NDArray[np.void]) -> NDArray[np.void]:
    """The histories of readings that are in either; both and the result have shape ``(n,)``."""
    both = np.zeros_like(one)
    both["at"] = np.where(
        other["sums"][:, _W] == 0,
        one["at"],
        np.where(one["sums"][:, _W] == 0, other["at"], np.maximum(one["at"], other["at"])),
    )
    for each in (one, other):
        has = each["sums"][:, _W] > 0
        both["sums"][has] += _older(each["sums"][has].T, both["at"][has] - each["at"][has]).T
    return both


def is_begun(
    held: NDArray[np.void], at: NDArray[np.intp] | slice = slice(None)
) -> NDArray[np.bool_]:
    """Which of the histories (HISTORY) at these positions have had a reading."""
    begun: NDArray[np.bool_] = (held["at"][at] != 0) | (held["sums"][at, _W] != 0)
    return begun


def _of_readings(systolic: Floats, diastolic: Floats) -> Floats:
    """The sums of single readings, each referred to its own time; shape ``(len(SUMS), n)``."""
    x, y = systolic - SYSTOLIC_ANCHOR, diastolic - DIASTOLIC_ANCHOR
    now = states(systolic, diastolic)
    sums = np.zeros((len(SUMS), len(x)))
    ones = np.ones(len(x))
    columns: dict[str, NDArray[Any]] = {
        "w": ones,
        "x": x,
        "y": y,
        "xx": x * x,
        "yy": y * y,
        "xy": x * y,
        **{name: now[name] for name in TARGETS},
        "fast_w": ones,
        "fast_x": x,
        "fast_y": y,
        "fast_xx": x * x,
    }
    for name, column in columns.items():
        sums[_AT[name]] = column
    return sums


def _older(sums: Floats, by: NDArray[np.int64]) -> Floats:
    """The sums (shape ``(len(SUMS), n)``) referred to `by` µs later."""
    hours = by / _HOUR
    aged = np.empty_like(sums)
    np.multiply(sums[_SLOW], np.exp(hours / -SLOW_HOURS), out=aged[_SLOW])
    np.multiply(sums[_FAST], np.exp(hours / -FAST_HOURS), out=aged[_FAST])
    # Every t is less by `hours`: the sum of w t falls by hours * w, and so on.
    w, t = aged[_W], aged[_T].copy()
    aged[_TT] += hours * (hours * w - 2 * t)
    aged[_T] -= hours * w
    aged[_TX] -= hours * aged[_X]
    aged[_TY] -= hours * aged[_Y]
    return aged


def _runs(key: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where runs of equal keys begin, and each place's position in its run."""
    n = len(key)
    starts = np.ones(n, np.bool_)
    np.not_equal(key[1:], key[:-1], out=starts[1:])
    firsts = np.flatnonzero(starts)
    return firsts, np.arange(n) - np.repeat(firsts, np.diff(np.append(firsts, n)))


def _steps(nth: NDArray[np.intp]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Of each doubling, the places that have one so far before them in their run, and those."""
    steps, distance, later = [], 1, np.flatnonzero(nth >= 1)
    while len(later):
        steps.append((later, later - distance))
        distance *= 2
        later = later[nth[later] >= distance]
    return steps
