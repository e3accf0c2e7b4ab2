"""Courses: what alarm rules make of patients' readings, one after the other.

A place is one reading as one rule looks at it: a thousand readings may be several thousand places.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.alarm_rule import MOST_READINGS, Rule
from bpstream.clinical.alerts import SLOT, Change, Edges, State, mix, salt
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import MEASURES, Bools, Floats, Positions
from bpstream.clinical.structures import whole

_EMPTY = whole(np.zeros(1, SLOT))

# NumPy is slow to find out that the member of an enum is a number.
NORMAL, PENDING, FIRING = (int(each) for each in State)


@dataclass(frozen=True, slots=True)
class Columns:
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
        """These rules."""
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


class Courses:
    """What rules make of readings: a course is what one makes of one patient's, in order.

    Arrays have one place a reading, course by course, `first` is true where one begins; but
    `held`, the slots as they were, have one place a course.  `holds` is the position of the
    rule's first case that holds, else -1.
    """

    def __init__(
        self,
        *,
        columns: Columns,
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
        whole(held)[held["mark"] != columns.mark[rule[first]]] = _EMPTY
        self.firsts, self.course = np.flatnonzero(first), np.cumsum(first) - 1
        self.places = np.arange(len(first))
        self.offends = holds >= 0
        self.case = columns.first_case.take(rule) + holds  # of no meaning where none holds

        # A run of offending readings ends at the first that does not offend, one of clear
        # readings at the first that is not clear, whatever the alert's state.  So the runs are
        # found first, and the state follows from the last of two events: a run became long
        # enough to fire, or long enough to recover.
        start, self.offending = self._runs(self.offends, PENDING)
        fires = self.offending >= columns.readings.take(rule)
        if columns.waits:
            fires &= self._lasts(start)
        fires |= columns.at_once.take(self.case)
        fires &= self.offends
        _, self.cleared = self._runs(clear, FIRING)
        recovers = clear & (self.cleared >= columns.clear.take(rule))
        if columns.latches:
            recovers &= ~columns.latch[rule] | self._released(recovers)
        self.before = np.zeros(len(rule), np.bool_)
        self.before[self.firsts] = held["state"] == FIRING
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

    def outcome(self, reading: Positions) -> tuple[NDArray[np.void], Edges]:
        """Each course's slot after its last reading, and what changed on the way.

        `reading` is the position each place's reading was given at.
        """
        last = np.append(self.firsts[1:], len(self.first)) - 1
        changed = self._changed(reading)
        alert, since = self._alerts(np.concatenate((last, changed)))
        slots = self._slots(last, alert[: len(last)], since[: len(last)])
        if not len(changed):
            return slots, Edges.none()
        edges = self._edges(changed, reading, alert[len(last) :], since[len(last) :])
        return slots, edges

    def _slots(
        self, last: Positions, alert: NDArray[np.uint64], since: NDArray[np.int64]
    ) -> NDArray[np.void]:
        firing = self.firing[last]
        cleared = np.where(self.clear[last], self.cleared[last], 0)
        slot = np.zeros(len(last), SLOT)
        slot["alert"], slot["since"] = alert, since
        slot["mark"] = self.columns.mark[self.rule[last]]
        slot["state"] = np.where(firing, FIRING, PENDING)
        slot["count"] = np.minimum(np.where(firing, cleared, self.offending[last]), MOST_READINGS)
        slot["severity"] = self.severity[last]
        goes_on = firing & (slot["alert"] == self.held["alert"])
        rose = slot["severity"] > self.held["severity"]
        slot["released"] = np.where(goes_on & ~rose, self.held["released"], 0)
        whole(slot)[~firing & ~self.offends[last]] = _EMPTY
        return slot

    def _changed(self, reading: Positions) -> Positions:
        """The places at which an alert did, in the order of the readings and then of the rules."""
        severity = np.empty_like(self.severity)
        severity[1:] = self.severity[:-1]
        severity[self.firsts] = self.held["severity"]
        rose, recovered = self.severity > severity, ~self.firing
        changed = np.flatnonzero(np.where(self.before, rose | recovered, self.firing))
        order = reading.take(changed) * len(self.columns.mark) + self.rule.take(changed)
        return changed.take(np.argsort(order))

    def _edges(
        self,
        changed: Positions,
        reading: Positions,
        alert: NDArray[np.uint64],
        since: NDArray[np.int64],
    ) -> Edges:
        before, recovered, case = self.before[changed], ~self.firing[changed], self.case[changed]
        kind = np.where(before, int(Change.CHANGED), int(Change.FIRING))
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
        carried = self.held["state"] == PENDING
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
        carried = self.first[span] & (self.held["state"][course] != NORMAL)
        alert = np.where(carried, self.held["alert"][course], new)
        return alert, np.where(carried, self.held["since"][course], self.seconds[span])
