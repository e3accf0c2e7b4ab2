"""The technical alarm that intake is paused: a store does not take what a partition holds.

The alert's id comes from where the partition stands, and its checkpoint holds it: a worker
that is restarted, or another that takes the partition over, goes on with the same alert.
"""

import time
from typing import Any

from msgspec.structs import replace

from bpstream.alert import FIRING, RECOVERED, TECHNICAL, Alert, technical_id
from bpstream.checkpoint import Paused
from bpstream.document import iso
from bpstream.stream.alerts import Alerts
from bpstream.stream.tables import OwnedPartition, PatientTable

RULE = "intake_paused"
_TITLE = "Intake paused"
_SEVERITY = "high"


class Intake:
    """Tells when a partition's intake pauses, and when it goes on."""

    def __init__(self, alerts: Alerts, table: PatientTable, *, app_id: str) -> None:
        self._alerts, self._table, self._app_id = alerts, table, app_id

    async def paused(self, partition: OwnedPartition, part: str, reason: str) -> None:
        """The store `part` has not taken a step of `partition` for some time."""
        if partition.paused is not None:
            return
        written = partition.written
        now = time.time_ns() // 1000
        stands_at = sorted((topic, *applied) for topic, applied in written.applied.items())
        alert_id = technical_id(RULE, self._app_id, partition.number, written.lineage, stands_at)
        paused = Paused(alert_id, now)
        message = f"partition {partition.number} waits for the {part}: {reason}"
        await self._alerts.publish([_alert(paused, FIRING, message, now)])
        partition.paused = paused
        # What was written last, and not what is judged already.
        await self._table.write(partition, replace(written, paused=paused))

    async def resumed(self, partition: OwnedPartition) -> None:
        """The stores have what they did not take; to be called before it is written down."""
        if partition.paused is None:
            return
        now = time.time_ns() // 1000
        message = f"partition {partition.number} goes on"
        await self._alerts.publish([_alert(partition.paused, RECOVERED, message, now)])
        partition.paused = None


def shown(paused: Paused) -> dict[str, Any]:
    """The alert while it lasts, as the web shows it."""
    return {
        "alert_id": paused.alert_id,
        "patient_id": None,
        "rule": RULE,
        "title": _TITLE,
        "kind": TECHNICAL,
        "state": FIRING,
        "severity": _SEVERITY,
        "since": iso(paused.since),
        "last_at": iso(paused.since),
    }


def _alert(paused: Paused, state: str, message: str, now: int) -> Alert:
    return Alert(
        alert_id=paused.alert_id,
        patient_id=None,
        rule=RULE,
        title=_TITLE,
        kind=TECHNICAL,
        state=state,
        severity=_SEVERITY,
        since=iso(paused.since),
        taken_at=iso(now),
        message=message,
    )
