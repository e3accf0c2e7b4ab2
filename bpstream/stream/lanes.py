"""Lanes: chunks of one partition one after the other, partitions beside each other.

While one partition waits for a store, another one's chunk is worked on.  A lane holds one
chunk in work and one that waits, so what is taken in stays bounded.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Lanes:
    """Runs `work` on every chunk that is put in.  Whatever `work` raises goes to `on_error`."""

    def __init__(
        self,
        work: Callable[[Any], Awaitable[None]],
        *,
        on_error: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        self._work, self._on_error = work, on_error
        self._waiting: dict[int, asyncio.Queue[Any]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._open = asyncio.Event()
        self._open.set()
        self._settled = asyncio.Event()
        self._settled.set()
        self._busy: set[int] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def put(self, number: int, event: Any) -> None:
        """Hand a chunk of partition `number` over; waits while its lane is full."""
        queue = self._waiting.get(number)
        if queue is None:
            queue = self._waiting[number] = asyncio.Queue(maxsize=1)
            self._tasks.append(asyncio.create_task(self._run(number, queue)))
        await queue.put(event)

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
        """Wait, in a chunk that outlasted `settle`, until it is known whose its partition is."""
        await self._settled.wait()

    def resume(self) -> None:
        """Begin new chunks again, and let go those that are held."""
        self._settled.set()
        self._open.set()

    async def stop(self) -> None:
        """End the lanes, wherever they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._waiting.clear()

    async def _run(self, number: int, queue: "asyncio.Queue[Any]") -> None:
        while True:
            event = await queue.get()
            while not self._open.is_set():  # It may be closed again before we are woken.
                await self._open.wait()
            self._busy.add(number)
            self._idle.clear()
            try:
                await self._work(event)
            except Exception as error:
                await self._on_error(error)
                # A chunk that failed is not passed over: the lane ends with it, and the
                # worker with the lane.
                return
            finally:
                self._busy.discard(number)
                if not self._busy:
                    self._idle.set()
