"""Alerts on their way out: to the alerts topic, and to the log.

They leave before the stores are asked.  A worker that crashes in between publishes them
again, with the same ids.
"""

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import cache

import numpy as np
from msgspec.structs import replace

from bpstream.acknowledgements import SaidBook
from bpstream.alert import CHANGED, FIRING, Alert
from bpstream.jsonlines import Parts, parts
from bpstream.raised import Raised
from bpstream.stream.metrics import Metrics
from bpstream.stream.packing import Columns
from bpstream.stream.publish import Publisher

log = logging.getLogger(__name__)

_SECOND = 1_000_000  # µs

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
        self._metrics, self._counter = metrics, cache(metrics.alerts.labels)
        self._said, self._forget = said or SaidBook(), forget
        self._log_patients = log_patients

    async def publish(self, alerts: Sequence[Alert]) -> None:
        """Return once Kafka has every alert; those that a person silenced are marked so."""
        if not alerts:
            return
        raised = alerts if isinstance(alerts, Raised) else Raised.of(alerts)
        records = Columns(raised.key, self._marked(raised))
        await self._publisher.publish(self._topic, records, partitions=self._partitions)
        over = [each for each in raised.over if self._said.was_acknowledged(each)]
        if over and self._forget is not None:
            await self._forget(over)
        now = time.time_ns() // 1000
        since = now - np.array(raised.fired_at, np.int64)
        self._metrics.alert_seconds.observe(since.clip(min=0) / _SECOND)
        for kind, count in Counter(raised.kind).items():
            self._counter(*kind).inc(count)
        for alert in raised[:_LINES_AT_ONCE]:
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

    def _about(self, alert: Alert) -> str:
        """What a line says the alert is about."""
        if alert.patient_id is None or not self._log_patients:
            return alert.kind
        return f"patient {_printable(alert.patient_id)}"

    def _marked(self, raised: Raised) -> Parts:
        """The lines; of a silenced alert one that says so.

        A recovery is told all the same: who knows of the alert is to know that it is over.
        """
        patients, rules = self._said.silenced()
        if not (patients or rules):
            return raised.line
        lines, now = raised.line.each(), time.time_ns() // 1000
        keys = {patient_id.encode() for patient_id in patients}
        for at, (key, (rule, severity, state)) in enumerate(
            zip(raised.key.each(), raised.kind, strict=True)
        ):
            if state not in (FIRING, CHANGED) or not (key in keys or rule in rules):
                continue
            alert = raised[at]
            if self._said.silence(alert.patient_id, rule, severity, now=now) is not None:
                lines[at] = replace(alert, silenced=True).encode()
        return parts(lines)


def _printable(patient_id: str) -> str:
    """The id where it is one of a line's words; else escaped, so that it cannot forge a line."""
    shown = patient_id if patient_id.isprintable() else ascii(patient_id)
    return shown if len(shown) <= _LONGEST_ID else f"{shown[:_LONGEST_ID]}…"
