"""Alarms of a step: readings and their patients' state in, alerts out.

Arguments are named as in `memory`: `state` is a view of all rows (`patients.ROW`), `rows` the
position of each reading's patient in it, shape ``(n,)``.
"""

from collections.abc import Sequence
from itertools import repeat

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from bpstream import measuring
from bpstream.alert import CHANGED, FIRING, RECOVERED, Alert
from bpstream.clinical import anomaly_counts
from bpstream.clinical.alarm_rules import Rule, Scope, of_patients
from bpstream.clinical.alarms import Edges, Engine, State, alert_id
from bpstream.clinical.conditions import MEASURES, PRESSURES, Bools, Floats
from bpstream.document import iso
from bpstream.encoding import Judged, measured
from bpstream.limits import LimitBook
from bpstream.patients import LONG_AGO, recent_in_order
from bpstream.raised import ORIGINS, Teller
from bpstream.reading import Flag, Readings
from bpstream.telling import crossed, message, of_edge, said

NOT_LIVE = np.uint16(Flag.LATE | Flag.CHILD | Flag.COARSE_TIME | Flag.TEST_DATA)
"""Too late to act on, or of a day and not of a moment; or not to be judged at all."""
_CORRECTED = "a reading was corrected or withdrawn"
_SECOND = 1_000_000  # µs


class Alarms:
    """The alarm rules at work."""

    def __init__(self, rules: Sequence[Rule], limits: LimitBook | None = None) -> None:
        """`limits` are looked up anew for every step: it may change in between."""
        self.rules = of_patients(rules)
        """In the order of the slots of a patient's row."""
        self.ward = tuple(rule for rule in rules if rule.scope is Scope.WARD)
        self._within = max((rule.within for rule in self.ward), default=0)
        self.engine = Engine(self.rules)
        self._teller = Teller(self.rules)
        self._looks_again = [rule.measures <= measuring.HELD for rule in self.rules]
        self._limits = LimitBook() if limits is None else limits

    def raised(
        self,
        state: NDArray[np.void],
        rows: NDArray[np.intp],
        identity: NDArray[np.uint64],
        readings: Readings,
        judged: Judged,
        *,
        corrected: Sequence[int] = (),
    ) -> Sequence[Alert]:
        """Move the alerts of these patients on, and tell what changed.

        A late reading raises none, nor one of a day without a time, nor test data, nor one that
        the rules do not judge.  Those at the positions `corrected` are left to `reconsidered`.
        """
        live = np.flatnonzero(_live(readings, judged, corrected))
        if not len(live):
            return []
        taken_at = readings.taken_at[live]
        patient_ids = (readings.patient_id.strings[position] for position in live.tolist())
        edges = self.engine.advance(
            state["alarms"],
            rows[live],
            identity[live],
            taken_at,
            measuring.of_readings(readings, judged, live),
            own=self._limits.own(patient_ids, taken_at),
        )
        if not len(edges):
            return []
        at = live[edges.reading]
        return self._teller.tell(edges, self._origins(edges, at, readings), readings, judged, at)

    def count(
        self,
        anomalies: dict[int, int],
        readings: Readings,
        judged: Judged,
        *,
        corrected: Sequence[int] = (),
        arrived_at: int,
    ) -> None:
        """Count the anomalous readings that are live, where a rule of the ward asks for it.

        `anomalies` are the partition's, by bucket; `arrived_at` is the last arrival, µs since
        1970 UTC.
        """
        if self._within:
            counts = _live(readings, judged, corrected) & (judged.tags > 0)
            taken_at = readings.taken_at[counts]
            anomaly_counts.count(anomalies, taken_at, arrived_at=arrived_at, within=self._within)

    def reconsidered(
        self, row: np.void, patient_id: str, document_id: str, *, may_rise: bool = True
    ) -> list[Alert]:
        """A reading of the patient was corrected or withdrawn: what becomes of the alerts.

        The readings that the row holds are gone through again as they are now.  An alert that
        they do not support recovers, if it began with one of them.  One that they do support
        fires, if it `may_rise`: a correction that comes late neither fires nor changes an
        alert to the worse, but the next reading may.  A rule about more than the row holds of
        its last readings (deviation, early warnings) is left as it is.
        """
        live = recent_in_order(row)
        live = live[live["flags"] & NOT_LIVE == 0]
        live = live[np.argsort(live["taken_at"], kind="stable")]
        # Which pressure is a bound, and from which side, is not known any longer.
        is_bound = live["flags"] & np.uint16(Flag.COMPARATOR) > 0
        bounded = int(live["taken_at"][is_bound].max(initial=-1)) // _SECOND
        exact = live[~is_bound]
        slots = np.zeros((1, len(row["alarms"])), row["alarms"].dtype)
        edges = self.engine.advance(
            slots,
            np.zeros(len(exact), np.intp),
            exact["identity"],
            exact["taken_at"],
            measuring.of_held(exact),
            own=self._limits.own(repeat(patient_id, len(exact)), exact["taken_at"]),
        )
        alerts = []
        for at, rule in enumerate(self.rules):
            if not self._looks_again[at]:
                continue
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
                if now["released"] and rule.latch and now["count"] >= rule.clear:
                    now, fires = np.zeros((), was.dtype)[()], False
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
                taken_at = int(reading["taken_at"][0])
                origin = self._limits.origin(patient_id, measure, limit, taken_at)
                alerts.append(
                    replace(_on(rule, now, state, reading, measure, limit), limit_from=origin)
                )
        return [replace(each, patient_id=patient_id, document_id=document_id) for each in alerts]

    def acknowledged(self, row: np.void, patient_id: str, alert: int, *, at: int) -> list[Alert]:
        """Somebody acknowledged an alert of the patient, `at` in µs since 1970 UTC.

        One that only waited for it (its rule latches, its readings are clear) recovers.
        """
        held = row["alarms"]
        before = held[held["alert"] == alert][:1].copy()
        rule = self.engine.release(held, alert)
        if rule is None:
            return []
        over = said(rule, before[0], RECOVERED, f"{rule.title}: over, and acknowledged")
        return [replace(over, patient_id=patient_id, taken_at=iso(at))]

    def of_silence(
        self, edges: Edges, patient_ids: Sequence[str], silence: Floats, *, now: int
    ) -> list[Alert]:
        """The alerts of edges that the clock found, `now` in µs since 1970 UTC.

        Of each edge the patient; of each patient that was looked at the `silence`, minutes.
        """
        alerts = []
        for nth, patient_id in enumerate(patient_ids):
            alert = of_edge(self.rules[edges.rule[nth]], edges, nth, taken_at=now)
            minutes = silence[edges.reading[nth]]
            limit = crossed(alert.measure, alert.limit)
            words = f"{alert.title}: {minutes:.0f} min since the last, {limit}"
            alerts.append(replace(alert, patient_id=patient_id, message=words))
        return alerts

    def _origins(self, edges: Edges, at: NDArray[np.intp], readings: Readings) -> NDArray[np.int8]:
        """Whence the limits are that readings `at` these positions crossed."""
        origins = np.zeros(len(edges), np.int8)
        if not len(self._limits):
            return origins
        for edge in np.flatnonzero(edges.measure >= 0).tolist():
            reading = at[edge]
            origin = self._limits.origin(
                readings.patient_id[reading],
                MEASURES[edges.measure[edge]],
                float(edges.bound[edge]),
                int(readings.taken_at[reading]),
            )
            origins[edge] = ORIGINS.index(origin)
        return origins


