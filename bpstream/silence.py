"""Silence: alerts about patients from whom nothing has come for long.

No reading tells of it, so a clock does: the owner of a partition looks at its patients now and
then.  What fires stands in the patient's slots like any alert, under an id that comes from the
last reading: a restart or another owner goes on with it, and the next reading ends it.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bpstream.alarms import NOT_LIVE, Alarms
from bpstream.alert import Alert
from bpstream.batch import MOST_ROWS, Partition, Step
from bpstream.clinical.alarm_rules import Rule, Scope
from bpstream.clinical.alarms import State
from bpstream.clinical.conditions import MEASURES, Bools, Floats, Measures, Positions
from bpstream.clinical.verdicts import Verdicts
from bpstream.patients import AGGREGATE, COUNTERS, LONG_AGO, RETRACTED

LEAST_READINGS = 4
"""A patient with fewer has no usual gap: nobody can tell that a reading is missing."""

_MINUTE, _SECOND = 60_000_000, 1_000_000  # µs
_LEAST_GAP = float(_SECOND)
_NO_READING = np.iinfo(np.int64).max


class Silence:
    """Judges the silence of a partition's patients by the rules about it."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        rules = [(at, rule) for at, rule in enumerate(alarms.rules) if rule.scope is Scope.SILENCE]
        self._rules = [(at, rule, Verdicts([replace(rule, until=None)])) for at, rule in rules]

    def steps(self, partition: Partition, *, now: int) -> Iterator[Step]:
        """What there is to say and to store; `now` is in µs since 1970 UTC.

        All that arrived before `now` must have been applied: else patients whose readings
        wait in Kafka would pass for silent.
        """
        at = self._candidates(partition.patients.rows, now)
        for start in range(0, len(at), MOST_ROWS):
            alerts, changed = self._judge(partition, at[start : start + MOST_ROWS], now)
            if alerts:
                yield partition.step(changed, alerts)

    def _candidates(self, state: NDArray[np.void], now: int) -> Positions:
        """The patients of whom a rule may have something to say.

        The gaps of a patient are looked at only where the length of the silence does not
        decide, and an alert of which all is said only once another reading has come.
        """
        if not self._rules or not len(state):
            return np.zeros(0, np.intp)
        last = state["last"]
        taken_at = last["taken_at"]
        is_known = (taken_at != LONG_AGO) & (taken_at < now)
        minutes = np.where(is_known, (now - np.where(is_known, taken_at, now)) / _MINUTE, 0.0)
        may = is_known & (last["flags"] & NOT_LIVE == 0)
        may &= state["counters"][:, COUNTERS.index("readings")] >= LEAST_READINGS
        found = np.zeros(len(state), np.bool_)
        for at, rule, verdicts in self._rules:
            possible = may & _possible(verdicts, minutes)
            found |= _is_open(state["alarms"][:, at], rule, taken_at, possible)
        return np.flatnonzero(found)

    def _judge(
        self, partition: Partition, at: Positions, now: int
    ) -> tuple[list[Alert], Positions]:
        state = partition.patients.rows
        last = state["last"][at]
        silence = np.maximum(now - last["taken_at"], 0) / _MINUTE
        missed = silence * _MINUTE / usual_gap(state["recent"][at])
        edges = self._alarms.engine.advance(
            state["alarms"],
            at,
            last["identity"],
            last["taken_at"],
            Measures.only(len(at), {"silence": silence, "missed": missed}),
        )
        ids = partition.patients.ids(at[edges.reading])
        alerts = self._alarms.of_silence(edges, ids, silence, now=now)
        return alerts, np.unique(at[edges.reading])


def usual_gap(recent: NDArray[np.void]) -> Floats:
    """The median time (µs) between a patient's last readings, of at least a second.

    `recent` has shape ``(n, RECENT)`` of `patients.READING`; NaN where there are fewer than
    `LEAST_READINGS`.
    """
    counts = (recent["identity"] != 0) & (recent["tags"] & (AGGREGATE | RETRACTED) == 0)
    taken_at = np.sort(np.where(counts, recent["taken_at"], _NO_READING), axis=1)
    # Behind the last reading a gap is longer than any: it is sorted behind all that count.
    gaps = np.sort(np.where(taken_at[:, 1:] == _NO_READING, np.inf, np.diff(taken_at)), axis=1)
    readings = np.count_nonzero(counts, axis=1)
    middle = np.maximum(readings - 1, 1)[:, None]
    ends = np.hstack([(middle - 1) // 2, middle // 2])
    median = np.take_along_axis(gaps, ends, axis=1).mean(axis=1)
    return np.where(readings >= LEAST_READINGS, np.maximum(median, _LEAST_GAP), np.nan)


def _possible(verdicts: Verdicts, minutes: Floats) -> Bools:
    """Where the one rule may hold after so long a silence, whatever the patient's usual gap is."""
    low = {**dict.fromkeys(MEASURES, np.full(len(minutes), np.nan)), "silence": minutes}
    high = {**low, "missed": np.full(len(minutes), np.inf)}
    low["missed"] = np.zeros(len(minutes))
    possible: Bools = ~verdicts.of(Measures(low, high)).clear()[0]
    return possible


def _is_open(
    slots: NDArray[np.void], rule: Rule, taken_at: NDArray[np.int64], possible: Bools
) -> Bools:
    """Where an alert may fire, or rise, or is about a reading that is not the last any more."""
    firing = (slots["state"] == State.FIRING) & (slots["mark"] == rule.mark)
    most = rule.severe.severity if rule.severe else rule.severity
    rises = possible & (slots["severity"] < most)
    is_past = taken_at // _SECOND != slots["since"]
    opens: Bools = np.where(firing, is_past | rises, possible)
    return opens
