"""Topics that every worker reads, on a real broker: from their start, and on from there."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Producer

from bpstream.document import iso
from bpstream.settings import Settings
from bpstream.stream import alert_history
from bpstream.stream.followed import Followed
from bpstream.stream.health import Health
from bpstream.stream.publish import Publisher
from tests.stream.brokers import make_topic
from tests.stream.helpers import an_alert

pytestmark = pytest.mark.services

SOON = 20.0


class Book:
    """What is said, by key; `bad` cannot be read."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def apply(self, key: bytes, value: bytes | None) -> None:
        if value == b"bad":
            raise ValueError(value)
        if value is None:
            self.held.pop(key, None)
        else:
            self.held[key] = value


@pytest.fixture
def settings(kafka: str, unique_name: Callable[[str], str]) -> Settings:
    return Settings(
        broker=f"kafka://{kafka}",
        limits_topic=make_topic(
            kafka, unique_name("limits"), partitions=3, config={"cleanup.policy": "compact"}
        ),
        alerts_topic=make_topic(kafka, unique_name("alerts"), partitions=2),
    )


def said(settings: Settings, **values: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for key, value in values.items():
        producer.produce(settings.limits_topic, value, key.encode())
    assert producer.flush(10) == 0


@asynccontextmanager
async def following(settings: Settings, book: Book, health: Health) -> AsyncIterator[Followed]:
    topic = settings.limits_topic
    async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers) as producer:
        publisher = Publisher(lambda: producer, health)
        followed = Followed(
            settings, {topic: book}, partitions={topic: 3}, publisher=publisher, health=health
        )
        async with followed:
            yield followed


@pytest.fixture
async def health() -> Health:
    health = Health(dict)
    health.ready()
    return health


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not holds():
            await asyncio.sleep(0.01)


async def test_all_that_was_said_is_known_once_it_is_started(settings, health):
    said(settings, **{f"p{n}": b"%d" % n for n in range(500)})
    said(settings, p1=None, p2=b"later", p3=b"bad")
    book = Book()
    async with following(settings, book, health):
        expected = {b"p%d" % n: b"%d" % n for n in range(500)} | {b"p2": b"later"}
        del expected[b"p1"]
        assert book.held == expected
        assert health.reasons() == []


async def test_an_empty_topic_keeps_nobody_waiting(settings, health):
    began = time.monotonic()
    async with following(settings, Book(), health):
        assert time.monotonic() - began < SOON


async def test_who_is_stopped_while_it_begins_to_read_ends(settings, health, monkeypatch):
    said(settings, p1=b"x")
    reading, getmany = asyncio.Event(), AIOKafkaConsumer.getmany

    async def long(*arguments, **options):
        reading.set()
        await asyncio.sleep(0.2)
        return await getmany(*arguments, **options)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", long)
    followed = Followed(
        settings,
        {settings.limits_topic: Book()},
        partitions={settings.limits_topic: 3},
        publisher=None,
        health=health,
    )
    starting = asyncio.create_task(followed.start())
    await asyncio.wait_for(reading.wait(), SOON)
    await followed.stop()
    await starting
    assert followed.crash_reason is None


async def test_what_is_said_later_is_heard_by_every_worker_and_by_who_says_it_at_once(
    settings, health
):
    mine, others = Book(), Book()
    async with following(settings, mine, health) as here, following(settings, others, health):
        await here.write(settings.limits_topic, b"p1", b"x")
        assert mine.held == {b"p1": b"x"}
        await until(lambda: others.held == mine.held)
        said(settings, p2=b"bad", p3=b"y")
        await until(lambda: mine.held == others.held == {b"p1": b"x", b"p3": b"y"})
        await here.forget(settings.limits_topic, [b"p1", b"p3"])
        await until(lambda: mine.held == others.held == {})


# The history of alerts.


def raised(settings: Settings, *alert_ids: str, ago: float, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for alert_id in alert_ids:
        producer.produce(
            settings.alerts_topic,
            alert_id.encode() if alert_id == "rubbish" else an_alert(alert_id=alert_id).encode(),
            partition=partition,
            timestamp=NOW - round(1000 * ago),
        )
    assert producer.flush(10) == 0


NOW = time.time_ns() // 1_000_000


async def asked(settings: Settings, *, ago: float, limit: int = 100) -> tuple[list[str], bool]:
    since = NOW - round(1000 * ago)
    found = await alert_history.events(settings, partitions=2, since=since, limit=limit)
    json.dumps(found)
    return [each["alert_id"] for each in found["alerts"]], found["complete"]


async def test_the_history_is_told_from_a_time_on_the_newest_first(settings):
    raised(settings, "a", ago=300)
    raised(settings, "c", "rubbish", ago=100)
    raised(settings, "b", ago=200, partition=1)
    assert await asked(settings, ago=400) == (["c", "b", "a"], True)
    assert await asked(settings, ago=250) == (["c", "b"], True)
    assert await asked(settings, ago=400, limit=2) == (["c", "b"], False)
    assert await asked(settings, ago=10) == ([], True)
    found = await alert_history.events(settings, partitions=2, since=0, limit=1)
    assert found["alerts"][0]["published_at"] == iso((NOW - 100_000) * 1000)


async def test_of_a_long_history_the_newest_is_read_and_that_is_told(
    settings, monkeypatch: pytest.MonkeyPatch
):
    raised(settings, *(f"{n:03d}" for n in range(20)), ago=100)
    monkeypatch.setattr(alert_history, "MOST_READ", 5)
    found, complete = await asked(settings, ago=400)
    assert (set(found), complete) == ({f"{n:03d}" for n in range(15, 20)}, False)


async def test_a_broker_that_is_away_is_said_so():
    away: Any = Settings(broker="kafka://127.0.0.1:9")
    with pytest.raises(alert_history.SinkError, match="cannot be read"):
        await alert_history.events(away, partitions=1, since=0, limit=1)
