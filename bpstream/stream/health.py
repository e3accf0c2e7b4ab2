"""Whether the worker is alive and ready, and if not, why.

Alive: the event loop turns, and no partition is stuck.  Ready: it takes readings in and can store
them.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

log = logging.getLogger(__name__)

_STALLED_AFTER = 30.0
"""Seconds without a turn of the loop after which the worker is not alive."""


class Health:
    """What stands in the worker's way, by the part that has the trouble."""

    def __init__(self, facts: Callable[[], dict[str, Any]]) -> None:
        """`facts` are the worker's numbers, as JSON."""
        self._facts = facts
        self._reasons: dict[str, str] = {"start": "the worker is starting"}
        self._warnings: dict[str, str] = {}
        self._stuck: list[str] = []
        self._turned = time.monotonic()

    def trouble(self, part: str, reason: str) -> None:
        """`part` (index, archive, kafka …) cannot do its work; said in the log once a change."""
        if self._reasons.get(part) != reason:
            log.warning("%s; trying again", reason)
        self._reasons[part] = reason

    def warn(self, part: str, reason: str) -> None:
        """`part` cannot do its work, and no reading waits for it: the worker is ready still."""
        if self._warnings.get(part) != reason:
            log.warning("%s; trying again", reason)
        self._warnings[part] = reason

    def clear(self, part: str) -> None:
        """`part` works (again)."""
        troubles = (self._reasons.pop(part, None), self._warnings.pop(part, None))
        if troubles != (None, None):
            log.warning("%s works again", part)

    def moving(self) -> None:
        """Partitions are moving between workers: nothing is taken in."""
        self._reasons["partitions"] = "partitions are moving between workers"

    def ready(self) -> None:
        """The worker has its partitions and their state."""
        self._reasons.pop("start", None)
        self._reasons.pop("partitions", None)

    def reasons(self) -> list[str]:
        """Why the worker is not ready; empty: it is."""
        return list(self._reasons.values())

    def warnings(self) -> list[str]:
        """What troubles parts that no reading waits for."""
        return list(self._warnings.values())

    def of(self, part: str) -> str:
        """`ok`, or what troubles `part`."""
        return self._reasons.get(part) or self._warnings.get(part, "ok")

    def turn(self) -> None:
        """The loop turned; called by a timer in it."""
        self._turned = time.monotonic()

    def stuck(self, partitions: Sequence[str]) -> None:
        """These partitions have messages and do not move, and nothing told is why."""
        reasons = [f"{partition} has messages and does not move" for partition in partitions]
        for reason in reasons:
            if reason not in self._stuck:
                log.error("%s: a restart would help", reason)
        self._stuck = reasons

    def dead(self) -> list[str]:
        """Why a restart would help; empty: the worker is alive."""
        stalled = time.monotonic() - self._turned
        if stalled >= _STALLED_AFTER:
            return [f"the worker's loop has not turned for {stalled:.0f} s", *self._stuck]
        return self._stuck

    def status(self) -> dict[str, Any]:
        """The worker's numbers, and what its sinks say, as JSON."""
        return {
            **self._facts(),
            **{part: self.of(part) for part in ("index", "archive", "webhook", "alertmanager")},
        }
