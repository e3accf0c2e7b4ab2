"""Lanes: chunks of one partition one after the other, partitions beside each other.

A lane has two ends.  At the one, chunks are judged; at the other, what came of them is
stored, in the same order: what waits there, at once.  Between their ends the lanes have room
for some bytes, so that judging (and raising alarms) goes on while a store is away, in bounded
memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Keep = Callable[[Item, int], Awaitable[None]]
"""Hands an item of so many bytes on to be stored; waits while there is no room."""


class Lanes(Generic[Item]):
    """Runs `judge` on every chunk that is put in, and `store` on the items it keeps.

    `store` is given all that wait in a lane, up to some bytes, in their order.  Whatever one of
    the two raises goes to `on_error`, and ends the lane.
    """

    def __init__(
        self,
        judge: Callable[[Any, Keep[Item]], Awaitable[None]],
        store: Callable[[Sequence[Item]], Awaitable[None]],
        *,
        room: int,
        at_once: int,
        on_error: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        """The lanes share `room` bytes between their ends; each has room for one item at least.

        Items are given to `store` until they have `at_once` bytes or more.
        """
        self._judge, self._store, self._on_error = judge, store, on_error
        self._room, self._at_once = _Room(room), at_once
        self._lanes: dict[int, _Lane[Item]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._in_work = 0
        self._idle, self._open, self._settled = (asyncio.Event() for _ in range(3))
        for event in (self._idle, self._open, self._settled):
            event.set()

    async def put(self, number: int, chunk: Any) -> None:
        """Hand a chunk of partition `number` over; waits while its lane is full."""
        await self._lane(number).chunks.put(chunk)

    def offer(self, number: int, chunk: Any) -> bool:
        """Hand a chunk over if nothing waits in its lane, as it is not worth waiting for."""
        lane = self._lane(number)
        if lane.chunks.full():
            return False
        lane.chunks.put_nowait(chunk)
        return True

    async def stored(self, number: int) -> None:
        """Wait until all that a lane has kept so far is stored; for its own `judge`."""
        await self._lanes[number].emptied()

    async def settle(self, within: float) -> bool:
        """Begin nothing new and wait for what is in work; whether it ended `within` seconds."""
        self._open.clear()
        try:
            await asyncio.wait_for(self._idle.wait(), within)
        except TimeoutError:
            self._settled.clear()
            return False
        return True

    async def hold(self) -> None:
        """Wait, in what outlasted `settle`, until it is known whose its partition is."""
        await self._settled.wait()

    def resume(self) -> None:
        """Begin new chunks again, and let go what is held."""
        self._settled.set()
        self._open.set()

    async def stop(self) -> None:
        """End the lanes, wherever they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._lanes.clear()

    def _lane(self, number: int) -> "_Lane[Item]":
        lane = self._lanes.get(number)
        if lane is None:
            lane = self._lanes[number] = _Lane(self._room)
            self._tasks += [
                asyncio.create_task(self._judging(lane)),
                asyncio.create_task(self._storing(lane)),
            ]
        return lane

    async def _judging(self, lane: "_Lane[Item]") -> None:
        async def keep(item: Item, size: int) -> None:
            await lane.make_room(size)
            self._begin()
            lane.items.put_nowait((item, size))

        while True:
            chunk = await lane.chunks.get()
            while not self._open.is_set():  # It may be closed again before we are woken.
                await self._open.wait()
            if not await self._done(self._judge(chunk, keep)):
                return

    async def _storing(self, lane: "_Lane[Item]") -> None:
        while True:
            items, size = await lane.take(self._at_once)
            # They are in work since they were kept.
            self._in_work -= len(items)
            if not await self._done(self._store(items)):
                return
            lane.free(len(items), size)

    async def _done(self, work: Awaitable[None]) -> bool:
        """Do `work`; false where it failed: it is not passed over, the worker ends with it."""
        self._begin()
        try:
            await work
        except Exception as error:
            await self._on_error(error)
            return False
        finally:
            self._in_work -= 1
            if not self._in_work:
                self._idle.set()
        return True

    def _begin(self) -> None:
        self._in_work += 1
        self._idle.clear()


class _Room:
    """Bytes that all lanes share."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.freed = asyncio.Event()


class _Lane(Generic[Item]):
    """One chunk may wait to be judged, and items in the common room to be stored."""

    def __init__(self, room: _Room) -> None:
        self.chunks: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)
        self.items: asyncio.Queue[tuple[Item, int]] = asyncio.Queue()
        self._room, self._kept = room, 0

    async def make_room(self, size: int) -> None:
        # A lane that keeps nothing goes on, whatever the others keep.
        while self._kept and self._room.left < size:
            self._room.freed.clear()
            await self._room.freed.wait()
        self._kept += 1
        self._room.left -= size

    async def take(self, at_once: int) -> tuple[list[Item], int]:
        """The items that wait, until they have `at_once` bytes, and how many they have."""
        item, size = await self.items.get()
        items = [item]
        while size < at_once and not self.items.empty():
            item, more = self.items.get_nowait()
            items.append(item)
            size += more
        return items, size

    def free(self, count: int, size: int) -> None:
        self._kept -= count
        self._room.left += size
        self._room.freed.set()

    async def emptied(self) -> None:
        while self._kept:
            self._room.freed.clear()
            await self._room.freed.wait()
