"""Health: ready or not and why, alive or not."""

import logging

import pytest

from bpstream.stream import health as health_module
from bpstream.stream.health import Health


@pytest.fixture
def health():
    return Health(lambda: {"readings": 7})


@pytest.fixture
def ready(health):
    health.ready()
    return health


def test_a_worker_that_starts_is_not_ready_and_says_so(health):
    assert health.reasons() == ["the worker is starting"]


def test_a_worker_with_its_partitions_is_ready(ready):
    assert ready.reasons() == []


def test_trouble_of_a_part_is_a_reason_until_it_is_cleared(ready):
    ready.trouble("index", "Elasticsearch is away")
    ready.trouble("archive", "the disk is full")
    assert ready.reasons() == ["Elasticsearch is away", "the disk is full"]
    ready.clear("index")
    assert ready.reasons() == ["the disk is full"]


def test_partitions_that_move_are_a_reason_until_they_are_there(ready):
    ready.moving()
    assert ready.reasons() == ["partitions are moving between workers"]
    ready.ready()
    assert ready.reasons() == []


def test_having_partitions_does_not_hide_what_troubles_a_part(health):
    health.trouble("index", "Elasticsearch is away")
    health.ready()
    assert health.reasons() == ["Elasticsearch is away"]


def test_a_part_that_no_reading_waits_for_is_a_warning_and_the_worker_stays_ready(ready):
    ready.warn("webhook", "the webhook is away")
    ready.trouble("index", "Elasticsearch is away")
    assert (ready.reasons(), ready.warnings()) == (
        ["Elasticsearch is away"],
        ["the webhook is away"],
    )
    ready.clear("index")
    assert (ready.reasons(), ready.warnings()) == ([], ["the webhook is away"])
    ready.clear("webhook")
    assert ready.warnings() == []


@pytest.mark.parametrize("say", [Health.trouble, Health.warn])
def test_trouble_is_said_once_a_reason_and_its_end_once(ready, caplog, say):
    caplog.set_level(logging.WARNING)
    for reason in ("it is away", "it is away", "it is slow", "it is slow"):
        say(ready, "index", reason)
    for _ in range(3):
        ready.clear("index")
    assert [record.message for record in caplog.records] == [
        "it is away; trying again",
        "it is slow; trying again",
        "index works again",
    ]


def test_the_status_has_the_workers_numbers_and_what_its_sinks_say(ready):
    ready.trouble("index", "Elasticsearch is away")
    ready.warn("webhook", "the webhook is away")
    assert ready.status() == {
        "readings": 7,
        "index": "Elasticsearch is away",
        "archive": "ok",
        "webhook": "the webhook is away",
        "alertmanager": "ok",
    }


@pytest.mark.parametrize(("seconds", "live"), [(0, True), (29.9, True), (30, False), (600, False)])
def test_a_loop_that_has_not_turned_for_half_a_minute_is_not_alive(monkeypatch, seconds, live):
    clock = Clock()
    monkeypatch.setattr(health_module, "time", clock)
    health = Health(dict)
    health.turn()
    clock.now += seconds
    assert health.dead() == ([] if live else [f"the worker's loop has not turned for {seconds} s"])


def test_a_stuck_partition_is_not_alive_until_it_moves_and_is_said_once(ready, caplog):
    caplog.set_level(logging.ERROR)
    for _ in range(2):
        ready.stuck(["fhir 2"])
        assert ready.dead() == ["fhir 2 has messages and does not move"]
    ready.stuck([])
    assert ready.dead() == []
    assert caplog.messages == ["fhir 2 has messages and does not move: a restart would help"]


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now
