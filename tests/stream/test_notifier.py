"""Notifiers on a real broker: what is sent, how often, and what happens while it cannot be."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import Producer

from bpstream.document import Refused
from bpstream.errors import SinkError
from bpstream.settings import Settings
from bpstream.stream import notifier as notifier_module
from bpstream.stream.health import Health
from bpstream.stream.metrics import Metrics, total
from bpstream.stream.notifier import Notifier, notifiers
from tests.stream.brokers import make_topic
from tests.stream.helpers import an_alert

SOON = 40.0
AWAY = "the webhook is away"


class Inbox:
    """A receiver that takes what it is sent, unless the test tells it otherwise."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.away = False
        self.refuses: set[bytes] = set()
        self.never_answers = False
        self.attempts = 0
        self.closed = False

    async def write(self, events: Sequence[bytes]) -> list[Refused]:
        self.attempts += 1
        if self.away:
            raise SinkError(AWAY)
        self.sent += events
        if self.never_answers:
            await asyncio.Event().wait()
        return [Refused(at, "no") for at, event in enumerate(events) if event in self.refuses]

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def settings(kafka: str, unique_name) -> Settings:
    topic = make_topic(kafka, unique_name("alerts"), partitions=2)
    return Settings(broker=f"kafka://{kafka}", app_id=unique_name("app"), alerts_topic=topic)


@pytest.fixture
async def health() -> Health:
    health = Health(dict)
    health.ready()
    return health


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def new_notifier(settings: Settings, health: Health, metrics: Metrics) -> Callable[..., Notifier]:
    return lambda receiver, name="webhook": Notifier(
        name, receiver, settings, health=health, metrics=metrics
    )


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def publish(
    settings: Settings, *values: bytes | None, ago: float = 0.0, partition: int = 0
) -> None:
    """Alerts that were raised so many seconds ago."""
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    at = time.time_ns() // 1_000_000 - round(1000 * ago)
    for value in values:
        producer.produce(settings.alerts_topic, value, partition=partition, timestamp=at)
    assert producer.flush(10) == 0


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.services
async def test_alerts_are_sent_in_their_order_from_the_workers_start_on(
    settings, new_notifier, inbox
):
    publish(settings, b"long ago", ago=3600)
    publish(settings, b"before the start", ago=1, partition=1)
    notifier = new_notifier(inbox)
    publish(settings, b"1", b"2")
    async with notifier:
        await until(lambda: inbox.sent == [b"1", b"2"])
        publish(settings, b"3")
        await until(lambda: inbox.sent == [b"1", b"2", b"3"])
        publish(settings, b"4", partition=1)
        await until(lambda: inbox.sent == [b"1", b"2", b"3", b"4"])
    assert inbox.closed


@pytest.mark.services
async def test_what_a_person_silenced_is_not_sent(settings, new_notifier, inbox):
    loud, quiet = an_alert().encode(), an_alert(silenced=True).encode()
    async with new_notifier(inbox):
        publish(settings, quiet, loud, quiet)
        publish(settings, b"last")
        await until(lambda: inbox.sent == [loud, b"last"])


@pytest.mark.services
async def test_another_worker_goes_on_where_the_last_one_ended(settings, new_notifier, inbox):
    first = Inbox()
    async with new_notifier(first):
        publish(settings, b"1")
        await until(lambda: first.sent == [b"1"])
        publish(settings, b"2")
        await until(lambda: first.sent == [b"1", b"2"])  # by now the first is committed
    # Nobody is there, and these are older than the second one's start.
    publish(settings, b"3")
    publish(settings, b"4", partition=1)
    async with new_notifier(inbox):
        await until(lambda: {b"3", b"4"} <= set(inbox.sent))
    assert b"1" not in inbox.sent


@pytest.mark.services
async def test_what_was_sent_and_not_committed_is_sent_again(settings, new_notifier, inbox):
    """From the first alert on, though the second worker is started after it was raised."""
    frozen = Inbox()
    frozen.never_answers = True
    notifier = new_notifier(frozen)
    publish(settings, b"1", b"2")
    async with notifier:
        await until(lambda: frozen.sent == [b"1", b"2"])
    async with new_notifier(inbox):
        await until(lambda: inbox.sent == [b"1", b"2"])


