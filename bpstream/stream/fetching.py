"""Fetching: the thread in which aiokafka's consumer runs, as Faust starts it, made for chunks."""

import asyncio
import time
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from bpstream.stream.fetched import Records
from bpstream.stream.membership import commit_as_member, find_group_later
from bpstream.stream.unpacking import unpack_in_columns

FETCH_MAX_WAIT_MS = 100
"""Faust waits 1500 ms at a broker for partitions that have nothing: an idle one stalls all."""

IDLE_MAX_WAIT_MS = 500
"""Where all of them have had nothing for `_IDLE_AFTER` seconds there is nothing to be stalled."""

_IDLE_AFTER = 1.0

_LOOKS_AGAIN_AFTER = 1.0
"""Seconds after which aiokafka looks for partitions to fetch from although nothing told it to."""

PACE = 0.1
"""Seconds between two fetches at the head of the topic, at least.

Most of what a small chunk costs it costs whatever it holds: of a steady stream more messages
come at once.  One that comes after a pause is fetched at once, and so is a backlog.
"""


class FetchingThread(driver.AIOKafkaConsumerThread):
    """Fetches in columns what is delivered in chunks, and at a pace; commits as a member only."""

    _fetch_after = 0.0

    async def on_start(self) -> None:
        """Put in what the client does otherwise."""
        await super().on_start()
        consumer: Any = self.consumer
        client = self._ensure_consumer()
        find_group_later(client._coordinator)
        commit_as_member(client._coordinator)
        self.add_future(self._stay_in_group(client._coordinator))
        unpack_in_columns(client._fetcher, consumer.delivers_chunks)
        wait_longer_while_idle(client._fetcher)

    async def _stay_in_group(self, coordinator: Any) -> None:
        """Crash the worker where aiokafka has given the group up: it would wait forever."""
        await asyncio.shield(coordinator._coordination_task)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        consumer._consumer_timeout = _LOOKS_AGAIN_AFTER
        # What a producer took back again was never sent.
        consumer._isolation_level = "read_committed"
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Any,
        timeout: float | None = None,  # noqa: ASYNC109
        max_records: int | None = None,
    ) -> Any:
        """What was fetched.  At the head of the topics nothing more is for `PACE`.

        The client would ask for more as soon as it has given what it has: the next message
        would be answered alone, and wait here, and those behind it for the fetch after the next.
        """
        await asyncio.sleep(self._fetch_after - time.monotonic())
        consumer.resume(*consumer.paused())
        fetched = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        records = {
            tp: found[0] if isinstance(found[0], Records) else found
            for tp, found in fetched.items()
        }
        if records and all(
            consumer.highwater(tp) == fetched[-1].offset + 1 for tp, fetched in records.items()
        ):
            consumer.pause(*consumer.assignment())
            self._fetch_after = time.monotonic() + PACE
        return records

    def last_stable_offset(self, tp: TP) -> int | None:
        """Up to where a partition may be read; None where nothing was fetched of it."""
        offset: int | None = self._ensure_consumer().last_stable_offset(tp)
        return offset


def wait_longer_while_idle(fetcher: Any) -> None:
    """Let a fetcher (aiokafka's) ask less often while nothing comes: what comes ends the wait."""
    process, came_at = fetcher._proc_fetch_request, time.monotonic()

    async def process_and_look(assignment: Any, node_id: int, request: Any) -> bool:
        nonlocal came_at
        has_new: bool = await process(assignment, node_id, request)
        now = time.monotonic()
        if has_new:
            came_at = now
        # Here, and not when it was drained: the next request is made before that.
        is_idle = now - came_at > _IDLE_AFTER
        fetcher._fetch_max_wait_ms = IDLE_MAX_WAIT_MS if is_idle else FETCH_MAX_WAIT_MS
        return has_new

    fetcher._proc_fetch_request = process_and_look
