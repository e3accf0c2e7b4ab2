"""Chunks: what Faust must offer for them, and how a fetch becomes some."""

import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer.fetcher import Fetcher, PartitionRecords
from aiokafka.producer.message_accumulator import BatchBuilder
from faust.assignor.partition_assignor import PartitionAssignor
from faust.transport.drivers import aiokafka as driver

from bpstream.stream.delivery import ChunkConsumer, ChunkSchema
from bpstream.stream.fetching import FetchingThread
from tests.stream.helpers import faust_app, fetched, tp
from tests.stream.scripted import CHANGELOG, a_consumer, offsets

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


# What of Faust and its driver we stand on.  A release that changes one of these needs a look.


@pytest.mark.parametrize("name", ["faust-streaming", "aiokafka", "mode-streaming"])
def test_the_versions_whose_inside_we_use_are_pinned_and_are_these(name):
    wanted = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    assert f"{name}=={version(name)}" in wanted


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (driver.Consumer, "getmany", "self, timeout"),
        (driver.Consumer, "_wait_next_records", "self, timeout"),
        (driver.Consumer, "_new_offset", "self, tp"),
        (driver.Consumer, "_add_gap", "self, tp, offset_from, offset_to"),
        (driver.Consumer, "perform_seek", "self"),
        (driver.Consumer, "seek", "self, partition, offset"),
        (driver.Consumer, "force_commit", "self, topics, start_new_transaction"),
        (driver.Consumer, "on_partitions_revoked", "self, revoked"),
        (driver.Consumer, "subscribe", "self, topics"),
        (driver.Consumer, "highwater", "self, tp"),
        (driver.Consumer, "_to_message", "self, tp, record"),
        (driver.Consumer, "_new_consumer_thread", "self"),
        (driver.Consumer, "ack", "self, message"),
        (driver.Consumer, "_seek", "self, partition, offset"),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer", "self, transport"),
        (driver.AIOKafkaConsumerThread, "_ensure_consumer", "self"),
        (
            driver.AIOKafkaConsumerThread,
            "_fetch_records",
            "self, consumer, active_partitions, timeout, max_records",
        ),
        (driver.AIOKafkaConsumerThread, "call_thread", "self, fun, args, kwargs"),
        (Fetcher, "_proc_fetch_request", "self, assignment, node_id, request"),
        (PartitionRecords, "_unpack_records", "self"),
        (driver.Producer, "_ensure_producer", "self"),
        (
            BatchBuilder,
            "__init__",
            "self, batch_size, compression_type, is_transactional, key_serializer, "
            "value_serializer",
        ),
        (AIOKafkaProducer, "send_batch", "self, batch, topic, partition"),
        (PartitionAssignor, "tables_metadata", "self"),
        (faust.App, "FlowControlQueue", "self, maxsize, clear_on_resume"),
        (faust.App, "_create_directories", "self"),
        (faust.Worker, "_schedule_shutdown", "self, signal"),
        (faust.Worker, "_on_sigterm", "self"),
        (faust.Worker, "on_worker_shutdown", "self"),
    ],
)
def test_a_hook_is_there_with_its_signature(owner, name, parameters):
    assert ", ".join(inspect.signature(getattr(owner, name)).parameters) == parameters


@pytest.mark.parametrize(
    "name",
    [
        "_acked",
        "_acked_index",
        "_buffered_partitions",
        "_committed_offset",
        "_read_offset",
        "flow_active",
        "scheduler",
        "should_stop",
    ],
)
async def test_a_consumer_keeps_its_books_under_the_names_we_read(name):
    assert hasattr(a_consumer(), name)


async def test_an_app_tells_the_groups_generation_and_an_assignor_the_owners_addresses():
    app: Any = faust_app()
    assert app.consumer_generation_id == 0
    assert app.assignor._tps_url == {}


@pytest.mark.parametrize(
    ("thread", "milliseconds"),
    [(driver.AIOKafkaConsumerThread, 1500), (FetchingThread, 100)],
)
async def test_a_broker_answers_sooner_than_fausts_own_client_asks_it_to(thread, milliseconds):
    consumer = a_consumer()
    fetching = thread(consumer, loop=consumer.loop)
    client = fetching._create_worker_consumer(consumer.transport)
    await client.stop()
    fetching.thread_loop.close()
    assert client._fetch_max_wait_ms == milliseconds


# Delivery.


async def test_a_fetch_is_delivered_in_chunks_of_a_partition_no_larger_than_asked():
    consumer = a_consumer(chunk_size=2)
    found = await consumer.chunks(*(fetched(n) for n in range(5)), fetched(7, partition=1))
    assert [(message.partition, offsets(message)) for message in found] == [
        (0, [0, 1]),
        (0, [2, 3]),
        (0, [4]),
        (1, [7]),
    ]
    assert [message.offset for message in found] == [1, 3, 4, 7]


