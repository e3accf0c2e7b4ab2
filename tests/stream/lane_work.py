"""Work for lanes: what is judged and stored when a test lets it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bpstream.stream.lanes import Lanes

SOON = 5.0
ROOM = 100
BROKEN = RuntimeError("disk on fire")


class Chunk(NamedTuple):
    """A chunk that items of so many bytes come of."""

    name: str
    sizes: tuple[int, ...] = (1,)
    fails: str = ""
    """`judge` or `store`: where it raises."""


class Work:
    """Judges and stores when it is let, and notes what it began and ended."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.judged: list[str] = []
        self.kept: list[tuple[str, int]] = []
        self.storing: list[str] = []
        self.together: list[list[str]] = []
        """What was given to be stored at once, each time."""
        self.stored: list[tuple[str, int]] = []
        self.errors: list[BaseException] = []
        self.most = 0
        """Bytes that were kept and not stored, at most, but for an item alone."""
        self._may_judge, self._may_store = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self._sizes: list[int] = []

    async def judge(self, chunk: Chunk, keep: Any) -> None:
        self.began.append(chunk.name)
        await self._may_judge.acquire()
        if chunk.fails == "judge":
            raise BROKEN
        for nth, size in enumerate(chunk.sizes):
            await keep((chunk, nth), size)
            self._sizes.append(size)
            self.kept.append((chunk.name, nth))
            if len(self._sizes) > 1:
                self.most = max(self.most, sum(self._sizes))
        self.judged.append(chunk.name)

    async def store(self, items: Sequence[tuple[Chunk, int]]) -> None:
        self.together.append([chunk.name for chunk, _ in items])
        for chunk, nth in items:
            self.storing.append(chunk.name)
            await self._may_store.acquire()
            if chunk.fails == "store":
                raise BROKEN
            self.stored.append((chunk.name, nth))
        del self._sizes[: len(items)]

    async def failed(self, error: BaseException) -> None:
        self.errors.append(error)

    def let_judge(self, count: int = 1) -> None:
        for _ in range(count):
            self._may_judge.release()

    def let_store(self, count: int = 1) -> None:
        for _ in range(count):
            self._may_store.release()


def lanes_of(work: Work, *, at_once: int = 0) -> Lanes[Any]:
    """Lanes that store one item at a time, or those that wait until they have `at_once` bytes."""
    return Lanes(work.judge, work.store, room=ROOM, at_once=at_once, on_error=work.failed)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not holds():
            await asyncio.sleep(0)


async def nothing_more_happens() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
