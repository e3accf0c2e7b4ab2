"""Alarms: every reading moves its patient's alerts, one for each rule, in event time.

An alert is pending while its run of offending readings is too short, fires once the run is
long enough, and recovers after as many clear readings as its rule asks for; where the rule
latches, not before somebody has acknowledged it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.alarm_rule import SLOTS, Kind, Rule
from bpstream.clinical.alerts import SLOT, Change, Edges, State, alert_id
from bpstream.clinical.conditions import Bools, Measures, Positions
from bpstream.clinical.courses import FIRING, NORMAL, Columns, Courses
from bpstream.clinical.limits import Own, marked
from bpstream.clinical.order import by_patient
from bpstream.clinical.structures import whole
from bpstream.clinical.verdicts import Verdicts

__all__ = ["SLOT", "Change", "Edges", "Engine", "State", "alert_id"]

_ALL_SLOTS = np.dtype((np.void, SLOT.itemsize * SLOTS))

_LAST_SECOND = int(np.iinfo(np.uint32).max)


class Engine:
    """Judges readings by rules; what it knows of a patient is in the patient's slots."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        if not 1 <= len(rules) <= SLOTS:
            raise ValueError(f"{len(rules)} rules; a patient's row has slots for 1 to {SLOTS}")
        self.rules = marked(rules)
        self._verdicts, self._columns = Verdicts(self.rules), Columns.of(self.rules)
        self._physiological = np.array([rule.kind is Kind.PHYSIOLOGICAL for rule in rules])

    def advance(
        self,
        slots: NDArray[np.void],
        rows: Positions,
        identity: NDArray[np.uint64],
        taken_at: NDArray[np.int64],
        measures: Measures,
        *,
        own: Own | None = None,
    ) -> Edges:
        """Change `slots` by the readings, and tell which alerts fired, changed or recovered.

        `slots` is a view of every patient's, shape ``(patients, SLOTS)`` of SLOT; `rows`
        (position of the patient), `identity` and `taken_at` (µs since 1970 UTC) have shape
        ``(n,)``, in order of arrival.  Readings that must not alarm (late ones, aggregates,
        children's) are left out by the caller.  How readings are cut into calls makes no
        difference.  `own` are the readings of patients who have limits of their own; they are
        judged once more, by these.

        A reading offends a rule if its condition or its severe one surely holds, and is clear
        as :class:`verdicts.Verdict` says of the two together; or where the rule has an `until`,
        if that surely holds and the reading does not offend.  One that is neither ends a
        pending run, and what fires goes on firing.  One of which the rule knows no measure
        is passed over.  Time is in whole seconds.
        """
        verdict = self._verdicts.of(measures)
        holds = verdict.holds()
        if own is not None:
            theirs = self._verdicts.of(measures.take(own.at, own.limits))
            holds[:, own.at] = theirs.holds()
            holds[np.ix_(self._physiological, own.at[own.unjudged])] = -1
        if not (holds >= 0).any() and not slots["state"][rows].any():
            return Edges.none()
        order = by_patient(rows)
        new = _differs(rows[order])
        patients, nth = rows[order[new]], np.cumsum(new) - 1
        held = slots.view(_ALL_SLOTS)[patients].view(SLOT)[:, : len(self.rules)]
        # Only a rule that finds something about a patient, now or before, looks at the readings.
        active = (held["state"] != NORMAL) & (held["mark"] == self._columns.mark)
        offends = holds.take(order, axis=1) >= 0  # several times as fast as [:, order]
        active |= np.logical_or.reduceat(offends, np.flatnonzero(new), axis=1).T
        looks = active.T.take(nth, axis=1) & verdict.known().take(order, axis=1)
        rule = np.repeat(np.arange(len(looks)), np.count_nonzero(looks, axis=1))
        if not len(rule):
            return Edges.none()
        place = np.flatnonzero(looks) - rule * len(order)
        clear = verdict.clear()
        if own is not None:
            clear[:, own.at] = theirs.clear()
        clear &= holds < 0
        if own is not None:
            clear[np.ix_(self._physiological, own.at[own.unjudged])] = True
        at, nth = order.take(place), nth.take(place)
        cell = rule * len(order) + at
        first = _differs(rule * len(patients) + nth)
        courses = Courses(
            columns=self._columns,
            rule=rule,
            first=first,
            held=whole(held)[nth[first], rule[first]].view(SLOT),
            holds=holds.ravel().take(cell),
            clear=clear.ravel().take(cell),
            identity=identity.take(at),
            seconds=np.minimum(np.maximum(taken_at // 1_000_000, 0), _LAST_SECOND).take(at),
        )
        ends, edges = courses.outcome(at)
        whole(slots)[rows[at[first]], rule[first]] = whole(ends)
        return edges if own is None else self._with_own_bounds(edges, holds, own)

    def _with_own_bounds(self, edges: Edges, holds: NDArray[np.int8], own: Own) -> Edges:
        """The edges, each telling the bound that its patient has."""
        bound = edges.bound.copy()
        place = {reading: at for at, reading in enumerate(own.at.tolist())}
        for edge in np.flatnonzero(edges.measure >= 0).tolist():
            at = place.get(int(edges.reading[edge]))
            if at is None:
                continue
            rule = edges.rule[edge]
            atom = self.rules[rule].groups[holds[rule, edges.reading[edge]]][0]
            value = own.limits[atom.limit][at] if atom.limit in own.limits else np.nan
            bound[edge] = atom.bound if np.isnan(value) else value
        return replace(edges, bound=bound)

    def release(self, slots: NDArray[np.void], alert: int) -> Rule | None:
        """An alert of one patient, whose `slots` have shape ``(SLOTS,)``, was acknowledged.

        Where it latched, and its readings have long been clear, it recovers: then its slot is
        empty, and its rule is returned.
        """
        for at, rule in enumerate(self.rules):
            slot = slots[at]
            if slot["alert"] != alert or slot["state"] != FIRING or slot["mark"] != rule.mark:
                continue
            slot["released"] = 1
            if rule.latch and slot["count"] >= rule.clear:
                slots[at] = np.zeros((), SLOT)
                return rule
        return None


def _differs(values: Positions) -> Bools:
    """Where a value is not the one before it; the first differs."""
    differs = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=differs[1:])
    return differs
