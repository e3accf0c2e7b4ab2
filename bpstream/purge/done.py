"""What a store gave up, or would give up, and what it keeps and why."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple

Step = Callable[[int], object]
"""Called with how much was done."""

Progress = Callable[[str, int | None], AbstractContextManager[Step]]
"""`progress("archive", 1000)` begins a pass over 1000 pieces; None: nobody knows how many."""


class Left(NamedTuple):
    """What stays although it was taken before."""

    what: str
    why: str
    by_itself: bool = False
    """It will be a later purge's without anybody's help."""


@dataclass
class Done:
    """What became of one store."""

    store: str
    readings: int = 0
    """That are gone, or would be."""
    details: list[str] = field(default_factory=list)
    """How: what was removed whole, and what in part."""
    left: list[Left] = field(default_factory=list)
