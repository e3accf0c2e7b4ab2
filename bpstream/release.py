"""Release: an alert that latches, and that somebody acknowledged, may recover.

What was acknowledged is not in the rows.  So the owner of a partition looks now and then at the
alerts that wait for it: a crash between the one and the other is made good by the next look.
"""

from collections.abc import Callable, Iterator

import numpy as np

from bpstream.alarms import Alarms
from bpstream.alert import Alert
from bpstream.batch import MOST_ROWS, Partition, Step
from bpstream.clinical.alarms import State
from bpstream.clinical.categories import SEVERITY_NAMES


class Release:
    """Tells the rows of a partition what was acknowledged."""

    def __init__(self, alarms: Alarms, is_acknowledged: Callable[[str, str], bool]) -> None:
        """`is_acknowledged` is asked for an alert by id and severity."""
        self._alarms, self._is_acknowledged = alarms, is_acknowledged
        self._rules = [(at, rule) for at, rule in enumerate(alarms.rules) if rule.latch]

    def steps(self, partition: Partition, *, now: int) -> Iterator[Step]:
        """What there is to say and to store; `now` is in µs since 1970 UTC."""
        patients = partition.patients
        state, alerts, changed = patients.rows, list[Alert](), set[int]()
        for at, rule in self._rules:
            slots = state["alarms"][:, at]
            fires = (slots["state"] == State.FIRING) & (slots["mark"] == rule.mark)
            for row in np.flatnonzero(fires & (slots["released"] == 0)).tolist():
                alert, severity = int(slots[row]["alert"]), SEVERITY_NAMES[slots[row]["severity"]]
                if len(changed) < MOST_ROWS and self._is_acknowledged(f"{alert:016x}", severity):
                    (patient_id,) = patients.ids(np.array([row]))
                    alerts += self._alarms.acknowledged(state[row], patient_id, alert, at=now)
                    changed.add(row)
        if changed:
            yield partition.step(np.array(sorted(changed), np.intp), alerts)
