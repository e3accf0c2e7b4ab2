"""The life of an alarm, told step by step (`make demo-alarms`), through a SIGKILL at each step."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from tests.faults.group import lag, leave
from tests.integration.ward import Ward, events
from tests.integration.workers import Worker, names, until, worker

pytestmark = pytest.mark.services

PATIENT = "PAT-001"
RULE = "systolic_hypertension"
WITHIN = 30.0


class Bed:
    """One patient, and the worker that watches."""

    def __init__(self, kafka: str, settings: dict[str, str], watching: Worker) -> None:
        self.kafka, self.settings, self.watching = kafka, settings, watching
        self._ward = Ward(kafka, settings["BPSTREAM_TOPIC"], [PATIENT])

    def take(self, systolic: float) -> None:
        self._ward.take(systolic)
        print(f"  systolic {systolic:g}")

    def shown(self) -> Any:
        """The alert as the page has it; None where there is none."""
        alerts = self.watching.get("/alerts/")["alerts"]
        return next((each for each in alerts if each["rule"] == RULE), None)

    def is_shown(self, state: str, *, by: str | None = None) -> Any:
        """The alert once the page has it so, also after the worker was killed and came back."""
        for _ in range(2):
            found = until(lambda: self._shown_as(state, by), WITHIN, self.watching.told)
            self._crash()
        print(f"{state}{f', acknowledged by {by}' if by else ''}: {found['alert_id']}")
        return found

    def is_gone(self) -> None:
        for _ in range(2):
            until(lambda: self.shown() is None, WITHIN, self.watching.told)
            self._crash()
        print("recovered")

    def on_the_topic(self, alert_id: str) -> list[tuple[str, str | None]]:
        """State of each event, and who acknowledged."""
        return [(each["state"], each["by"]) for each in events(self.kafka, self.settings, alert_id)]

    def in_the_log(self, alert_id: str) -> list[str]:
        """The states that the log tells of."""
        return re.findall(rf"alert {alert_id} (\w+)", self.watching.log.read_text())

    def _shown_as(self, state: str, by: str | None) -> Any:
        found = self.shown()
        said = (found or {}).get("acknowledged") or {"by": None}
        return found if found and (found["state"], said["by"]) == (state, by) else None

    def _crash(self) -> None:
        # Not between an alert and its commit: it would be published again, under its id.
        until(self._is_committed, WITHIN, self.watching.told)
        self.watching.kill()
        leave(self.kafka, self.settings["BPSTREAM_APP_ID"])
        self.watching.start().ready()

    def _is_committed(self) -> bool:
        group = {"bootstrap.servers": self.kafka, "group.id": self.settings["BPSTREAM_APP_ID"]}
        asking = Consumer(group)
        try:
            return not lag(asking, [self.settings["BPSTREAM_TOPIC"]])
        finally:
            asking.close()


def test_demo_alarms_a_crisis_is_pending_firing_acknowledged_and_recovered_and_no_crash_tells(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    settings = {
        **names(unique_name),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "archive"),
    }
    with worker(tmp_path, settings) as watching:
        bed = Bed(kafka, settings, watching.ready())
        bed.take(120)
        bed.take(150)
        pending = bed.is_shown("pending")["alert_id"]
        assert bed.on_the_topic(pending) == []

        bed.take(152)
        assert bed.is_shown("firing")["alert_id"] == pending
        assert bed.on_the_topic(pending) == [("firing", None)]

        said = watching.tell(
            f"/alerts/{pending}/acknowledge", {"by": "Ann", "comment": "on my way"}
        )
        assert said == 200
        assert bed.is_shown("firing", by="Ann")["alert_id"] == pending

        bed.take(154)
        bed.take(120)
        bed.take(121)
        bed.is_gone()
        told = ["firing", "acknowledged", "recovered"]
        assert bed.on_the_topic(pending) == [(told[0], None), (told[1], "Ann"), (told[2], None)]
        assert bed.in_the_log(pending) == told
