"""How a detector does on simulated patients: what it finds, how late, and its false alarms.

A detector is one boolean a reading.  Times are minutes, columns have shape ``(n,)``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical import rules
from bpstream.simulator import Episode, Truth

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

REFRACTORY_MINUTES = 120.0
"""A flag that comes back within this time of the last is the same alert."""

LEAST_READINGS = 3
"""An episode that was measured less often is not scored: it was hardly to be found."""

_MINUTES_A_DAY = 24 * 60

# Severe at once: 180/120 is the crisis of the 2017 ACC/AHA guideline (Whelton et al., Hypertension
# 2018;71:e13-e115), here with the bound; 90 is the rules' own.
_SEVERE_SYSTOLIC, _SEVERE_DIASTOLIC = 180.0, 120.0


class Detection(NamedTuple):
    """How a detector does on the episodes of one kind."""

    episodes: int
    """That were scored."""
    detected: float
    """Share of them with a flagged reading; NaN where there are none."""
    median_delay: float
    """Minutes from an episode's true start to its first flagged reading; NaN: none has one."""
    p90_delay: float
    """Nine in ten of the detected are flagged by then."""


class Score(NamedTuple):
    """How a detector does: it is good at nothing that is bought with false alarms."""

    false_alarms: int
    patient_days: float
    """Outside episodes: the time up to each such reading from the patient's last."""
    by_kind: dict[Episode, Detection]

    @property
    def false_alarms_per_patient_day(self) -> float:
        """NaN where no time outside episodes was watched."""
        return self.false_alarms / self.patient_days if self.patient_days else np.nan


def any_rule(systolic: Floats, diastolic: Floats) -> Flags:
    """The stream's own rules: a reading that has any tag."""
    return rules.tag(systolic, diastolic) > 0


def severe_rule(systolic: Floats, diastolic: Floats) -> Flags:
    """What is not to wait for a second reading: systolic < 90 or >= 180, or diastolic >= 120."""
    low = systolic < rules.HYPOTENSION_SYSTOLIC_BELOW
    return low | (systolic >= _SEVERE_SYSTOLIC) | (diastolic >= _SEVERE_DIASTOLIC)


def at_threshold(probability: Floats, threshold: float) -> Flags:
    """A model's answer as a detector; NaN, no answer, is no flag."""
    return probability >= threshold


def either(*detectors: Flags) -> Flags:
    """What any of the `detectors` flags."""
    found: Flags = np.any(detectors, axis=0)
    return found


def score(
    flags: Flags,
    truth: Truth,
    *,
    warm_up: float = 0.0,
    refractory: float = REFRACTORY_MINUTES,
    least_readings: int = LEAST_READINGS,
) -> Score:
    """Hold a detector's `flags` against the `truth` of the same readings, in any order.

    An alert is a reading that is flagged while the patient's one before is not, and none within
    `refractory` minutes is.  Outside an episode it is a false alarm, artefacts included.

    An episode counts as detected if any reading in it is flagged, so that a detector which is
    always on detects all.  It is scored if `least_readings` of it were measured, and if its start
    was watched: the first `warm_up` minutes from each patient's first reading are left out, as a
    detector that learns a patient has no answer then.  Raises :class:`ValueError` where there is
    not one flag a reading.
    """
    if flags.shape != truth.minutes.shape:
        raise ValueError(f"{flags.shape} flags for {truth.minutes.shape} readings")
    order = np.lexsort((truth.minutes, truth.patient))
    flags, truth = flags[order], truth.take(order)
    row = np.arange(len(flags))
    first = np.diff(truth.patient, prepend=-1) != 0
    began = np.maximum.accumulate(np.where(first, row, 0))
    watched_from = truth.minutes[began] + warm_up
    outside = (truth.minutes >= watched_from) & (truth.episode == Episode.NONE)
    gaps = np.where(first, 0, np.diff(truth.minutes, prepend=0))
    return Score(
        int((_alerts(flags, truth.minutes, began, refractory) & outside).sum()),
        float(gaps[outside].sum()) / _MINUTES_A_DAY,
        _detections(flags, truth, first, truth.episode_start >= watched_from, least_readings),
    )


def _alerts(flags: Flags, minutes: Floats, began: NDArray[np.intp], refractory: float) -> Flags:
    """Where an alert begins; `began` is the row of the patient's first reading."""
    row = np.arange(len(flags))
    # The last flagged row before each, which may be another patient's; -1: none.
    last = np.concatenate([[-1], np.maximum.accumulate(np.where(flags, row, -1))])[:-1]
    again: Flags = (last < row - 1) & (minutes - minutes[last] > refractory)
    return flags & ((last < began) | again)


def _detections(
    flags: Flags, truth: Truth, first: Flags, scored: Flags, least_readings: int
) -> dict[Episode, Detection]:
    """By kind; `first` is a patient's first reading, `scored` where the start was watched."""
    new = scored & (first | (np.diff(truth.episode_start, prepend=np.nan) != 0))
    rows = np.flatnonzero(scored)
    number = np.cumsum(new)[rows] - 1
    kind, start = truth.episode[new], truth.episode_start[new]
    readings = np.bincount(number, minlength=len(kind))
    found = np.full(len(kind), np.inf)
    hits = flags[rows]
    np.minimum.at(found, number[hits], truth.minutes[rows[hits]])
    found[readings < least_readings] = np.nan
    return {
        each: _detection(found[kind == each] - start[kind == each])
        for each in Episode
        if each != Episode.NONE
    }


def _detection(delays: Floats) -> Detection:
    """Of the delays of a kind's episodes: NaN where one is not scored, inf where it was missed."""
    delays = delays[~np.isnan(delays)]
    detected = delays[np.isfinite(delays)]
    if not len(detected):
        return Detection(len(delays), 0.0 if len(delays) else np.nan, np.nan, np.nan)
    median, late = np.quantile(detected, [0.5, 0.9])
    return Detection(len(delays), len(detected) / len(delays), float(median), float(late))
