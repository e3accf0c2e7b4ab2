"""A broker that is killed and started again in the middle of a load: the worker goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.loads import Hospital
from tests.faults.run import Run
from tests.integration.workers import until
from tests.services import Service

pytestmark = pytest.mark.services


def test_a_worker_resumes_by_itself_after_its_broker_was_killed_under_load(
    elasticsearch: str, service: Callable[..., Service], tmp_path: Path
) -> None:
    broker = service("kafka")
    with Run(tmp_path, kafka=broker.address, elasticsearch=elasticsearch) as run:
        worker = run.worker()
        with run.sending(Hospital(seed=8), rate=300) as sending:
            until(lambda: len(run.sent) > 600, 60, worker.told)
            broker.kill()
            before = len(run.sent)
            broker.start()
            until(lambda: len(run.sent) > before + 600, 60, worker.told)
            assert sending.is_sending
        run.drained()
        run.check(worker)
        assert worker.status("/health/ready") == 200
        assert worker.stop(within=10) == 0
