"""Alert events to Prometheus' Alertmanager, by its API v2.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (postAlerts),
https://prometheus.io/docs/alerting/latest/alerts_api/ (when an alert is resolved).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple, Self

import msgspec
from tenacity.wait import wait_base

from bpstream.alert import ACKNOWLEDGED, RECOVERED, Alert
from bpstream.document import Refused
from bpstream.sinks.post import ATTEMPTS, PAUSES, TIMEOUT, Post

# A patient whose pressure is taken once a day is not to pass for recovered overnight.
_LASTS = timedelta(days=7)
# Farthest the clock of Alertmanager may be behind ours.  An end that has not come yet for it
# does not resolve an alert: it keeps the latest end it was told, which is that of _LASTS.
_CLOCKS_APART = timedelta(minutes=1)
# Some 500 kB.
_MOST_ALERTS = 500

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Entry(NamedTuple):
    position: int
    """Position of its event in the batch that was written."""
    body: Mapping[str, Any]
    """A postableAlert of the API."""


class Alertmanager:
    """Sends the last event of each alert in a batch, in one POST for them all.

    Alertmanager resolves an alert once its ``endsAt`` has passed, and where it was given none,
    `resolve_timeout` (5 minutes) after it was last sent: it expects its senders to repeat what
    still fires.  Alert events tell of changes, and nobody repeats them.  So one that fires
    ends `lasts` from now, anew with each event, and one that recovered at its `taken_at`.  An
    alert whose recovery never comes ends by itself; Alertmanager keeps alerts in memory, and
    one that is restarted does not know what fires until an event tells of it.

    An alert that fired and recovered within a batch is told as recovered, of which
    Alertmanager notifies nobody.  Acknowledgements are not sent: the API knows none, and one
    that comes after the recovery would have the alert fire again.
    """

    def __init__(
        self,
        url: str,
        *,
        lasts: timedelta = _LASTS,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        pauses: wait_base = PAUSES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Send to ``<url>/api/v2/alerts``, up to `attempts` times, `pauses` and `timeout` in
        seconds.

        Makes no request: an Alertmanager that is away is no reason not to start.  Raises
        :class:`StartError` where `url` is none that can be sent to.
        """
        self._post = Post(
            url, path="api/v2/alerts", timeout=timeout, attempts=attempts, pauses=pauses
        )
        self._lasts, self._clock = lasts, clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; a later call opens them again."""
        await self._post.close()

    async def write(self, events: Sequence[bytes]) -> list[Refused]:
        """Return once every alert is taken, or refused for good; else raise SinkError.

        Writing a batch again changes nothing but the end of what fires.
        """
        now = datetime.fromtimestamp(self._clock(), UTC)
        latest: dict[str, _Entry] = {}
        refused = []
        for position, event in enumerate(events):
            try:
                alert = msgspec.json.decode(event, type=Alert)
                entry = _Entry(position, self._body(alert, now))
            except (ValueError, RecursionError) as error:
                refused.append(Refused(position, f"no alert event: {error}"))
                continue
            if alert.state != ACKNOWLEDGED:
                latest[alert.alert_id] = entry
        alerts = list(latest.values())
        for start in range(0, len(alerts), _MOST_ALERTS):
            refused += await self._send(alerts[start : start + _MOST_ALERTS])
        return sorted(refused)

    async def _send(self, alerts: Sequence[_Entry]) -> list[Refused]:
        """Send them in one request, or in ever smaller ones until the refused ones are alone.

        Alertmanager takes the others of a request it refuses; a proxy before it does not.
        """
        reason = await self._post.send(msgspec.json.encode([alert.body for alert in alerts]))
        if not reason:
            return []
        if len(alerts) == 1:
            return [Refused(alerts[0].position, reason)]
        middle = len(alerts) // 2
        return await self._send(alerts[:middle]) + await self._send(alerts[middle:])

    def _body(self, alert: Alert, now: datetime) -> dict[str, Any]:
        since, taken_at = _moment(alert.since), _moment(alert.taken_at)
        recovered = alert.state == RECOVERED
        ends = min(taken_at, now - _CLOCKS_APART) if recovered else now + self._lasts
        # An alert that ends before it starts is refused.
        starts = min(since, ends)
        return {
            "labels": _labels(alert),
            "annotations": _annotations(alert),
            "startsAt": starts,
            "endsAt": ends,
        }


def _moment(text: str) -> datetime:
    return msgspec.convert(text, _Moment)


def _labels(alert: Alert) -> dict[str, str]:
    """What makes it this alert and no other: its severity may change while it fires."""
    labels = {
        "alertname": alert.rule,
        "alert_id": alert.alert_id,
        "kind": alert.kind,
        "service": "bpstream",
    }
    if alert.patient_id is not None:
        labels["patient_id"] = alert.patient_id
    return labels


def _annotations(alert: Alert) -> dict[str, str]:
    values = {
        "summary": alert.title,
        "description": alert.message,
        "severity": alert.severity,
        "state": alert.state,
        "taken_at": alert.taken_at,
        "measure": alert.measure,
        "limit": alert.limit,
        "systolic": alert.systolic,
        "diastolic": alert.diastolic,
        "mean": alert.mean,
        "document_id": alert.document_id,
    }
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"
