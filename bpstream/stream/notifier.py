"""Notifiers: alerts from their topic to a webhook, or to Alertmanager.

A notifier is a consumer of its own, in a group of its own: what it sends to may be away for
hours without a reading waiting for it, and the topic keeps what is still to be sent.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import mode
import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from bpstream.document import Refused
from bpstream.errors import SinkError
from bpstream.settings import Settings
from bpstream.sinks.alertmanager import Alertmanager
from bpstream.sinks.webhook import Webhook
from bpstream.stream import security
from bpstream.stream.health import Health
from bpstream.stream.metrics import Metrics

log = logging.getLogger(__name__)

_AT_ONCE = 50
"""Alerts between two commits: so many may be sent again after a crash."""

_DAY_MS = 24 * 3600 * 1000


class Receiver(Protocol):
    """Where alerts are sent."""

    async def write(self, events: Sequence[bytes]) -> list[Refused]:
        """Return once every event is taken, or refused for good; else raise SinkError."""

    async def close(self) -> None:
        """Close the connections."""


class Notifier(mode.Service):
    """Sends every alert of the topic to one receiver, at least once and in the topic's order.

    The first time it begins with the alerts since the worker's start.
    """

    abstract = False

    def __init__(
        self, name: str, receiver: Receiver, settings: Settings, *, health: Health, metrics: Metrics
    ) -> None:
        """`name` is part of the consumer group's: one group for each receiver."""
        self._name, self._receiver, self._settings = name, receiver, settings
        self._health, self._metrics = health, metrics
        self._since = time.time_ns() // 1_000_000
        self._consumer: Any = None
        super().__init__()

    async def on_start(self) -> None:
        """Join the group."""
        self._consumer = AIOKafkaConsumer(
            **security.client(self._settings),
            group_id=f"{self._settings.app_id}-{self._name}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # A receiver that is away for long is no reason to lose the partitions.
            max_poll_interval_ms=_DAY_MS,
            rebalance_timeout_ms=10_000,
        )
        self._beginning = _Beginning(self._consumer, self._since)
        self._consumer.subscribe([self._settings.alerts_topic], listener=self._beginning)
        await self._consumer.start()

    async def on_stop(self) -> None:
        """Leave the group; what is not committed is sent by who comes next."""
        if self._consumer is not None:
            await self._consumer.stop()
        await self._receiver.close()

    @mode.Service.task
    async def _send(self) -> None:
        while not self.should_stop:
            fetched: dict[TopicPartition, list[Any]] = {}
            try:
                fetched = await self._consumer.getmany(timeout_ms=500, max_records=_AT_ONCE)
                await self._beginning.commit()
                for tp, records in fetched.items():
                    events = [record.value or b"" for record in records]
                    await self._write([event for event in events if not _is_silenced(event)])
                    await self._consumer.commit({tp: records[-1].offset + 1})
            except KafkaError as error:
                # Moved to another worker, or Kafka is away: what was sent is sent again.
                log.warning("%s: %s; trying again", self._name, error)
                for tp in fetched.keys() & self._consumer.assignment():
                    self._consumer.seek(tp, fetched[tp][0].offset)
                await asyncio.sleep(1.0)

    async def _write(self, events: Sequence[bytes]) -> None:
        if not events:
            return
        async for attempt in AsyncRetrying(
            wait=wait_random_exponential(multiplier=0.5, max=10.0),
            retry=retry_if_exception_type(SinkError),
            before_sleep=self._failed,
        ):
            with attempt:
                refused = await self._receiver.write(events)
        self._health.clear(self._name)
        sent = self._metrics.notified
        sent.labels(self._name, "sent").inc(len(events) - len(refused))
        sent.labels(self._name, "refused").inc(len(refused))
        for position, reason in refused:
            log.error("%s refuses alert %d of %d: %s", self._name, position, len(events), reason)

    def _failed(self, state: RetryCallState) -> None:
        self._health.warn(self._name, str(state.outcome.exception() if state.outcome else ""))
        self._metrics.notified.labels(self._name, "retried").inc()


class _Marked(msgspec.Struct):
    silenced: bool = False


def _is_silenced(event: bytes) -> bool:
    try:
        return msgspec.json.decode(event, type=_Marked).silenced
    except ValueError:  # The receiver says what is wrong with it.
        return False


class _Beginning(ConsumerRebalanceListener):
    """Where nothing was ever committed, the worker's start is the beginning."""

    def __init__(self, consumer: Any, since: int) -> None:
        self._consumer, self._since = consumer, since
        self._chosen: dict[TopicPartition, int] = {}

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget what was chosen."""
        self._chosen.clear()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Choose an offset for each partition that has none, and go there."""
        fresh = [tp for tp in assigned if await self._consumer.committed(tp) is None]
        if not fresh:
            return
        # The ends first: what comes between the two is known by its time.
        ends = await self._consumer.end_offsets(fresh)
        found = await self._consumer.offsets_for_times(dict.fromkeys(fresh, self._since))
        for tp in fresh:
            self._chosen[tp] = ends[tp] if found[tp] is None else found[tp].offset
            self._consumer.seek(tp, self._chosen[tp])

    async def commit(self) -> None:
        """Keep what was chosen: another worker, started later, is to begin there too."""
        if self._chosen:
            await self._consumer.commit(self._chosen)
            self._chosen.clear()


def notifiers(settings: Settings, *, health: Health, metrics: Metrics) -> list[Notifier]:
    """A notifier for each receiver that `settings` name."""
    receivers: dict[str, Receiver] = {}
    if settings.webhook_url:
        receivers["webhook"] = Webhook(settings.webhook_url, secret=settings.webhook_secret)
    if settings.alertmanager_url:
        receivers["alertmanager"] = Alertmanager(settings.alertmanager_url)
    return [
        Notifier(name, receiver, settings, health=health, metrics=metrics)
        for name, receiver in receivers.items()
    ]
