"""Alerts on their way out: to the alerts topic, and to the log.

They leave before the stores are asked.  A worker that crashes in between publishes them
again, with the same ids.
"""

import logging
from collections import Counter
from collections.abc import Sequence

from bpstream.alert import FIRING, Alert
from bpstream.stream.metrics import Metrics
from bpstream.stream.publish import Publisher, Record

log = logging.getLogger(__name__)

_LINES_AT_ONCE = 20
"""A ward in trouble is said in so many lines; a replay of a day in one more."""


class Alerts:
    """The alerts topic, as it is written."""

    def __init__(
        self, publisher: Publisher, *, topic: str, partitions: int, metrics: Metrics
    ) -> None:
        self._publisher, self._topic, self._partitions = publisher, topic, partitions
        self._metrics = metrics

    async def publish(self, alerts: Sequence[Alert]) -> None:
        """Return once Kafka has every alert."""
        if not alerts:
            return
        await self._publisher.publish(
            self._topic,
            [Record((alert.patient_id or alert.rule).encode(), alert.encode()) for alert in alerts],
            partitions=self._partitions,
        )
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
                "technical" if alert.patient_id is None else f"patient {alert.patient_id}",
            )
        if len(alerts) > _LINES_AT_ONCE:
            log.warning("and %d more alerts at once", len(alerts) - _LINES_AT_ONCE)
