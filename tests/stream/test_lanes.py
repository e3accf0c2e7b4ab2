"""Lanes: the order within a partition, the work beside each other, and their end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bpstream.stream.lanes import Lanes

SOON = 1.0


class Work:
    """Does every chunk when it is let, and notes what it began and finished."""

    def __init__(self) -> None:
        self.began: list[Any] = []
        self.ended: list[Any] = []
        self.errors: list[BaseException] = []
        self.free = asyncio.Semaphore(0)

    async def __call__(self, event: Any) -> None:
        self.began.append(event)
        await self.free.acquire()
        if isinstance(event, Exception):
            raise event
        self.ended.append(event)

    async def failed(self, error: BaseException) -> None:
        self.errors.append(error)

    def let(self, count: int = 1) -> None:
        for _ in range(count):
            self.free.release()


@pytest.fixture
async def work() -> Work:
    return Work()


@pytest.fixture
async def lanes(work: Work) -> AsyncIterator[Lanes]:
    lanes = Lanes(work, on_error=work.failed)
    yield lanes
    await lanes.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not holds():
            await asyncio.sleep(0)


async def nothing_more_happens() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_chunks_of_a_partition_are_done_one_after_the_other_in_their_order(work, lanes):
    work.let(10)
    for number in range(10):
        await lanes.put(0, number)
    await until(lambda: len(work.ended) == 10)
    assert work.began == work.ended == list(range(10))


async def test_a_chunk_does_not_begin_before_the_one_ahead_of_it_ended(work, lanes):
    await lanes.put(0, "first")
    await lanes.put(0, "second")
    await nothing_more_happens()
    assert work.began == ["first"]
    work.let()
    await until(lambda: work.began == ["first", "second"])


async def test_another_partition_goes_on_while_one_waits(work, lanes):
    await lanes.put(0, "slow")
    await until(lambda: work.began == ["slow"])
    await lanes.put(1, "other")
    await until(lambda: work.began == ["slow", "other"])


async def test_a_lane_takes_one_chunk_in_work_and_one_that_waits(work, lanes):
    await lanes.put(0, 1)
    await until(lambda: work.began == [1])
    await lanes.put(0, 2)
    third = asyncio.create_task(lanes.put(0, 3))
    await nothing_more_happens()
    assert not third.done()
    work.let()
    await asyncio.wait_for(third, SOON)


async def test_what_a_chunk_raises_is_told_and_ends_its_lane_alone(work, lanes):
    error = RuntimeError("disk on fire")
    await lanes.put(0, error)
    await lanes.put(0, "behind it")
    work.let(3)
    await until(lambda: work.errors == [error])
    await lanes.put(1, "elsewhere")
    await until(lambda: work.ended == ["elsewhere"])
    await nothing_more_happens()
    assert "behind it" not in work.began


async def test_settling_waits_for_what_is_in_work_and_begins_nothing(work, lanes):
    await lanes.put(0, "in work")
    await lanes.put(0, "waits")
    await until(lambda: work.began == ["in work"])
    settled = asyncio.create_task(lanes.settle(SOON))
    await nothing_more_happens()
    assert not settled.done()
    work.let(2)
    assert await settled
    await nothing_more_happens()
    assert work.began == ["in work"]


async def test_settling_gives_up_after_its_time_and_leaves_the_chunk_in_work(work, lanes):
    await lanes.put(0, "long")
    await until(lambda: work.began == ["long"])
    assert not await lanes.settle(0.01)
    work.let()
    await until(lambda: work.ended == ["long"])


async def test_settling_ends_at_once_where_nothing_is_in_work(lanes):
    assert await lanes.settle(0.01)


async def test_a_chunk_that_failed_does_not_keep_the_others_from_settling(work, lanes):
    await lanes.put(0, RuntimeError("no"))
    work.let()
    await until(lambda: bool(work.errors))
    assert await lanes.settle(SOON)


async def test_what_was_put_in_meanwhile_begins_when_the_lanes_resume(work, lanes):
    assert await lanes.settle(SOON)
    await lanes.put(0, "new")
    await nothing_more_happens()
    assert work.began == []
    lanes.resume()
    await until(lambda: work.began == ["new"])


async def test_stopping_leaves_a_chunk_where_it_is(work, lanes):
    await lanes.put(0, "in work")
    await until(lambda: work.began == ["in work"])
    await lanes.stop()
    work.let()
    await nothing_more_happens()
    assert (work.ended, work.errors) == ([], [])