async def test_a_chunk_tells_which_offset_it_follows():
    consumer = a_consumer(chunk_size=2)
    found = await consumer.chunks(*(fetched(n) for n in range(10, 13)))
    assert [message.follows for message in found] == [10, 12]


async def test_other_topics_are_delivered_a_record_at_a_time():
    consumer = a_consumer()
    found = await consumer.chunks(fetched(0), *(fetched(n, topic="plain") for n in range(2)))
    assert [(message.topic, message.offset) for message in found] == [
        ("fhir", 0),
        ("plain", 0),
        ("plain", 1),
    ]


async def test_an_event_holds_the_records_as_they_were_fetched():
    app = faust_app()
    (message,) = await a_consumer().chunks(fetched(3, b"\xff", key=b"k"))
    event = await ChunkSchema().compile(app)(message)
    assert event.key is None
    (record,) = event.value
    assert (record.offset, record.key, record.value) == (3, b"k", b"\xff")


async def test_nothing_is_delivered_once_the_partitions_began_to_move():
    consumer = a_consumer(chunk_size=1)
    consumer._next[tp()] = 0
    consumer.fetches.append({tp(): [fetched(0), fetched(1)]})
    found = []
    async for _, message in consumer.getmany(1.0):
        found.append(message.offset)
        consumer.app.consumer_generation_id += 1
    assert found == [0]


async def test_a_fetch_that_returns_while_the_flow_is_stopped_was_in_vain():
    consumer = a_consumer()
    consumer.committed = {tp(): 40}
    consumer.flow_active = False
    assert await consumer.chunks(fetched(44)) == []
    consumer.flow_active = True
    (message,) = await consumer.chunks(fetched(40))
    assert message.follows == 40


# Where one fetch does not go on where the last one ended.


async def test_what_was_delivered_before_is_cut_off():
    consumer = a_consumer()
    await consumer.chunks(fetched(0), fetched(1))
    (message,) = await consumer.chunks(*(fetched(n) for n in range(4)))
    assert offsets(message) == [2, 3]
    assert await consumer.chunks(fetched(2)) == []


async def test_a_hole_is_fetched_again_once_and_then_accepted():
    consumer = a_consumer()
    await consumer.chunks(fetched(0), fetched(1))
    assert await consumer.chunks(fetched(5), fetched(6)) == []
    assert consumer.sought == [(tp(), 2)]
    (message,) = await consumer.chunks(fetched(5), fetched(6))
    assert (offsets(message), message.follows) == ([5, 6], 2)
    assert len(consumer.sought) == 1


async def test_a_hole_that_is_filled_on_the_second_look_leaves_nothing_out():
    consumer = a_consumer()
    await consumer.chunks(fetched(0))
    assert await consumer.chunks(fetched(2)) == []
    (message,) = await consumer.chunks(fetched(1), fetched(2))
    assert offsets(message) == [1, 2]


async def test_every_hole_is_looked_at_again():
    consumer = a_consumer()
    await consumer.chunks(fetched(0))
    for first in (5, 10):
        assert await consumer.chunks(fetched(first)) == []
        assert [offsets(each) for each in await consumer.chunks(fetched(first))] == [[first]]
    assert consumer.sought == [(tp(), 1), (tp(), 6)]


# Seeking.


async def test_what_is_fetched_while_a_seek_is_under_way_is_left_for_afterwards():
    consumer, meanwhile = a_consumer(), []
    consumer.committed = {tp(): 40, tp(1): 7}
    seek_to_committed = consumer.seek_to_committed

    async def slowly():
        found = await seek_to_committed()
        consumer.fetches.append({tp(): [fetched(40), fetched(41)]})
        meanwhile.extend([message async for _, message in consumer.getmany(1.0)])
        return found

    await consumer.chunks(fetched(44))
    consumer.seek_to_committed = slowly
    await consumer.perform_seek()
    assert meanwhile == []
    (message,) = await consumer.chunks(fetched(40), fetched(41))
    assert message.follows == 40


async def test_a_seek_that_begins_in_the_middle_of_a_fetch_ends_its_delivery():
    consumer = a_consumer(chunk_size=1)
    consumer.committed = {tp(): 0, tp(1): 0}
    consumer._next[tp()] = 0
    consumer.fetches.append({tp(): [fetched(0), fetched(1)]})
    found = []
    async for _, message in consumer.getmany(1.0):
        found.append(message.offset)
        consumer._forget([tp()])  # As `perform_seek` does first.
    assert found == [0]


