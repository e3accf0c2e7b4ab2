"""The desk: what people ask of a worker about its alerts, its patients' limits, its silences.

Requests are taken one after the other, so that of two who acknowledge an alert the first counts
and the second is told.  A body is JSON; ValueError says what is wrong with one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import msgspec

from bpstream.acknowledgements import (
    Acknowledge,
    Acknowledgement,
    SaidBook,
    Silencing,
    silence_of,
)
from bpstream.alert import ACKNOWLEDGED, FIRING, Alert
from bpstream.clinical.conditions import one_of
from bpstream.document import iso
from bpstream.errors import Conflict, NotFound
from bpstream.limits import Change, LimitBook, PatientLimits, changed
from bpstream.settings import Settings
from bpstream.stream.alerts import Alerts
from bpstream.stream.followed import Followed
from bpstream.stream.view import PatientView

Json = dict[str, Any]


class Desk:
    """Answers for the patients of this worker; silences are for all."""

    def __init__(
        self,
        settings: Settings,
        *,
        patients: PatientView,
        alerts: Alerts,
        followed: Followed,
        limits: LimitBook,
        said: SaidBook,
        defaults: Mapping[str, float],
        rules: Collection[str],
        history: Callable[..., Awaitable[Json]],
    ) -> None:
        """`defaults` are the limits that the `rules` have.

        `history` gives the alerts topic `since` a time (ms since 1970), at most `limit` events.
        """
        self._settings, self._patients, self._alerts = settings, patients, alerts
        self._followed, self._limits, self._said = followed, limits, said
        self._defaults, self._rules = defaults, rules
        self.history = history
        self._one_at_a_time = asyncio.Lock()

    async def acknowledge(self, alert_id: str, body: bytes) -> Json:
        """Acknowledge an alert that fires; returns it as it is then.

        Raises :class:`NotFound` for one that does not fire here, :class:`Conflict` where it is
        pending, or acknowledged already.
        """
        asked = msgspec.json.decode(body, type=Acknowledge)
        async with self._one_at_a_time:
            alert = self._patients.alert(alert_id)
            if alert is None:
                raise NotFound("no alert with this id fires: it is over, or there was none")
            if alert["state"] != FIRING:
                raise Conflict("the alert is pending: it does not fire yet", alert=alert)
            if (earlier := alert["acknowledged"]) is not None:
                sentence = f"{earlier['by']} acknowledged the alert at {earlier['at']}"
                raise Conflict(sentence, alert=alert)
            names = ("alert_id", "patient_id", "rule", "severity")
            said = Acknowledgement(
                **{name: alert[name] for name in names},
                by=asked.by,
                comment=asked.comment,
                at=iso(_now()),
            )
            # First what others hear: whoever gets no answer asks again, and hears it again.
            await self._alerts.publish([_event(alert, said)])
            await self._followed.write(
                self._settings.acknowledgements_topic, said.key, said.encode()
            )
        return self._patients.alert(alert_id) or alert

    async def silence(self, body: bytes) -> Json:
        """Begin a silence, or end one with 0 minutes; returns those that last."""
        asked = msgspec.json.decode(body, type=Silencing)
        if asked.rule is not None and asked.rule not in self._rules:
            raise ValueError(f"{asked.rule!r} is no rule; {one_of(self._rules, asked.rule)}")
        silence = silence_of(asked, now=_now())
        value = silence.encode() if asked.minutes else None
        topic = self._settings.acknowledgements_topic
        await self._followed.write(topic, silence.key, value)
        return self.silences()

    def silences(self) -> Json:
        """The silences that last."""
        return {"silences": self._said.silences(now=_now())}

    async def set_limits(self, patient_id: str, body: bytes) -> Json:
        """Change the patient's limits, all or none; returns what holds then."""
        asked = msgspec.json.decode(body, type=Change)
        async with self._one_at_a_time:
            before = self._limits.of(patient_id) or PatientLimits(patient_id)
            after = changed(before, asked, defaults=self._defaults, now=_now())
            await self._followed.write(
                self._settings.limits_topic, patient_id.encode(), after.encode()
            )
        return self._patients.limits(patient_id)


def _now() -> int:
    return time.time_ns() // 1000


def _event(alert: Json, said: Acknowledgement) -> Alert:
    names = ("alert_id", "patient_id", "rule", "title", "kind", "severity", "since")
    return Alert(
        **{name: alert[name] for name in names},
        state=ACKNOWLEDGED,
        taken_at=alert["last_at"],
        message=f"{alert['title']}: acknowledged by {said.by}",
        by=said.by,
        comment=said.comment,
        at=said.at,
    )
