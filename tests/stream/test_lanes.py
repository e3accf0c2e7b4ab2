"""Lanes: the order within a partition, how far judging runs ahead of storing, and their end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.stream.lanes import Lanes
from tests.stream.lane_work import (
    BROKEN,
    ROOM,
    SOON,
    Chunk,
    Work,
    lanes_of,
    nothing_more_happens,
    until,
)


@pytest.fixture
async def work() -> Work:
    return Work()


@pytest.fixture(params=[0, ROOM], ids=["one by one", "together"])
async def lanes(work: Work, request: pytest.FixtureRequest) -> AsyncIterator[Lanes[Any]]:
    lanes = lanes_of(work, at_once=request.param)
    yield lanes
    await lanes.stop()


# The order.


async def test_chunks_of_a_partition_are_judged_and_stored_one_after_the_other(work, lanes):
    work.let_judge(10)
    work.let_store(20)
    for number in range(10):
        await lanes.put(0, Chunk(f"c{number}", (1, 1)))
    await until(lambda: len(work.stored) == 20)
    assert work.began == work.judged == [f"c{number}" for number in range(10)]
    assert work.stored == work.kept == [(f"c{n // 2}", n % 2) for n in range(20)]


async def test_a_chunk_is_not_judged_before_the_one_ahead_of_it_was(work, lanes):
    await lanes.put(0, Chunk("first"))
    await lanes.put(0, Chunk("second"))
    await nothing_more_happens()
    assert work.began == ["first"]
    work.let_judge()
    await until(lambda: work.began == ["first", "second"])


async def test_what_is_offered_is_taken_only_where_nothing_waits(work, lanes):
    await lanes.put(0, Chunk("first"))
    await until(lambda: work.began == ["first"])
    assert lanes.offer(0, Chunk("second"))
    assert not lanes.offer(0, Chunk("third"))
    assert lanes.offer(1, Chunk("other"))
    work.let_judge(3)
    await until(lambda: len(work.judged) == 3)
    assert sorted(work.judged) == ["first", "other", "second"]


async def test_an_item_is_not_stored_before_the_one_ahead_of_it_was(work, lanes):
    work.let_judge()
    await lanes.put(0, Chunk("c", (1, 1)))
    await until(lambda: work.judged == ["c"])
    await nothing_more_happens()
    assert work.storing == ["c"]
    work.let_store()
    await until(lambda: work.storing == ["c", "c"])


async def test_another_partition_goes_on_while_one_waits(work, lanes):
    work.let_judge(2)
    await lanes.put(0, Chunk("slow"))
    await until(lambda: work.storing == ["slow"])
    await lanes.put(1, Chunk("other"))
    await until(lambda: work.storing == ["slow", "other"])


async def test_a_lane_takes_one_chunk_in_work_and_one_that_waits(work, lanes):
    await lanes.put(0, Chunk("1"))
    await until(lambda: work.began == ["1"])
    await lanes.put(0, Chunk("2"))
    third = asyncio.create_task(lanes.put(0, Chunk("3")))
    await nothing_more_happens()
    assert not third.done()
    work.let_judge()
    await asyncio.wait_for(third, SOON)


# How far judging runs ahead.


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ((40, 40, 20, 1), 3),
        ((40, 40, 21), 2),
        ((100, 1), 1),
        # A larger one goes alone, and waits until it is.
        ((101, 1), 1),
        ((250, 250), 1),
        ((1, 101), 1),
    ],
)
@pytest.mark.parametrize("in_one_chunk", [True, False])
async def test_judging_runs_ahead_of_storing_up_to_the_room_and_no_further(
    work, lanes, sizes, kept, in_one_chunk
):
    work.let_judge(10)
    chunks = [Chunk("c", sizes)] if in_one_chunk else [Chunk("c", (size,)) for size in sizes]
    putting = asyncio.create_task(put_all(lanes, chunks))
    await until(lambda: len(work.kept) >= kept)
    await nothing_more_happens()
    assert (len(work.kept), len(work.storing), work.stored) == (kept, 1, [])
    work.let_store(len(sizes))
    await until(lambda: len(work.stored) == len(sizes))
    await putting


async def put_all(lanes: Lanes[Any], chunks: list[Chunk]) -> None:
    for chunk in chunks:
        await lanes.put(0, chunk)


async def test_each_partition_has_room_of_its_own(work, lanes):
    work.let_judge(2)
    for number in range(2):
        await lanes.put(number, Chunk(f"p{number}", (ROOM,)))
    await until(lambda: sorted(work.judged) == ["p0", "p1"])


@given(
    st.lists(st.lists(st.integers(1, 150), max_size=4), max_size=12),
    st.integers(0, 2 * ROOM),
    st.randoms(),
)
def test_whatever_the_sizes_all_is_stored_in_order_and_no_more_is_kept_than_there_is_room(
    sizes, at_once, chance
):
    async def run() -> Work:
        work = Work()
        lanes = lanes_of(work, at_once=at_once)
        chunks = [Chunk(f"c{n}", tuple(each)) for n, each in enumerate(sizes)]
        work.let_judge(len(chunks))
        putting = asyncio.create_task(put_all(lanes, chunks))
        total = sum(map(len, sizes))
        while len(work.stored) < total:
            if chance.random() < 0.5:
                work.let_store()
            await asyncio.sleep(0)
        await putting
        assert await lanes.settle(SOON)
        await lanes.stop()
        return work

    work = asyncio.run(run())
    assert work.stored == [
        (f"c{n}", nth) for n, each in enumerate(sizes) for nth in range(len(each))
    ]
    assert work.most <= ROOM


# What is stored together.


@pytest.mark.parametrize(
    ("at_once", "together"),
    [
        (0, [1, 1, 1, 1]),
        (10, [1, 1, 1, 1]),
        (11, [1, 2, 1]),
        (20, [1, 2, 1]),
        (21, [1, 3]),
        (ROOM, [1, 3]),
    ],
)
async def test_what_waits_is_stored_together_until_it_has_the_bytes_that_are_stored_at_once(
    work, at_once, together
):
    lanes = lanes_of(work, at_once=at_once)
    work.let_judge(2)
    await lanes.put(0, Chunk("first", (10,)))
    await until(lambda: work.storing == ["first"])
    await lanes.put(0, Chunk("c", (10, 10, 10)))
    await until(lambda: len(work.judged) == 2)
    work.let_store(4)
    await until(lambda: len(work.stored) == 4)
    assert list(map(len, work.together)) == together
    await lanes.stop()


async def test_what_waits_in_another_lane_is_stored_apart(work):
    lanes = lanes_of(work, at_once=ROOM)
    work.let_judge(4)
    for name in ("ahead", "waits"):
        for partition in (0, 1):
            await lanes.put(partition, Chunk(f"{name} in {partition}", (1, 1)))
    await until(lambda: len(work.judged) == 4)
    work.let_store(8)
    await until(lambda: len(work.stored) == 8)
    ahead, waits = work.together[:2], work.together[2:]
    assert sorted(ahead) == [[f"ahead in {partition}"] * 2 for partition in (0, 1)]
    assert sorted(waits) == [[f"waits in {partition}"] * 2 for partition in (0, 1)]
    await lanes.stop()


async def test_the_room_of_what_is_stored_together_is_free_when_all_of_it_is_stored(work):
    lanes = lanes_of(work, at_once=ROOM)
    work.let_judge(3)
    await lanes.put(0, Chunk("c", (50, 50)))
    await lanes.put(0, Chunk("behind", (50,)))
    await until(lambda: len(work.kept) == 2)
    work.let_store()
    await until(lambda: len(work.stored) == 1)
    await nothing_more_happens()
    assert (work.together, len(work.kept)) == ([["c", "c"]], 2)
    work.let_store(2)
    await until(lambda: len(work.stored) == 3)
    assert await lanes.settle(SOON)
    await lanes.stop()


# Settling.


async def test_settling_waits_for_what_is_judged_and_begins_nothing(work, lanes):
    await lanes.put(0, Chunk("in work", ()))
    await lanes.put(0, Chunk("waits"))
    await until(lambda: work.began == ["in work"])
    settled = asyncio.create_task(lanes.settle(SOON))
    await nothing_more_happens()
    assert not settled.done()
    work.let_judge(2)
    assert await settled
    await nothing_more_happens()
    assert work.began == ["in work"]


async def test_settling_waits_until_all_that_was_judged_is_stored(work, lanes):
    work.let_judge()
    await lanes.put(0, Chunk("c", (40, 40, 40)))
    await until(lambda: len(work.kept) == 2)
    settled = asyncio.create_task(lanes.settle(SOON))
    for stored in range(3):
        await nothing_more_happens()
        assert (len(work.stored), settled.done()) == (stored, False)
        work.let_store()
    assert await settled
    assert len(work.stored) == 3


async def test_settling_gives_up_after_its_time_and_leaves_what_is_in_work(work, lanes):
    work.let_judge()
    await lanes.put(0, Chunk("long"))
    await until(lambda: work.storing == ["long"])
    assert not await lanes.settle(0.01)
    work.let_store()
    await until(lambda: work.stored == [("long", 0)])


async def test_settling_ends_at_once_where_nothing_is_in_work(lanes):
    assert await lanes.settle(0.01)


async def test_what_was_put_in_meanwhile_begins_when_the_lanes_resume(work, lanes):
    assert await lanes.settle(SOON)
    await lanes.put(0, Chunk("new"))
    await nothing_more_happens()
    assert work.began == []
    lanes.resume()
    await until(lambda: work.began == ["new"])


async def test_what_outlasted_settling_is_held_until_the_lanes_resume(lanes):
    await asyncio.wait_for(lanes.hold(), SOON)
    work = Work()
    slow = lanes_of(work)
    work.let_judge()
    await slow.put(0, Chunk("long"))
    await until(lambda: work.storing == ["long"])
    assert not await slow.settle(0.01)
    held = asyncio.create_task(slow.hold())
    await nothing_more_happens()
    assert not held.done()
    slow.resume()
    await asyncio.wait_for(held, SOON)
    await slow.stop()


# Their end.


async def test_what_judging_raises_is_told_and_what_was_kept_before_is_stored(work, lanes):
    work.let_judge(3)
    await lanes.put(0, Chunk("before"))
    await lanes.put(0, Chunk("broken", fails="judge"))
    await lanes.put(0, Chunk("behind it"))
    await until(lambda: work.errors == [BROKEN])
    work.let_store(3)
    await until(lambda: work.stored == [("before", 0)])
    await nothing_more_happens()
    assert work.began == ["before", "broken"]


async def test_what_storing_raises_is_told_and_nothing_behind_it_is_stored(work, lanes):
    work.let_judge(2)
    await lanes.put(0, Chunk("broken", (1, 1), fails="store"))
    await lanes.put(0, Chunk("behind it"))
    work.let_store(3)
    await until(lambda: work.errors == [BROKEN])
    await nothing_more_happens()
    assert (work.storing, work.stored) == (["broken"], [])


@pytest.mark.parametrize("end", ["judge", "store"])
async def test_a_lane_that_failed_leaves_the_others_as_they_are(work, lanes, end):
    work.let_judge(2)
    work.let_store(2)
    await lanes.put(0, Chunk("broken", fails=end))
    await until(lambda: work.errors == [BROKEN])
    await lanes.put(1, Chunk("elsewhere"))
    await until(lambda: work.stored == [("elsewhere", 0)])
    assert await lanes.settle(SOON)


async def test_stopping_leaves_what_is_in_work_where_it_is(work, lanes):
    work.let_judge()
    await lanes.put(0, Chunk("in work", (1, 1)))
    await lanes.put(0, Chunk("judged"))
    await until(lambda: work.began == ["in work", "judged"])
    await lanes.stop()
    work.let_judge()
    work.let_store(3)
    await nothing_more_happens()
    assert (work.judged, work.stored, work.errors) == (["in work"], [], [])
