"""A worker that is killed, wherever it stands: the next one goes on, nothing is lost or twice."""

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.loads import Hospital
from tests.faults.run import Run
from tests.integration.workers import START_WITHIN, Worker, until
from tests.stream.brokers import make_topic

pytestmark = pytest.mark.services

RATE = 400.0  # messages a second
DIES_WITHIN = 30.0

# Where a worker is killed, and the how manyth time it comes there.  Each worker goes on where
# the one before it died, and dies at the next point; steps of a chunk are small, so that a
# record of the changelog is often one between two steps.
DEATHS = {
    "segments": [
        ("before fdatasync", 9),
        ("after fdatasync", 9),
        # The partitions are taken over: their last segments are being sealed.
        ("before replace", 1),
        ("after replace", 1),
        ("before bulk", 7),
        ("after bulk", 7),
    ],
    "files": [
        ("before fsync", 60),
        ("after fsync", 60),
        ("before replace", 60),
        ("after replace", 60),
    ],
    "state": [
        ("before changelog", 12),
        ("after changelog", 12),
        ("before commit", 2),
        ("after commit", 2),
    ],
    "topics": [
        ("before dead letters", 5),
        ("after dead letters", 5),
        ("before way home", 5),
        ("after way home", 5),
        ("before alerts", 5),
        ("after alerts", 5),
    ],
}


@pytest.fixture
def new_run(kafka: str, elasticsearch: str, tmp_path: Path) -> Callable[..., Run]:
    return lambda **settings: Run(tmp_path, kafka=kafka, elasticsearch=elasticsearch, **settings)


@pytest.mark.parametrize("deaths", DEATHS)
def test_a_worker_killed_at_any_point_of_its_work_leaves_all_to_the_next(new_run, deaths):
    layout = "files" if deaths == "files" else "segments"
    with new_run(BPSTREAM_ARCHIVE_LAYOUT=layout, BPSTREAM_BATCH_SIZE="100") as run:
        make_topic(run.kafka, run.topic)
        with run.sending(Hospital(patients=200, seed=1), rate=RATE) as sender:
            for point, at in DEATHS[deaths]:
                worker = run.crashing(point, at)
                assert dies(worker) == -signal.SIGKILL, worker.told()
                assert f"struck {point}" in worker.log.read_text()
                assert sender.is_sending
                assert run.lag() > 0
                run.bury()
        last = run.worker()
        run.drained()
        run.check(last)


def dies(worker: Worker) -> int:
    """The exit status of a worker that ends by itself."""
    assert worker.process is not None
    # It may end before it is ready; its start has the time that any worker's has.
    until(
        lambda: worker.ended() or worker.status("/health/ready") == 200, START_WITHIN, worker.told
    )
    until(worker.ended, DIES_WITHIN, worker.told)
    return int(worker.process.returncode)


def test_workers_killed_at_random_moments_lose_nothing_and_do_nothing_twice(new_run):
    chance = random.Random(2)
    with new_run(BPSTREAM_BATCH_SIZE="100") as run:
        workers = [run.worker(), run.worker()]
        struck = 0
        with run.sending(Hospital(seed=2), rate=RATE):
            for _ in range(5):
                time.sleep(chance.uniform(0, 2))
                killed = chance.randrange(2)
                workers[killed].kill()
                struck += run.lag() > 0
                if chance.random() < 0.5:
                    workers[1 - killed].kill()
                    workers[1 - killed] = run.worker(ready=False)
                workers[killed] = run.worker(ready=False)
                # The living one is put out of the group as well, in the middle of its work.
                run.bury()
                for worker in workers:
                    worker.ready()
        assert struck, "nothing was left to do when the workers were killed"
        run.drained()
        run.check(workers[0])


def test_a_worker_that_is_asked_to_end_commits_all_it_did_before_it_does(new_run):
    with new_run(BPSTREAM_BATCH_SIZE="100") as run:
        worker = run.worker()
        with run.sending(Hospital(seed=3), rate=RATE) as sender:
            for _ in range(3):
                done = worker.metric("bpstream_chunks_total")
                until(lambda: worker.metric("bpstream_chunks_total") > done, 10, worker.told)  # noqa: B023
                assert worker.stop(signal.SIGTERM, within=10) == 0
                assert "Traceback" not in worker.log.read_text()
                assert sender.is_sending
                assert run.lag() > 0
                worker = run.worker()
                until(lambda: worker.metric("bpstream_chunks_total") > 0, 10, worker.told)  # noqa: B023
                assert worker.metric("bpstream_redelivered_total") == 0
        run.drained()
        run.check(worker)


def test_a_worker_on_an_empty_disk_knows_all_that_was_counted(new_run):
    with new_run() as run:
        first = run.worker()
        run.send(Hospital(seed=4).take(1000))
        run.drained()
        first.kill()
        shutil.rmtree(run.folder / first.name)
        run.bury()
        again = run.worker(first.name)
        run.check(again)
        run.send(Hospital(seed=5).take(1000))
        run.drained()
        run.check(again)
