"""What a list of all patients is sorted and counted by: a few bytes a patient, taken from its row.

Whatever changes a row gives it another stamp, so that only rows with a new one are looked at.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bpstream.acknowledgements import SaidBook
from bpstream.clinical.alarms import State
from bpstream.clinical.categories import Severity
from bpstream.patients import Patients

COLUMN = np.dtype(
    [
        ("taken_at", "<i8"),  # of the last reading, µs since 1970 UTC
        ("first", "<i8"),  # the key of the most urgent alert; NO_ALERT: there is none
        ("alert", "<u8"),  # that alert's id
        ("severity", "i1"),  # of the last reading
        ("urgency", "u1"),  # of the alerts that fire, see `_urgency`; 0: none does
        ("warning", "u1"),  # the highest early warning in per cent and 1; 0: there is none
        ("alerts", "u1"),  # pending or firing
        ("waiting", "u1"),  # firing, and nobody has acknowledged it
    ]
)
"""Of one patient."""

URGENCIES = 2 * (Severity.CRITICAL + 1) + 1
SEVERITIES = Severity.CRITICAL + 1
WARNINGS = 102
"""How many values `urgency`, `severity` and `warning` may have, from 0."""

NO_ALERT = np.iinfo(np.int64).max

_NEVER = _NO_ID = np.iinfo(np.uint64).max
# An alert's key, from its lowest bits: since when (s, 32 bits), how little severe (3 bits),
# whether it is acknowledged, whether it is only pending.
_SEVERITY_BIT, _ACKNOWLEDGED_BIT, _PENDING_BIT = 32, 35, 36


class Acknowledged(NamedTuple):
    """What is acknowledged, in columns of shape ``(n,)`` sorted by the alert's id."""

    alert: NDArray[np.uint64]
    severity: NDArray[np.int8]

    @classmethod
    def of(cls, said: SaidBook) -> Self:
        """The acknowledgements in a book."""
        found = sorted(said.acknowledged())
        alert = np.fromiter((each for each, _ in found), np.uint64, len(found))
        return cls(alert, np.fromiter((each for _, each in found), np.int8, len(found)))

    def covers(self, alert: NDArray[np.uint64], severity: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Where such an alert, as severe as it is, is acknowledged; of any shape."""
        if not len(self.alert):
            return np.zeros(alert.shape, np.bool_)
        at = np.searchsorted(self.alert, alert).clip(max=len(self.alert) - 1)
        found: NDArray[np.bool_] = (self.alert[at] == alert) & (self.severity[at] >= severity)
        return found


class Columns:
    """The columns of one partition's patients, in the order of their rows."""

    def __init__(self, patients: Patients) -> None:
        self.patients = patients
        self.values = np.zeros(0, COLUMN)
        self._stamps = np.zeros(0, np.uint64)

    def refresh(
        self, marks: NDArray[np.uint16], acknowledged: Acknowledged, *, anew: bool = False
    ) -> None:
        """Look at the rows that changed, or `anew` at all of them."""
        stamps = self.patients.rows["stamp"]
        new = len(stamps) - len(self.values)
        if new:
            self.values = np.concatenate([self.values, np.zeros(new, COLUMN)])
            self._stamps = np.concatenate([self._stamps, np.full(new, _NEVER)])
        changed = np.arange(len(stamps)) if anew else np.flatnonzero(stamps != self._stamps)
        if len(changed):
            self._stamps[changed] = stamps[changed]
            self.values[changed] = _columns(self.patients.rows, changed, marks, acknowledged)


def alert_keys(
    slots: NDArray[np.void], marks: NDArray[np.uint16], acknowledged: Acknowledged
) -> NDArray[np.int64]:
    """Keys by which alerts are sorted, the most urgent first, as `view.urgency` sorts them.

    `slots` are rows of alerts, shape ``(n, rules)``, and `marks` the rules'; NO_ALERT where
    there is none.  Alerts of one key are sorted by their ids.
    """
    on = _is_on(slots, marks)
    pending = slots["state"] != State.FIRING
    covered = acknowledged.covers(slots["alert"], slots["severity"])
    lightness = Severity.CRITICAL - slots["severity"].astype(np.int64)
    key = slots["since"].astype(np.int64) | (lightness << _SEVERITY_BIT)
    key |= covered.astype(np.int64) << _ACKNOWLEDGED_BIT
    key |= pending.astype(np.int64) << _PENDING_BIT
    return np.where(on, key, NO_ALERT)


def _columns(
    rows: NDArray[np.void],
    at: NDArray[np.intp],
    marks: NDArray[np.uint16],
    acknowledged: Acknowledged,
) -> NDArray[np.void]:
    # Field by field: a row is large, and most of it is not looked at.
    last, slots = rows["last"][at], rows["alarms"][at][:, : len(marks)]
    found = np.zeros(len(at), COLUMN)
    found["taken_at"], found["severity"] = last["taken_at"], last["severity"]
    warning = rows["warning"][at].max(axis=1)
    known = ~np.isnan(warning)
    found["warning"][known] = np.rint(warning[known] * 100).clip(0, WARNINGS - 2) + 1
    on = _is_on(slots, marks)
    fires = on & (slots["state"] == State.FIRING)
    waits = fires & ~acknowledged.covers(slots["alert"], slots["severity"])
    found["alerts"], found["waiting"] = on.sum(axis=1), waits.sum(axis=1)
    found["urgency"] = _urgency(slots["severity"], fires, waits).max(axis=1, initial=0)
    keys = alert_keys(slots, marks, acknowledged)
    found["first"] = keys.min(axis=1, initial=NO_ALERT)
    is_first = keys == found["first"][:, None]
    found["alert"] = slots["alert"].min(axis=1, initial=_NO_ID, where=is_first)
    return found


def _urgency(
    severity: NDArray[np.int8], fires: NDArray[np.bool_], waits: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """By severity, and of two as severe the one that nobody has acknowledged."""
    return np.where(fires, 2 * severity + waits + 1, 0).astype(np.uint8)


def _is_on(slots: NDArray[np.void], marks: NDArray[np.uint16]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (slots["state"] != State.NORMAL) & (slots["mark"] == marks)
    return found
