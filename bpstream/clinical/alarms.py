"""Alarms: every reading moves its patient's alerts, one for each rule, in event time.

An alert is pending while its run of offending readings is too short, fires once the run is
long enough, and recovers after as many clear readings as its rule asks for; where the rule
latches, not before somebody has acknowledged it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.alarm_rule import MOST_READINGS, SLOTS, Kind, Rule
from bpstream.clinical.alerts import SLOT, Change, Edges, State, alert_id, mix, salt
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import MEASURES, Bools, Floats, Measures, Positions
from bpstream.clinical.limits import Own, marked
from bpstream.clinical.verdicts import Verdicts

__all__ = ["SLOT", "Change", "Edges", "Engine", "State", "alert_id"]

# NumPy copies records field by field, and bytes at once.
_BYTES = np.dtype((np.void, SLOT.itemsize))
_ALL_SLOTS = np.dtype((np.void, SLOT.itemsize * SLOTS))
_EMPTY = np.zeros((), _BYTES)

# NumPy is slow to find out that the member of an enum is a number.
_NORMAL, _PENDING, _FIRING = (int(each) for each in State)


class Engine:
    """Judges readings by rules; what it knows of a patient is in the patient's slots."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        if not 1 <= len(rules) <= SLOTS:
            raise ValueError(f"{len(rules)} rules; a patient's row has slots for 1 to {SLOTS}")
        self.rules = marked(rules)
        self._verdicts, self._columns = Verdicts(self.rules), _Columns.of(self.rules)
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
        order = np.argsort(rows, kind="stable")
        new = _differs(rows[order])
        patients, nth = rows[order[new]], np.cumsum(new) - 1
        held = slots.view(_ALL_SLOTS)[patients].view(SLOT)[:, : len(self.rules)]
        # Only a rule that finds something about a patient, now or before, looks at the readings.
        active = (held["state"] != _NORMAL) & (held["mark"] == self._columns.mark)
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
        courses = _Courses(
            columns=self._columns,
            rule=rule,
            first=first,
            held=held.view(_BYTES)[nth[first], rule[first]].view(SLOT),
            holds=holds.ravel().take(cell),
            clear=clear.ravel().take(cell),
            identity=identity.take(at),
            seconds=np.clip(taken_at // 1_000_000, 0, np.iinfo(np.uint32).max).take(at),
        )
        slots.view(_BYTES)[rows[at[first]], rule[first]] = courses.slots().view(_BYTES)
        edges = courses.edges(at)
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
            if slot["alert"] != alert or slot["state"] != _FIRING or slot["mark"] != rule.mark:
                continue
            slot["released"] = 1
            if rule.latch and slot["count"] >= rule.clear:
                slots[at] = np.zeros((), SLOT)
                return rule
        return None


@dataclass(frozen=True, slots=True)
class _Columns:
    """The rules in columns, one value a rule, and their cases, one a case of any rule."""

    mark: NDArray[np.uint16]
    salt: NDArray[np.uint64]
    readings: Positions
    seconds: NDArray[np.int64]
    waits: bool
    """Whether any rule has `seconds`."""
    clear: Positions
    latch: Bools
    latches: bool
    first_case: Positions
    severity: NDArray[np.int8]
    at_once: Bools
    measure: NDArray[np.int8]
    bound: Floats

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Self:
        cases = [case for rule in rules for case in rule.cases]
        atoms = [case.group[0] for case in cases]
        return cls(
            mark=np.array([rule.mark for rule in rules], np.uint16),
            salt=np.array([salt(rule.name) for rule in rules], np.uint64),
            readings=np.array([rule.delay.readings for rule in rules], np.intp),
            seconds=np.array([rule.delay.seconds for rule in rules], np.int64),
            waits=any(rule.delay.seconds for rule in rules),
            clear=np.array([rule.clear for rule in rules], np.intp),
            latch=np.array([rule.latch for rule in rules], np.bool_),
            latches=any(rule.latch for rule in rules),
            first_case=np.cumsum([0, *(len(rule.cases) for rule in rules)])[:-1],
            severity=np.array([case.severity for case in cases], np.int8),
            at_once=np.array([case.at_once for case in cases], np.bool_),
            measure=np.array([MEASURES.index(atom.measure) for atom in atoms], np.int8),
            bound=np.array([atom.bound for atom in atoms], np.float64),
        )


class _Courses:
    """What rules make of readings: a course is what one makes of one patient's, in order.

    Arrays have one place a reading, course by course, `first` is true where one begins; but
    `held`, the slots as they were, have one place a course.  `holds` is the position of the
    rule's first case that holds, else -1.
    """

    def __init__(
        self,
        *,
        columns: _Columns,
        rule: Positions,
        first: Bools,
        held: NDArray[np.void],
        holds: NDArray[np.int8],
        clear: Bools,
        identity: NDArray[np.uint64],
        seconds: NDArray[np.int64],
    ) -> None:
        self.columns, self.rule, self.first, self.held = columns, rule, first, held
        self.clear, self.identity, self.seconds = clear, identity, seconds
        held.view(_BYTES)[held["mark"] != columns.mark[rule[first]]] = _EMPTY
        self.firsts, self.course = np.flatnonzero(first), np.cumsum(first) - 1
        self.places = np.arange(len(first))
        self.offends = holds >= 0
        self.case = columns.first_case.take(rule) + holds  # of no meaning where none holds

        # A run of offending readings ends at the first that does not offend, one of clear
        # readings at the first that is not clear, whatever the alert's state.  So the runs are
        # found first, and the state follows from the last of two events: a run became long
        # enough to fire, or long enough to recover.
        start, self.offending = self._runs(self.offends, _PENDING)
        fires = self.offending >= columns.readings.take(rule)
        if columns.waits:
            fires &= self._lasts(start)
        fires |= columns.at_once.take(self.case)
        fires &= self.offends
        _, self.cleared = self._runs(clear, _FIRING)
        recovers = clear & (self.cleared >= columns.clear.take(rule))
        if columns.latches:
            recovers &= ~columns.latch[rule] | self._released(recovers)
        self.before = np.zeros(len(rule), np.bool_)
        self.before[self.firsts] = held["state"] == _FIRING
        event = self._last(fires | recovers | first)
        self.firing = (fires | (self.before & ~recovers)).take(event)
        self.before[1:] |= self.firing[:-1] & ~first[1:]

        # An alert's span begins with a run, where none fires; the first one may be carried on.
        spans = first | (self.offends & (start == self.places) & ~self.before)
        self.span = self._last(spans)
        level = columns.severity.take(self.case)
        level *= self.offends
        level[self.firsts] = np.maximum(level[self.firsts], held["severity"])
        # A later span has the higher numbers, so that the maximum begins anew in it.
        base = np.cumsum(spans) * len(Severity)
        self.severity = np.maximum.accumulate(base + level) - base

    def slots(self) -> NDArray[np.void]:
        """Each course's slot as it is after its last reading."""
        last = np.append(self.firsts[1:], len(self.first)) - 1
        firing = self.firing[last]
        cleared = np.where(self.clear[last], self.cleared[last], 0)
        slot = np.zeros(len(last), SLOT)
        slot["alert"], slot["since"] = self._alerts(last)
        slot["mark"] = self.columns.mark[self.rule[last]]
        slot["state"] = np.where(firing, _FIRING, _PENDING)
        slot["count"] = np.minimum(np.where(firing, cleared, self.offending[last]), MOST_READINGS)
        slot["severity"] = self.severity[last]
        goes_on = firing & (slot["alert"] == self.held["alert"])
        rose = slot["severity"] > self.held["severity"]
        slot["released"] = np.where(goes_on & ~rose, self.held["released"], 0)
        slot.view(_BYTES)[~firing & ~self.offends[last]] = _EMPTY
        return slot

    def edges(self, reading: Positions) -> Edges:
        """What changed; `reading` is the position each place's reading was given at."""
        severity = np.empty_like(self.severity)
        severity[1:] = self.severity[:-1]
        severity[self.firsts] = self.held["severity"]
        rose, recovered = self.severity > severity, ~self.firing
        changed = np.flatnonzero(np.where(self.before, rose | recovered, self.firing))
        order = reading.take(changed) * len(self.columns.mark) + self.rule.take(changed)
        changed = changed.take(np.argsort(order))
        before, recovered, case = self.before[changed], recovered[changed], self.case[changed]
        kind = np.where(before, int(Change.CHANGED), int(Change.FIRING))
        alert, since = self._alerts(changed)
        return Edges(
            reading=reading[changed],
            rule=self.rule[changed],
            change=np.where(recovered, int(Change.RECOVERED), kind).astype(np.int8),
            severity=self.severity[changed].astype(np.int8),
            alert=alert,
            since=since,
            measure=np.where(recovered, -1, self.columns.measure[case]).astype(np.int8),
            bound=np.where(recovered, np.nan, self.columns.bound[case]),
        )

    def _runs(self, on: Bools, state: int) -> tuple[Positions, Positions]:
        """Of the run each place is in: its start, and its length so far.

        A run is carried on from an earlier call where the slot is in `state`, and counts what
        the slot counted.  Nothing is meant where a place is not `on`.
        """
        begins = on & self.first
        begins[1:] |= on[1:] & ~on[:-1]
        start = self._last(begins)
        before = np.ones(len(on), np.intp)
        before[self.firsts] += self.held["count"] * (self.held["state"] == state)
        return start, self.places - start + before.take(start)

    def _lasts(self, start: Positions) -> Bools:
        """Where the run of offending readings, which has this `start`, is old enough to fire."""
        since = self.seconds.copy()
        carried = self.held["state"] == _PENDING
        since[self.firsts[carried]] = self.held["since"][carried]
        asked = self.columns.seconds.take(self.rule)
        lasts: Bools = (self.seconds - since.take(start) >= asked) | (asked == 0)
        return lasts

    def _last(self, events: Bools) -> Positions:
        """The last event at or before each place; 0 before the first one."""
        return np.maximum.accumulate(self.places * events)

    def _released(self, recovers: Bools) -> Bools:
        """Where an alert that latches may recover, if it `recovers` otherwise: it was acknowledged.

        The one that was is over with its recovery, and an alert whose severity rises is to be
        acknowledged again.
        """
        given = self.held["released"][self.course] > 0
        rises = self.columns.severity[self.case] > self.held["severity"][self.course]
        ends = given & (recovers | (self.offends & rises))
        before = np.cumsum(ends) - ends
        before -= before[self.firsts][self.course]
        released: Bools = given & (before == 0)
        return released

    def _alerts(self, places: Positions) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Id and first time (s) of the alerts at `places`."""
        span, course = self.span[places], self.course[places]
        new = mix(self.identity[span] ^ self.columns.salt[self.rule[span]])
        carried = self.first[span] & (self.held["state"][course] != _NORMAL)
        alert = np.where(carried, self.held["alert"][course], new)
        return alert, np.where(carried, self.held["since"][course], self.seconds[span])


def _differs(values: Positions) -> Bools:
    """Where a value is not the one before it; the first differs."""
    differs = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=differs[1:])
    return differs
