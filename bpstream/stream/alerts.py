"""Alerts on their way out: to the alerts topic, and to the log.

They leave before the stores are asked.  A worker that crashes in between publishes them
again, with the same ids.
"""

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from bpstream.acknowledgements import SaidBook
from bpstream.alert import CHANGED, FIRING, PHYSIOLOGICAL, RECOVERED, Alert
from bpstream.stream.metrics import Metrics
from bpstream.stream.publish import Publisher, Record

log = logging.getLogger(__name__)

_LINES_AT_ONCE = 20
"""A ward in trouble is said in so many lines; a replay of a day in one more."""

_LONGEST_ID = 100
"""Characters of a patient's id in a line; one of FHIR has at most 64."""


class Alerts:
    """The alerts topic, as it is written."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        topic: str,
        partitions: int,
        metrics: Metrics,
        said: SaidBook | None = None,
        forget: Callable[[Sequence[str]], Awaitable[None]] | None = None,
        log_patients: bool = True,
    ) -> None:
        """`forget` is told of alerts that are over and of which something was `said`.

        `log_patients`: lines of the log name the patient; else their alert's id leads to it.
        """
        self._publisher, self._topic, self._partitions = publisher, topic, partitions
        self._metrics = metrics
        self._said, self._forget = said or SaidBook(), forget
        self._log_patients = log_patients

    async def publish(self, alerts: Sequence[Alert]) -> None:
        """Return once Kafka has every alert; those that a person silenced are marked so."""
        if not alerts:
            return
        now = time.time_ns() // 1000
        alerts = [self._marked(alert, now) for alert in alerts]
        await self._publisher.publish(
            self._topic,
            [Record((alert.patient_id or alert.rule).encode(), alert.encode()) for alert in alerts],
            partitions=self._partitions,
        )
        over = [
            alert.alert_id
            for alert in alerts
            if alert.state == RECOVERED and self._said.was_acknowledged(alert.alert_id)
        ]
        if over and self._forget is not None:
            await self._forget(over)
        self._tell_how_late(alerts)
        kinds = Counter((alert.rule, alert.severity, alert.state) for alert in alerts)
        for kind, count in kinds.items():
            self._metrics.alerts.labels(*kind).inc(count)
        for alert in alerts[:_LINES_AT_ONCE]:
            # The message holds pressures, which have no place in a log.
            level = logging.WARNING if alert.state == FIRING else logging.INFO
            log.log(
                level,
                "alert %s %s: %s, %s, %s",
                alert.alert_id,
                alert.state,
                alert.rule,
                alert.severity,
                self._about(alert),
            )
        if len(alerts) > _LINES_AT_ONCE:
            log.warning("and %d more alerts at once", len(alerts) - _LINES_AT_ONCE)

    def _tell_how_late(self, alerts: Sequence[Alert]) -> None:
        """Observe the time from a reading to what it made fire; of a silence no reading tells."""
        now = datetime.now(UTC)
        for alert in alerts:
            if alert.kind == PHYSIOLOGICAL and alert.state == FIRING and not alert.repeat:
                late = now - datetime.fromisoformat(alert.taken_at)
                self._metrics.alert_seconds.observe(max(0.0, late.total_seconds()))

    def _about(self, alert: Alert) -> str:
        """What a line says the alert is about."""
        if alert.patient_id is None or not self._log_patients:
            return alert.kind
        return f"patient {_printable(alert.patient_id)}"

    def _marked(self, alert: Alert, now: int) -> Alert:
        """A recovery is told all the same: who knows of the alert is to know that it is over."""
        if alert.state not in (FIRING, CHANGED):
            return alert
        silence = self._said.silence(alert.patient_id, alert.rule, alert.severity, now=now)
        return alert if silence is None else replace(alert, silenced=True)


def _printable(patient_id: str) -> str:
    """The id where it is one of a line's words; else escaped, so that it cannot forge a line."""
    shown = patient_id if patient_id.isprintable() else ascii(patient_id)
    return shown if len(shown) <= _LONGEST_ID else f"{shown[:_LONGEST_ID]}…"
