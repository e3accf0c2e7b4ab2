"""Alarms of a step: readings and their patients' state in, alerts out.

Arguments are named as in `memory`: `state` is a view of all rows (`patients.ROW`), `rows` the
position of each reading's patient in it, shape ``(n,)``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from bpstream.alert import CHANGED, FIRING, RECOVERED, Alert
from bpstream.clinical.alarm_rules import Rule
from bpstream.clinical.alarms import Edges, Engine, State, alert_id
from bpstream.clinical.categories import SEVERITY_NAMES
from bpstream.clinical.conditions import MEASURES, Floats, Measures
from bpstream.document import iso
from bpstream.encoding import Judged, measured, timestamps
from bpstream.patients import LONG_AGO, recent_in_order
from bpstream.reading import EXACT, Flag, Readings

_STATES = (FIRING, CHANGED, RECOVERED)
_NAMES = (*MEASURES, None)  # the last one is that of -1
_NOT_LIVE = np.uint16(Flag.LATE | Flag.CHILD | Flag.COARSE_TIME | Flag.TEST_DATA)
"""Too late to act on, or of a day and not of a moment; or not to be judged at all."""
_PRESSURES = ("systolic", "diastolic", "mean")
_CORRECTED = "a reading was corrected or withdrawn"
_SECOND = 1_000_000  # µs
_HELD_DIGITS = 4  # of a pressure in mmHg, that 32 bits hold

_INFINITE = {"<": (-np.inf, 0.0), "<=": (-np.inf, 0.0), ">": (0.0, np.inf), ">=": (0.0, np.inf)}
"""What a comparator adds to a value for the lowest and the highest the pressure may be."""


class Alarms:
    """The alarm rules at work."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self._engine = Engine(rules)

    def raised(
        self,
        state: NDArray[np.void],
        rows: NDArray[np.intp],
        identity: NDArray[np.uint64],
        readings: Readings,
        judged: Judged,
        *,
        corrected: Sequence[int] = (),
    ) -> list[Alert]:
        """Move the alerts of these patients on, and tell what changed.

        A late reading raises none, nor one of a day without a time, nor test data, nor one that
        the rules do not judge.  Those at the positions `corrected` are left to `reconsidered`.
        """
        may = judged.judged & (readings.flags & np.uint32(_NOT_LIVE) == 0)
        may[list(corrected)] = False
        live = np.flatnonzero(may)
        if not len(live):
            return []
        edges = self._engine.advance(
            state["alarms"],
            rows[live],
            identity[live],
            readings.taken_at[live],
            _measures(readings, judged, live),
        )
        return self._alerts(edges, live, readings, judged)

    def reconsidered(
        self, row: np.void, patient_id: str, document_id: str, *, may_rise: bool = True
    ) -> list[Alert]:
        """A reading of the patient was corrected or withdrawn: what becomes of the alerts.

        The readings that the row holds are gone through again as they are now.  An alert that
        they do not support recovers, if it began with one of them.  One that they do support
        fires, if it `may_rise`: a correction that comes late neither fires nor changes an
        alert to the worse, but the next reading may.
        """
        live = recent_in_order(row)
        live = live[live["flags"] & _NOT_LIVE == 0]
        live = live[np.argsort(live["taken_at"], kind="stable")]
        # Which pressure is a bound, and from which side, is not known any longer.
        is_bound = live["flags"] & np.uint16(Flag.COMPARATOR) > 0
        bounded = int(live["taken_at"][is_bound].max(initial=-1)) // _SECOND
        exact = live[~is_bound]
        slots = np.zeros((1, len(row["alarms"])), row["alarms"].dtype)
        edges = self._engine.advance(
            slots,
            np.zeros(len(exact), np.intp),
            exact["identity"],
            exact["taken_at"],
            _measures_held(exact),
        )
        alerts = []
        for at, rule in enumerate(self.rules):
            was, now = row["alarms"][at].copy(), slots[0, at]
            if was["mark"] != rule.mark:
                was = np.zeros((), was.dtype)
            fired, fires = was["state"] == State.FIRING, now["state"] == State.FIRING
            began_here = was["alert"] in alert_id(rule.name, row["recent"]["identity"])
            if bounded >= int((now if fires else was)["since"]):
                continue
            if fired and not fires and not began_here:
                continue
            if fired and fires:
                _go_on(now, was, began_here=began_here, may_rise=may_rise)
            elif fires and not may_rise:  # the next reading that offends makes it fire
                now["state"], now["count"], fires = State.PENDING, rule.delay.readings - 1, False
            row["alarms"][at] = now
            if fired and not fires:
                alerts.append(_over(rule, was, row))
            elif fires and (not fired or now["severity"] != was["severity"]):
                edge = np.flatnonzero(edges.rule == at)[-1]
                reading = exact[edges.reading[[edge]]]
                measure, limit = MEASURES[edges.measure[edge]], float(edges.bound[edge])
                state = CHANGED if fired else FIRING
                alerts.append(_on(rule, now, state, reading, measure, limit))
        return [replace(each, patient_id=patient_id, document_id=document_id) for each in alerts]

    def _alerts(
        self, edges: Edges, live: NDArray[np.intp], readings: Readings, judged: Judged
    ) -> list[Alert]:
        at = live[edges.reading]
        positions = at.tolist()
        rules = [self.rules[rule] for rule in edges.rule.tolist()]
        systolic, diastolic = measured(readings.systolic[at]), measured(readings.diastolic[at])
        measures = [_NAMES[measure] for measure in edges.measure.tolist()]
        limits = measured(edges.bound)
        columns: dict[str, Iterable[Any]] = {
            "alert_id": map("{:016x}".format, edges.alert.tolist()),
            "patient_id": [readings.patient_id[position] for position in positions],
            "rule": [rule.name for rule in rules],
            "title": [rule.title for rule in rules],
            "kind": [rule.kind.value for rule in rules],
            "state": map(_STATES.__getitem__, edges.change.tolist()),
            "severity": map(SEVERITY_NAMES.__getitem__, edges.severity.tolist()),
            "since": timestamps(edges.since * _SECOND),
            "taken_at": timestamps(readings.taken_at[at]),
            "message": map(_message, rules, systolic, diastolic, measures, limits),
            "systolic": systolic,
            "diastolic": diastolic,
            "mean": measured(np.round(judged.mean[at], 2)),
            "measure": measures,
            "limit": limits,
            "document_id": [readings.document_id[position] for position in positions],
        }
        return list(map(Alert, *(columns[name] for name in Alert.__struct_fields__)))


