"""What is said of an alert: of one edge, or of a slot, and in words."""

import numpy as np

from bpstream.alert import CHANGED, FIRING, RECOVERED, Alert
from bpstream.checkpoint import RuleName
from bpstream.clinical.alarm_rule import Rule
from bpstream.clinical.alarms import Edges
from bpstream.clinical.categories import SEVERITY_NAMES
from bpstream.clinical.conditions import MEASURES
from bpstream.document import iso

STATES = (FIRING, CHANGED, RECOVERED)
"""By :class:`Change`."""
_NAMES = (*MEASURES, None)  # the last one is that of -1
_SECOND = 1_000_000  # µs


def of_edge(rule: Rule, edges: Edges, nth: int, *, taken_at: int) -> Alert:
    """The alert of one edge that no single reading tells of, whoever's, without words.

    `taken_at` is in µs since 1970 UTC.
    """
    measure = _NAMES[edges.measure[nth]]
    return Alert(
        alert_id=f"{int(edges.alert[nth]):016x}",
        patient_id=None,
        rule=rule.name,
        title=rule.title,
        kind=str(rule.kind),
        state=STATES[edges.change[nth]],
        severity=SEVERITY_NAMES[edges.severity[nth]],
        since=iso(int(edges.since[nth]) * _SECOND),
        taken_at=iso(taken_at),
        message="",
        measure=measure,
        limit=None if measure is None else float(edges.bound[nth]),
    )


def said(rule: Rule | RuleName, slot: np.void, state: str, message: str) -> Alert:
    """What is to be said of the alert in `slot`, whoever's and by whatever reading."""
    since = iso(int(slot["since"]) * _SECOND)
    return Alert(
        alert_id=f"{int(slot['alert']):016x}",
        patient_id=None,
        rule=rule.name,
        title=rule.title,
        kind=str(rule.kind),
        state=state,
        severity=SEVERITY_NAMES[int(slot["severity"])],
        since=since,
        taken_at=since,
        message=message,
    )


def message(title: str, systolic: float | None, diastolic: float | None, limit: str) -> str:
    """`Hypotension: 84/50 mmHg, systolic limit 90`; without a limit it is over."""
    return f"{title}: {shown(systolic)}/{shown(diastolic)} mmHg, {limit}"


def shown(pressure: float | None) -> str:
    """A pressure, mmHg, as a person reads it."""
    return "?" if pressure is None else f"{pressure:g}"


def crossed(measure: str | None, limit: float | None) -> str:
    """The limit of `measure`, as a person reads it."""
    if measure is None:
        return "over"
    return "implausible" if measure == "artefact" else f"{measure} limit {limit:g}"
