"""The pace of fetching: at the head of a topic messages gather at the broker, not here."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from bpstream.stream import fetching
from bpstream.stream.fetching import FetchingThread
from tests.stream.brokers import make_topic
from tests.stream.scripted import a_consumer

PACE, LONG = 0.2, 5.0

Fetch = Callable[..., Awaitable[list[int]]]


pytestmark = pytest.mark.services
# The embedded broker answers a fetch with what was sent at once, and no more.


@pytest.fixture
def partition(kafka: str) -> TopicPartition:
    return TopicPartition(make_topic(kafka, f"pace-{uuid4().hex[:8]}", partitions=1), 0)


@pytest.fixture
def send(kafka: str, partition: TopicPartition) -> Callable[[], None]:
    """Sends a message, and returns once the broker has it."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0})

    def one() -> None:
        producer.produce(partition.topic, b"{}", partition=partition.partition)
        producer.flush()

    return one


@pytest.fixture
async def client(kafka: str, partition: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    """At the beginning of the partition."""
    client = AIOKafkaConsumer(bootstrap_servers=kafka, fetch_max_wait_ms=20)
    await client.start()
    client.assign([partition])
    client.seek(partition, 0)
    yield client
    await client.stop()


@pytest.fixture
async def fetch(client: AIOKafkaConsumer, send: Callable[[], None]) -> AsyncIterator[Fetch]:
    """Fetches once, as a worker's thread does, and gives the offsets; the first is 0."""
    send()
    consumer = a_consumer()
    consumer.flow_active = True
    thread = FetchingThread(consumer, loop=consumer.loop)

    async def once(most: int | None = None, *, timeout: float = LONG) -> list[int]:
        fetched: Any = await thread._fetch_records(client, None, timeout, most)
        return [record.offset for records in fetched.values() for record in records]

    yield once
    thread.thread_loop.close()


async def test_what_comes_between_two_fetches_at_the_head_comes_with_the_second(
    fetch, send, monkeypatch
):
    monkeypatch.setattr(fetching, "PACE", PACE)
    assert await fetch() == [0]
    began = time.monotonic()
    for _ in range(3):
        send()
        await asyncio.sleep(PACE / 5)
    assert time.monotonic() - began < PACE, "too slow to tell"
    assert await fetch() == [1, 2, 3]
    assert time.monotonic() - began >= 0.9 * PACE


async def test_a_backlog_is_fetched_without_a_pause(fetch, send, monkeypatch):
    monkeypatch.setattr(fetching, "PACE", LONG)
    send()
    send()
    began = time.monotonic()
    assert [await fetch(1), await fetch(1)] == [[0], [1]]
    assert time.monotonic() - began < LONG


async def test_what_comes_after_a_pause_is_fetched_at_once(fetch, send, monkeypatch):
    monkeypatch.setattr(fetching, "PACE", PACE)
    assert await fetch() == [0]
    assert await fetch(timeout=2 * PACE) == []
    monkeypatch.setattr(fetching, "PACE", LONG)
    began = time.monotonic()
    coming = asyncio.ensure_future(fetch())
    await asyncio.sleep(0.01)
    send()
    assert await coming == [1]
    assert time.monotonic() - began < LONG


async def test_a_broker_is_asked_less_often_while_nothing_comes_and_what_comes_is_fetched_at_once(
    client, send, monkeypatch
):
    monkeypatch.setattr(fetching, "_IDLE_AFTER", PACE)
    monkeypatch.setattr(fetching, "IDLE_MAX_WAIT_MS", int(1000 * LONG))
    fetching.wait_longer_while_idle(client._fetcher)
    assert await client.getmany(timeout_ms=1000 * 2 * PACE) == {}
    assert client._fetcher._fetch_max_wait_ms == fetching.IDLE_MAX_WAIT_MS
    began = time.monotonic()
    coming = asyncio.ensure_future(client.getmany(timeout_ms=1000 * LONG))
    await asyncio.sleep(0.01)
    send()
    assert await coming != {}
    assert time.monotonic() - began < LONG
    assert client._fetcher._fetch_max_wait_ms == fetching.FETCH_MAX_WAIT_MS
