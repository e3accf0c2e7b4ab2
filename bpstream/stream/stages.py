"""Stages: when a chunk was read, judged and stored."""

import time
from collections.abc import Iterator
from typing import NamedTuple

READ, JUDGE, STORE = "read", "judge", "store"


class Stage(NamedTuple):
    """One stage of a chunk.  Times are nanoseconds of the monotonic clock."""

    name: str
    began: int
    ended: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.began) / 1e9


class Stages:
    """The times of one chunk, which takes the stages in order.

    What is judged of a chunk is stored while the rest of it is judged: the stages overlap, and
    between them a chunk waits for its turn.
    """

    __slots__ = ("began", "began_at", "judged", "read", "stored", "storing")

    def __init__(self) -> None:
        self.began_at = time.time_ns()
        """When the chunk's way began, ns since 1970."""
        self.began = time.monotonic_ns()
        self.read = self.judged = self.storing = self.stored = 0

    def is_read(self) -> None:
        """Its messages are parsed, and what is not at home here is sent on."""
        self.read = time.monotonic_ns()

    def is_judged(self) -> None:
        """All of it is judged, and its alerts are published."""
        self.judged = time.monotonic_ns()

    def is_storing(self) -> None:
        """A step of it is about to be stored: the first call counts."""
        self.storing = self.storing or time.monotonic_ns()

    def is_stored(self) -> None:
        """All of it is stored."""
        self.stored = time.monotonic_ns()

    @property
    def seconds(self) -> float:
        """From the chunk's delivery until all of it was stored."""
        return (self.stored - self.began) / 1e9

    def __iter__(self) -> Iterator[Stage]:
        yield Stage(READ, self.began, self.read)
        yield Stage(JUDGE, self.read, self.judged)
        # Of dead letters alone nothing is left to be stored.
        yield Stage(STORE, self.storing or self.judged, self.stored)
