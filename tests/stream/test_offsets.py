"""Offsets: committed in the order of the chunks, whatever the order they were done in."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stream.helpers import fetched, tp
from tests.stream.scripted import COMPANION, a_consumer, offsets


@given(
    data=st.data(),
    # How far each fetch begins behind the last, as after compaction, and its chunk's length.
    fetches=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=12),
)
async def test_a_commit_never_passes_over_a_chunk_that_is_not_done(data, fetches):
    consumer, messages, start = a_consumer(), [], 0
    for hole, size in fetches:
        start += hole
        records = [fetched(start + n) for n in range(size)]
        messages += await consumer.chunks(*records) or await consumer.chunks(*records)
        start += size
    assert [offset for message in messages for offset in offsets(message)][-1] == start - 1
    committed, done = None, set()
    for message in data.draw(st.permutations(messages)):
        assert consumer.ack(message)
        done.add(message.offset)
        if data.draw(st.booleans()):
            committed = consumer._new_offset(tp()) or committed
            assert committed == behind(messages, done)
    assert (consumer._new_offset(tp()) or committed) == start
    assert consumer._new_offset(tp()) is None
    assert not consumer._acked[tp()]
    assert not consumer._acked_index[tp()]


def behind(messages: Sequence[Any], done: set[int]) -> int | None:
    """The offset behind the last chunk that is done in an unbroken row from the first."""
    committed = None
    for message in messages:
        if message.offset not in done:
            break
        committed = message.offset + 1
    return committed


async def test_partitions_are_committed_each_for_itself():
    consumer = a_consumer()
    first, second = await consumer.chunks(fetched(0), fetched(8, partition=1))
    consumer.ack(second)
    assert consumer._new_offset(tp()) is None
    assert consumer._new_offset(tp(1)) == 9
    consumer.ack(first)
    assert consumer._new_offset(tp()) == 1


async def test_offsets_of_other_topics_are_fausts_business():
    consumer = a_consumer()
    for message in await consumer.chunks(*(fetched(n, topic="plain") for n in (0, 1, 3))):
        consumer.ack(message)
    assert consumer._new_offset(COMPANION) == 2


async def test_a_gap_between_chunks_is_none_and_one_elsewhere_is_fausts():
    consumer = a_consumer()
    for each in (tp(), COMPANION):
        await consumer._add_gap(each, 3, 5)
    assert not consumer._gap[tp()]
    assert consumer._gap[COMPANION]


async def test_what_is_in_flight_is_delivered_again_after_a_seek():
    consumer = a_consumer()
    (before,) = await consumer.chunks(fetched(10), fetched(11))
    consumer.committed = {tp(): 10}
    await consumer.perform_seek()
    (again,) = await consumer.chunks(fetched(10), fetched(11))
    assert offsets(again) == offsets(before)
    consumer.ack(again)
    assert consumer._new_offset(tp()) == 12


async def test_revoked_partitions_are_finished_then_committed_then_forgotten():
    consumer = a_consumer()
    await consumer.chunks(fetched(4), fetched(4, partition=1))
    await consumer.on_partitions_revoked({tp()})
    assert consumer.told == ["settled", "commit of [0]"]
    # It is not sought yet: who knows where it goes on?
    consumer.fetches.append({tp(): [fetched(9)]})
    assert [message async for message in consumer.getmany(1.0)] == []
    # The partition that stayed goes on.
    (message,) = await consumer.chunks(fetched(5, partition=1))
    assert message.follows == 5


async def test_a_commit_that_fails_does_not_keep_the_partitions_from_moving(caplog):
    consumer = a_consumer()
    await consumer.chunks(fetched(0))

    async def fail(*_: Any) -> bool:
        raise RuntimeError("no coordinator")

    consumer.force_commit = fail
    await consumer.on_partitions_revoked({tp()})
    assert (
        "Not committed before the partitions moved: RuntimeError('no coordinator')" in caplog.text
    )


@pytest.mark.parametrize(("committed", "behind"), [(None, 100), (0, 100), (40, 60), (120, 0)])
async def test_the_lag_is_what_is_not_committed_yet(committed, behind):
    consumer = a_consumer()
    consumer._committed_offset[tp()] = committed
    assert consumer.lag()[tp()] == behind


async def test_the_worker_makes_no_topic_on_the_way():
    assert await a_consumer().create_topic("t", 1, 1) is None
