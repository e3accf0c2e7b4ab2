"""Whether partitions move: one that has messages and commits none of them is stuck."""

from collections.abc import Mapping

from faust.types import TP

STUCK_AFTER = 120.0
"""Seconds.  A chunk takes less than one; what waits for a store or for Kafka is told of."""


class Movement:
    """Watches what is committed of each partition."""

    def __init__(self) -> None:
        self._since: dict[TP, tuple[int, float]] = {}
        """Of each partition that has messages left: what was committed, and from when on."""

    def look(self, behind: Mapping[TP, int], *, now: float) -> list[TP]:
        """Those that have had messages left for so long, and nothing new was committed.

        `behind` has the partitions with messages left, and the offset each is committed up to;
        `now` is in seconds of a monotonic clock.
        """
        before = self._since
        self._since = {
            tp: before[tp] if tp in before and before[tp][0] == offset else (offset, now)
            for tp, offset in behind.items()
        }
        return [tp for tp, (_, since) in self._since.items() if now - since >= STUCK_AFTER]

    def forget(self) -> None:
        """The worker waits for what it has told: its partitions need not move."""
        self._since.clear()
