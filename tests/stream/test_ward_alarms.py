"""The ward's alarms beside the stream, on a real Kafka."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from bpstream.alarms import Alarms
from bpstream.clinical import alarm_rules
from bpstream.settings import Settings
from bpstream.stream import ward
from bpstream.stream.topics import ward_topic_of
from bpstream.stream.ward import JUDGE, WardAlarms
from tests.integration.workers import names
from tests.stream.brokers import make_topic
from tests.stream.helpers import TakesAll

pytestmark = pytest.mark.services


@pytest.fixture
def settings(kafka: str, unique_name: Callable[[str], str]) -> Settings:
    found = Settings.from_env({**names(unique_name), "BPSTREAM_BROKER": f"kafka://{kafka}"})
    make_topic(kafka, ward_topic_of(found), partitions=1)
    return found


@pytest.fixture
def alarms(settings: Settings) -> WardAlarms:
    """Of a worker that owns the partition of the judge."""
    owned = SimpleNamespace(
        number=JUDGE,
        taken_over=True,
        claim=SimpleNamespace(epoch=1),
        checkpoint=SimpleNamespace(anomalies={}),
    )
    table: Any = SimpleNamespace(partitions=lambda: {JUDGE: owned})
    nobody: Any = None
    publisher: Any = TakesAll()
    return WardAlarms(
        Alarms(alarm_rules.load()),
        settings,
        table=table,
        alerts=nobody,
        publisher=publisher,
        is_current=lambda _: False,
    )


@pytest.mark.parametrize("moment", ["start", "end_offsets", "getmany", "position"])
async def test_a_judge_that_is_stopped_while_it_reads_ends_and_closes_its_reader(
    alarms, monkeypatch, moment
):
    """Whatever it waits for just then; each of them is made to take long."""
    readers, reached = [], asyncio.Event()
    new, wait = ward.security.reader, getattr(AIOKafkaConsumer, moment)

    def noted(*arguments):
        readers.append(new(*arguments))
        return readers[-1]

    async def long(*arguments, **options):
        reached.set()
        await asyncio.sleep(0.2)
        return await wait(*arguments, **options)

    monkeypatch.setattr(ward.security, "reader", noted)
    monkeypatch.setattr(AIOKafkaConsumer, moment, long)
    async with alarms:
        await asyncio.wait_for(reached.wait(), 30)
    assert alarms.crash_reason is None
    assert [reader._closed for reader in readers] == [True]