def _live(readings: Readings, judged: Judged, corrected: Sequence[int]) -> Bools:
    """Which readings may raise alarms."""
    may: Bools = judged.judged & (readings.flags & np.uint32(NOT_LIVE) == 0)
    if corrected:
        may[list(corrected)] = False
    return may


def _go_on(now: np.void, was: np.void, *, began_here: bool, may_rise: bool) -> None:
    """Let `now` be the same alert as `was`: it fires before and after a correction."""
    if now["alert"] != was["alert"]:
        now["alert"], now["since"] = was["alert"], was["since"]
    if not began_here:  # the severest may be one of those that are not held any longer
        now["severity"] = max(now["severity"], was["severity"])
    if not may_rise:
        now["severity"] = min(now["severity"], was["severity"])
    now["released"] = was["released"] and now["severity"] <= was["severity"]


def _on(  # noqa: PLR0917 - called in one place
    rule: Rule, slot: np.void, state: str, reading: NDArray[np.void], measure: str, limit: float
) -> Alert:
    """An alert that fires, or has another severity, after a correction: `reading` made it so."""
    (systolic,), (diastolic,), (mean,) = (
        measured(measuring.pressure(reading, name)) for name in PRESSURES
    )
    words = message(rule.title, systolic, diastolic, crossed(measure, limit))
    return replace(
        _corrected(rule, slot, state),
        taken_at=iso(int(reading["taken_at"][0])),
        message=f"{words}; {_CORRECTED}",
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
    return said(rule, slot, state, f"{rule.title}: over; {_CORRECTED}")