@pytest.mark.services
async def test_a_receiver_that_is_away_is_tried_again_and_the_worker_is_warned_and_ready(
    settings, new_notifier, inbox, health, metrics, caplog
):
    inbox.away = True
    async with new_notifier(inbox):
        publish(settings, b"1", b"2")
        await until(lambda: inbox.attempts > 1)
        assert (health.warnings(), health.reasons()) == ([AWAY], [])
        assert health.status()["webhook"] == AWAY
        inbox.away = False
        await until(lambda: inbox.sent == [b"1", b"2"])
        await until(lambda: health.warnings() == [])
    assert caplog.messages.count(f"{AWAY}; trying again") == 1
    assert total(metrics.notified, receiver="webhook", outcome="retried") >= 1
    assert total(metrics.notified, receiver="webhook", outcome="sent") == 2


@pytest.mark.services
async def test_no_alert_is_passed_over_where_a_commit_fails(
    monkeypatch, settings, new_notifier, inbox
):
    notifier, failures = new_notifier(inbox), [KafkaConnectionError(), KafkaConnectionError()]
    for partition in range(2):
        publish(settings, b"%d" % partition, partition=partition)

    async def commit(consumer: Any, offsets: Any = None) -> None:
        if failures:
            raise failures.pop()
        await committed(consumer, offsets)

    committed = AIOKafkaConsumer.commit
    monkeypatch.setattr(AIOKafkaConsumer, "commit", commit)
    async with notifier:
        await until(lambda: set(inbox.sent) == {b"0", b"1"})


@pytest.mark.services
async def test_a_notifier_whose_receiver_is_away_ends_at_once_and_without_an_error(
    settings, new_notifier, inbox, caplog
):
    inbox.away = True
    notifier = new_notifier(inbox)
    await notifier.start()
    publish(settings, b"1")
    await until(lambda: inbox.attempts > 0)
    async with asyncio.timeout(5.0):
        await notifier.stop()
    assert notifier.crash_reason is None
    assert [each.message for each in caplog.records if each.levelno >= logging.ERROR] == []


@pytest.mark.services
async def test_a_notifier_that_waits_for_alerts_ends_without_an_error(
    settings, new_notifier, inbox, caplog
):
    notifier = new_notifier(inbox)
    await notifier.start()
    publish(settings, b"1")
    await until(lambda: inbox.sent == [b"1"])
    async with asyncio.timeout(5.0):
        await notifier.stop()
    assert notifier.crash_reason is None
    assert [each.message for each in caplog.records if each.levelno >= logging.ERROR] == []


@pytest.mark.services
async def test_what_a_receiver_refuses_is_counted_said_and_passed_over(
    settings, new_notifier, inbox, metrics, caplog
):
    inbox.refuses = {b"2"}
    async with new_notifier(inbox):
        publish(settings, b"1", b"2", b"3")
        await until(lambda: total(metrics.notified) == 3)
        publish(settings, b"4")
        await until(lambda: inbox.sent[-1] == b"4")
    assert total(metrics.notified, outcome="refused") == 1
    assert [each for each in caplog.messages if "refuses alert" in each] == [
        "webhook refuses alert 1 of 3: no"
    ]


@pytest.mark.services
async def test_a_record_without_a_value_is_sent_as_an_empty_event(settings, new_notifier, inbox):
    """Nobody publishes one; the receiver refuses it as it does whatever is no alert."""
    async with new_notifier(inbox):
        publish(settings, None, b"1")
        await until(lambda: inbox.sent == [b"", b"1"])


@pytest.mark.services
async def test_each_receiver_has_every_alert(settings, new_notifier):
    webhook, alertmanager = Inbox(), Inbox()
    async with new_notifier(webhook), new_notifier(alertmanager, "alertmanager"):
        alertmanager.away = True
        publish(settings, b"1")
        await until(lambda: webhook.sent == [b"1"])
        alertmanager.away = False
        await until(lambda: alertmanager.sent == [b"1"])


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, []),
        ({"webhook_url": "http://127.0.0.1:9/hook"}, ["webhook"]),
        ({"alertmanager_url": "http://127.0.0.1:9"}, ["alertmanager"]),
        (
            {"webhook_url": "http://127.0.0.1:9", "alertmanager_url": "http://127.0.0.1:9"},
            ["webhook", "alertmanager"],
        ),
    ],
)
async def test_there_is_a_notifier_for_each_receiver_that_the_settings_name(
    monkeypatch, health, metrics, environ, names
):
    made: list[str] = []

    def note(name: str, receiver: Any, *_: Any, **__: Any) -> None:
        assert type(receiver).__name__.lower() == name
        made.append(name)

    monkeypatch.setattr(notifier_module, "Notifier", note)
    notifiers(Settings(**environ), health=health, metrics=metrics)
    assert made == names
