"""Fates: what would become of messages, counted without sending them."""

import time
from collections import Counter

import numpy as np

from bpstream.fhir.parse import Parser
from bpstream.reading import Kind

_AT_ONCE = 1000
_MOST_BYTES = 16 << 20


class Fates:
    """Counts, in `counts`, inputs by (fate, reason); a Bundle has as many as it has entries.

    Call `close` when there are no more.
    """

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._waiting: list[bytes | None] = []
        self._bytes = 0
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, message: bytes) -> None:
        """Count what is in a message, now or a little later."""
        self._waiting.append(message)
        self._bytes += len(message)
        if len(self._waiting) >= _AT_ONCE or self._bytes >= _MOST_BYTES:
            self.close()

    def close(self) -> None:
        """Count what is waiting."""
        now = np.full(len(self._waiting), time.time_ns() // 1000, np.int64)
        parsed = self._parser.parse(self._waiting, now)
        self._waiting, self._bytes = [], 0
        aggregates = int((parsed.readings.kind == Kind.AGGREGATE).sum())
        self.counts["reading", ""] += len(parsed.readings) - aggregates
        self.counts["aggregate", ""] += aggregates
        self.counts["retraction", ""] += len(parsed.retractions)
        self.counts.update(("dead letter", str(each.reason)) for each in parsed.rejected)
        self.counts.update(("ignored", str(each.reason)) for each in parsed.ignored)

    def table(self) -> list[tuple[str, str, int]]:
        """Fate, reason and count of what there was, the reasons of a fate by count."""
        order = ["reading", "aggregate", "retraction", "ignored", "dead letter"]
        rows = [(*fate, count) for fate, count in self.counts.items() if count]
        return sorted(rows, key=lambda row: (order.index(row[0]), -row[2], row[1]))
