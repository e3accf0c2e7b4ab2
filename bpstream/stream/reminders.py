"""Reminders: a critical alert that nobody acknowledged is said again, and again.

Which reminder it is comes from how long the alert has lasted, so a worker that is restarted,
or takes a patient over, goes on counting: at worst it says one again, under the same key.
"""

import time
from typing import Any

import mode

from bpstream.alert import FIRING, Alert
from bpstream.clinical.categories import Severity
from bpstream.stream.alerts import Alerts
from bpstream.stream.view import PatientView

_LOOK_EVERY = 5.0
_SECOND = 1_000_000  # µs
_MINUTE = 60 * _SECOND


class Reminders(mode.Service):
    """Says again what fires here."""

    abstract = False

    def __init__(self, patients: PatientView, alerts: Alerts, *, every: float) -> None:
        """`every` so many seconds; 0: never."""
        self._patients, self._alerts, self._every = patients, alerts, round(every * _SECOND)
        self._said: dict[int, int] = {}
        super().__init__()

    @mode.Service.timer(_LOOK_EVERY)
    async def _look(self) -> None:
        await self._alerts.publish(self.due(time.time_ns() // 1000))

    def due(self, now: int) -> list[Alert]:
        """The reminders that are due at `now` (µs since 1970 UTC) and were not said by this one."""
        if not self._every:
            return []
        said, due = {}, []
        for number, since, place in self._patients.firing(
            Severity.CRITICAL, since=now - self._every
        ):
            repeat, before = (now - since) // self._every, self._said.get(number, 0)
            said[number] = max(repeat, before)
            if repeat > before:
                alert = self._patients.alert_at(place)
                if not alert["acknowledged"] and not alert["silenced"]:
                    due.append(_reminder(alert, repeat, now - since))
        self._said = said
        return due


def _reminder(alert: dict[str, Any], repeat: int, lasted: int) -> Alert:
    names = ("alert_id", "patient_id", "rule", "title", "kind", "severity", "since")
    return Alert(
        **{name: alert[name] for name in names},
        state=FIRING,
        taken_at=alert["last_at"],
        message=f"{alert['title']}: nobody acknowledged it, {lasted // _MINUTE} min after it began",
        repeat=repeat,
    )