async def test_it_seeks_in_the_thread_that_fetches():
    consumer, called = a_consumer(), []
    sought = []

    class Thread:
        def _ensure_consumer(self):
            return SimpleNamespace(seek=lambda *to: sought.append(to))

        async def call_thread(self, function, *arguments):
            called.append(arguments)
            function(*arguments)

    consumer._thread = Thread()
    await ChunkConsumer._seek(consumer, tp(), 7)
    assert sought == called == [(tp(), 7)]


async def test_a_partition_of_which_nothing_is_committed_goes_on_where_it_begins():
    consumer = a_consumer()
    consumer.committed, consumer.first = {tp(): None, tp(1): 7}, {tp(): 3}
    await consumer.perform_seek()
    assert consumer.sought == [(tp(), 3)]
    assert await consumer.chunks(fetched(5)) == []  # A hole: it is fetched again.
    (message,) = await consumer.chunks(fetched(3), fetched(4), fetched(5))
    assert offsets(message) == [3, 4, 5]


# What lies behind the last message.


class Commits:
    """The consumer's thread, as far as it commits."""

    def __init__(self):
        self.offsets = {}

    async def commit(self, offsets):
        self.offsets |= offsets
        return True


@pytest.mark.parametrize(
    ("delivered", "done", "position", "committed"),
    [
        ([0, 1], True, 3, 3),  # a transaction's marker
        ([0, 1], True, 2, None),
        ([0, 1], False, 3, None),  # not before the last message is done
        ([0, 1], True, None, None),
    ],
)
async def test_a_marker_behind_the_last_message_is_committed_once_that_is_done(
    delivered, done, position, committed
):
    consumer = a_consumer()
    consumer._thread = Commits()
    await consumer.chunks(*(fetched(n) for n in delivered))
    if done:
        consumer._in_flight[tp()].clear()
    consumer.at = {tp(): position}
    assert await consumer.chunks() == []
    assert consumer._thread.offsets == {}
    assert consumer.sought == ([(tp(), 2)] if committed else [])
    assert await consumer.chunks() == []
    assert consumer._thread.offsets.get(tp()) == committed


async def test_messages_that_were_fetched_in_vain_are_not_taken_for_a_marker():
    consumer = a_consumer()
    consumer._thread = Commits()
    consumer.committed = {tp(): 40, tp(1): 7}
    await consumer.perform_seek()
    consumer.at = {tp(): 60}  # Something was fetched up to there, and dropped.
    assert await consumer.chunks() == []
    assert [offsets(each) for each in await consumer.chunks(fetched(40))] == [[40]]
    assert consumer._thread.offsets == {}


@pytest.mark.parametrize(
    ("readable", "committed", "behind"),
    [
        ({}, {}, {}),  # nothing was fetched yet
        ({0: 9}, {}, {0: 0}),
        ({0: 9}, {0: 8}, {0: 8}),
        ({0: 9, 1: 9}, {0: 9, 1: 4}, {1: 4}),
        # Behind what may be read are messages of a transaction that has not ended.
        ({0: 9}, {0: 9}, {}),
    ],
)
async def test_a_partition_has_messages_left_where_more_may_be_read_than_is_committed(
    readable, committed, behind
):
    consumer = a_consumer()
    consumer.readable = {tp(number): offset for number, offset in readable.items()}
    for number, offset in committed.items():
        consumer._committed_offset[tp(number)] = offset
    assert consumer.behind() == {tp(number): offset for number, offset in behind.items()}


async def test_what_a_recovery_has_sought_and_a_stopped_flow_dropped_is_fetched_again():
    consumer = a_consumer()
    consumer._next[CHANGELOG], consumer.at = 0, {CHANGELOG: 3}
    consumer.committed, consumer.flow_active = {tp(): 40, tp(1): 7}, False
    assert await consumer.chunks(*(fetched(n, topic="changelog") for n in range(3))) == []
    consumer.flow_active = True
    assert await consumer.chunks() == []
    assert consumer.sought == [(CHANGELOG, 0)]
    (message,) = await consumer.chunks(*(fetched(n, topic="changelog") for n in range(3)))
    assert offsets(message) == [0, 1, 2]


async def test_a_changelog_that_has_nothing_there_is_looked_at_again_once_and_not_committed():
    consumer = a_consumer()
    consumer._thread = Commits()
    consumer._next[CHANGELOG], consumer.at = 0, {CHANGELOG: 3}
    for _ in range(3):
        assert await consumer.chunks() == []
    assert consumer.sought == [(CHANGELOG, 0)]
    assert consumer._thread.offsets == {}
