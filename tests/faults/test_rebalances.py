"""Workers that come, go and stand still: their patients move with their state."""

from pathlib import Path

import pytest

from tests.faults.loads import Hospital
from tests.faults.run import Run
from tests.integration.workers import Worker, until
from tests.stream.brokers import make_topic

pytestmark = pytest.mark.services

RATE = 400.0  # messages a second
ALL = [0, 1, 2, 3]
MOVED_WITHIN = 40.0
"""Seconds: Kafka gives a member that says nothing up after ten."""


@pytest.fixture
def run(kafka: str, elasticsearch: str, tmp_path: Path) -> Run:
    return Run(tmp_path, kafka=kafka, elasticsearch=elasticsearch, BPSTREAM_BATCH_SIZE="100")


def test_one_two_and_one_worker_again_share_the_load_and_their_patients_states(run):
    with run:
        first = run.worker()
        with run.sending(Hospital(seed=1), rate=RATE):
            second = run.worker()
            until(lambda: first.partitions and second.partitions, MOVED_WITHIN, second.told)
            assert sorted(first.partitions + second.partitions) == ALL
            goes_on(second)
            assert first.stop(within=10) == 0
            until(lambda: second.partitions == ALL, MOVED_WITHIN, second.told)
            goes_on(second)
            third = run.worker()
            assert second.stop(within=10) == 0
            until(lambda: third.partitions == ALL, MOVED_WITHIN, third.told)
            assert run.lag() > 0
        run.drained()
        run.check(third)


def test_a_worker_frozen_past_its_session_does_no_harm_when_it_is_thawed(run):
    with run:
        make_topic(run.kafka, run.topic)
        with run.sending(Hospital(seed=2), rate=RATE):
            other, frozen = run.worker(ready=False), run.worker(ready=False)
            other.ready()
            frozen.ready()
            until(lambda: frozen.partitions and other.partitions, MOVED_WITHIN, frozen.told)
            goes_on(frozen)
            frozen.freeze()
            until(lambda: other.partitions == ALL, MOVED_WITHIN, other.told)
            goes_on(other)
            frozen.thaw()
            until(lambda: len(other.partitions) < len(ALL), MOVED_WITHIN, other.told)
            goes_on(frozen)
        run.drained()
        assert not frozen.ended()
        run.check(frozen)


def test_a_worker_that_is_put_out_of_the_group_comes_back_with_the_state_it_had(run):
    """It has read that state from the changelog: all of it must be read again."""
    with run:
        worker = run.worker()
        run.send(Hospital(patients=200, seed=4).take(1000))
        run.drained()
        assert worker.stop() == 0
        worker = run.worker()
        with run.sending(Hospital(seed=5), rate=50):
            goes_on(worker)
            run.bury()
            until(lambda: worker.log.read_text().count("ready, with") == 2, 20, worker.told)
            goes_on(worker)
        run.drained()
        run.check(worker)


def test_what_a_frozen_worker_writes_after_it_lost_its_partitions_does_not_count(run):
    """Frozen where the documents of a step are stored, and its changelog record is not."""
    with run:
        make_topic(run.kafka, run.topic)
        with run.sending(Hospital(seed=3), rate=RATE):
            frozen = run.crashing("before changelog", 12, "stop")
            until(lambda: "struck" in frozen.log.read_text(), MOVED_WITHIN, frozen.told)
            other = run.worker(ready=False)
            run.bury()
            other.ready()
            goes_on(other)
            frozen.thaw()
            goes_on(frozen)
            other.kill()
            last = run.worker(ready=False)
            run.bury()
            last.ready()
            goes_on(last)
        run.drained()
        run.check(last)


def goes_on(worker: Worker) -> None:
    """Return once the worker has done a few chunks more."""
    done = worker.metric("bpstream_chunks_total")
    until(lambda: worker.metric("bpstream_chunks_total") > done + 5, MOVED_WITHIN, worker.told)
