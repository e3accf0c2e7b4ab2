"""A webhook that is away: nobody waits for it, and afterwards it has every alert event."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import stored
from tests.faults.hook import Hook
from tests.faults.killable import running
from tests.faults.loads import Hospital
from tests.faults.run import Run
from tests.integration.workers import until

pytestmark = pytest.mark.services

SECRET = "a secret of both"
ALL_ARRIVED_WITHIN = 60.0


@pytest.fixture
def hook() -> Iterator[Hook]:
    with running(Hook(SECRET)) as receiver:
        yield receiver


def test_while_the_webhook_is_away_all_else_goes_on_and_no_event_is_lost_by_a_crash_either(
    hook: Hook, kafka: str, elasticsearch: str, tmp_path: Path
) -> None:
    with Run(
        tmp_path,
        kafka=kafka,
        elasticsearch=elasticsearch,
        BPSTREAM_WEBHOOK_URL=f"{hook.url}/alerts?token=1",
        BPSTREAM_WEBHOOK_SECRET=SECRET,
    ) as run:
        worker, hospital = run.worker(), Hospital(seed=12)
        run.send(hospital.take(300))
        run.drained()
        until(lambda: missing(run, hook) == [], ALL_ARRIVED_WITHIN, worker.told)
        assert hook.received

        hook.kill()
        run.send(hospital.take(600))
        run.drained()
        run.check(worker)
        assert worker.status("/health/live") == 200
        assert missing(run, hook)

        worker.kill()
        run.bury()
        worker = run.worker()
        run.send(hospital.take(300))
        run.drained()
        assert missing(run, hook)

        hook.start()
        until(lambda: missing(run, hook) == [], ALL_ARRIVED_WITHIN, worker.told)
        run.check(worker)
    assert all(SECRET not in worker.log.read_text() for worker in run.workers)
    assert all(each.signed for each in hook.received)
    assert all(each.key == key(each.event) for each in hook.received)


def missing(run: Run, hook: Hook) -> list[dict[str, Any]]:
    """Events of the alerts topic that have not arrived, as they stand there."""
    arrived = [each.event for each in hook.received]
    topic = run.settings["BPSTREAM_ALERTS_TOPIC"]
    return [event for event in stored.published(run.kafka, topic) if event not in arrived]


def key(event: dict[str, Any]) -> str:
    return f"{event['alert_id']}:{event['state']}:{event['severity']}"