def _message(
    rule: Rule,
    systolic: float | None,
    diastolic: float | None,
    measure: str | None,
    limit: float | None,
) -> str:
    """`Hypotension: 84/50 mmHg, systolic limit 90`; without a limit it is over."""
    if measure is None:
        crossed = "over"
    else:
        crossed = "implausible" if measure == "artefact" else f"{measure} limit {limit:g}"
    return f"{rule.title}: {_shown(systolic)}/{_shown(diastolic)} mmHg, {crossed}"


def _shown(pressure: float | None) -> str:
    return "?" if pressure is None else f"{pressure:g}"


def _go_on(now: np.void, was: np.void, *, began_here: bool, may_rise: bool) -> None:
    """Let `now` be the same alert as `was`: it fires before and after a correction."""
    if now["alert"] != was["alert"]:
        now["alert"], now["since"] = was["alert"], was["since"]
    if not began_here:  # the severest may be one of those that are not held any longer
        now["severity"] = max(now["severity"], was["severity"])
    if not may_rise:
        now["severity"] = min(now["severity"], was["severity"])


def _on(  # noqa: PLR0917 - called in one place
    rule: Rule, slot: np.void, state: str, reading: NDArray[np.void], measure: str, limit: float
) -> Alert:
    """An alert that fires, or has another severity, after a correction: `reading` made it so."""
    (systolic,), (diastolic,), (mean,) = (measured(_held(reading, name)) for name in _PRESSURES)
    return replace(
        _corrected(rule, slot, state),
        taken_at=iso(int(reading["taken_at"][0])),
        message=f"{_message(rule, systolic, diastolic, measure, limit)}; {_CORRECTED}",
        systolic=systolic,
        diastolic=diastolic,
        mean=None if mean is None else round(mean, 2),
        measure=measure,
        limit=limit,
    )


def _over(rule: Rule, slot: np.void, row: np.void) -> Alert:
    """An alert that a correction ends.  No reading did, so it has no pressures."""
    alert, last = _corrected(rule, slot, RECOVERED), int(row["last"]["taken_at"])
    return alert if last == LONG_AGO else replace(alert, taken_at=iso(last))


def _corrected(rule: Rule, slot: np.void, state: str) -> Alert:
    """What is to be said of an alert after a correction, whoever's and by whatever reading."""
    since = iso(int(slot["since"]) * _SECOND)
    return Alert(
        alert_id=f"{int(slot['alert']):016x}",
        patient_id=None,
        rule=rule.name,
        title=rule.title,
        kind=rule.kind.value,
        state=state,
        severity=SEVERITY_NAMES[int(slot["severity"])],
        since=since,
        taken_at=since,
        message=f"{rule.title}: over; {_CORRECTED}",
    )


def _measures_held(held: NDArray[np.void]) -> Measures:
    systolic, diastolic, mean = (_held(held, name) for name in _PRESSURES)
    artefact = held["flags"] & np.uint16(Flag.IMPLAUSIBLE) > 0
    return Measures.exact(systolic, diastolic, mean, artefact)


def _held(held: NDArray[np.void], name: str) -> Floats:
    """A pressure as it was before it was shortened to be held."""
    pressures: Floats = held[name].astype(np.float64)
    return pressures.round(_HELD_DIGITS)


def _measures(readings: Readings, judged: Judged, live: NDArray[np.intp]) -> Measures:
    flags = readings.flags[live]
    exact = Measures.exact(
        readings.systolic[live],
        readings.diastolic[live],
        judged.mean[live],
        flags & np.uint32(Flag.IMPLAUSIBLE) > 0,
    )
    bounded = np.flatnonzero(flags & np.uint32(Flag.COMPARATOR))
    return exact if not len(bounded) else _with_bounds(exact, readings, live, bounded)


def _with_bounds(
    exact: Measures, readings: Readings, live: NDArray[np.intp], bounded: NDArray[np.intp]
) -> Measures:
    """Where a value is a bound of the pressure (`> 200`): all that it may be."""
    low = {name: values.copy() for name, values in exact.low.items()}
    high = {name: values.copy() for name, values in exact.high.items()}
    for at in bounded.tolist():
        comparators = readings.details[live[at]].comparators or EXACT
        for name, comparator in zip(_PRESSURES, comparators, strict=True):
            if comparator:
                below, above = _INFINITE[comparator]
                value = exact.low[name][at]
                low[name][at], high[name][at] = value + below, value + above
                if comparator == ">":
                    low[name][at] = np.nextafter(value, np.inf)
                elif comparator == "<":
                    high[name][at] = np.nextafter(value, -np.inf)
        # A mean that was computed from a bound says nothing.
        if np.isnan(readings.mean[live[at]]):
            low["mean"][at] = high["mean"][at] = np.nan
    return Measures(low, high)
