"""Fitting: what patients' rows hold of alerts, to the rules that hold now.

Rules may be reordered, added and removed between two runs of a worker.  A slot knows its rule
by a mark of 16 bits; the checkpoint holds the rules' names, so that what a removed one has left
firing can be told as over.
"""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from bpstream.alert import RECOVERED, Alert
from bpstream.checkpoint import RuleName
from bpstream.clinical.alarm_rule import Rule, mark_of
from bpstream.clinical.alarms import SLOT, State
from bpstream.document import iso
from bpstream.patients import Patients
from bpstream.telling import said

_NOBODY_KNOWS = RuleName("removed", "A rule that was removed", "physiological")


def names_of(rules: Sequence[Rule]) -> tuple[RuleName, ...]:
    """What is to be remembered of the rules."""
    return tuple(RuleName(rule.name, rule.title, rule.kind.value) for rule in rules)


def fit(
    patients: Patients, rules: Sequence[Rule], before: Sequence[RuleName], *, now: int
) -> tuple[list[Alert], Sequence[str]]:
    """Move every alert to its rule's slot; returns the alerts of removed rules, and who changed.

    `before` are the rules by which the rows were judged; `now` is in µs since 1970 UTC.
    """
    slots = patients.rows["alarms"]
    marks = np.zeros(slots.shape[1], np.uint16)
    marks[: len(rules)] = [rule.mark for rule in rules]
    place = {int(mark): at for at, mark in enumerate(marks[: len(rules)])}
    known = {mark_of(rule.name): rule for rule in before}
    is_elsewhere = (slots["state"] != State.NORMAL) & (slots["mark"] != marks)
    changed = np.flatnonzero(is_elsewhere.any(axis=1))
    alerts = []
    for position, patient_id in zip(changed.tolist(), patients.ids(changed), strict=True):
        held, fitted = slots[position].copy(), np.zeros(slots.shape[1], SLOT)
        for slot in held[held["state"] != State.NORMAL]:
            mark = int(slot["mark"])
            if mark in place:
                fitted[place[mark]] = slot
            elif slot["state"] == State.FIRING:
                rule = known.get(mark, _NOBODY_KNOWS)
                message = f"{rule.title}: over; its rule was removed"
                over = said(rule, slot, RECOVERED, message)
                over = replace(over, patient_id=patient_id, taken_at=iso(now))
                alerts.append(over)
        slots[position] = fitted
    return alerts, patients.ids(changed)
