"""The ward's alarms at work: owners publish their partitions' counts, and one worker judges.

All counts go to the one partition of a compacted topic, by key; so does what the judge has to
remember.  The judge is who owns the input's partition 0: Kafka sees to it that there is one, and
whoever is next reads the topic from its beginning, which is short.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import mode
import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from bpstream.alarms import Alarms
from bpstream.settings import Settings
from bpstream.stream import security
from bpstream.stream.alerts import Alerts
from bpstream.stream.packing import Record
from bpstream.stream.publish import Publisher
from bpstream.stream.tables import OwnedPartition, PatientTable
from bpstream.stream.topics import ward_topic_of
from bpstream.ward import Judgement, Ward

log = logging.getLogger(__name__)

JUDGE = 0
"""The owner of this partition of the input judges."""

_EVERY = 1.0
"""Seconds between two looks at the counts."""

_WAIT_MS = 500

_JUDGEMENT = b"judgement"
_COUNTS = b"partition-"

_encode = msgspec.json.Encoder().encode


class WardAlarms(mode.Service):
    """Publishes what this worker's partitions count, and judges where that is its part."""

    abstract = False

    def __init__(
        self,
        alarms: Alarms,
        settings: Settings,
        *,
        table: PatientTable,
        alerts: Alerts,
        publisher: Publisher,
        is_current: Callable[[OwnedPartition], bool],
    ) -> None:
        """`is_current` tells whether all that has arrived for a partition is judged."""
        self._rules, self._settings = alarms.ward, settings
        self._table, self._alerts, self._publisher = table, alerts, publisher
        self._is_current = is_current
        self._topic = TopicPartition(ward_topic_of(settings), 0)
        self._published: dict[int, dict[int, int]] = {}
        self._judge: _Judge | None = None
        super().__init__()

    def shown(self) -> list[dict[str, Any]]:
        """The alerts that are pending or firing, where this worker judges them."""
        return [] if self._judge is None else self._judge.ward.shown()

    @mode.Service.task
    async def _run(self) -> None:
        try:
            while self._rules and not self.should_stop:
                try:
                    await self._publish()
                    await self._judge_all()
                except KafkaError as error:
                    log.warning("the ward's alarms: %s; trying again", error)
                await self.sleep(_EVERY)
        finally:
            # Not by who stops the service: the judge may be reading just then.
            await self._leave()

    async def _publish(self) -> None:
        """Publish the counts that are new, of the partitions that are ours."""
        counts = {
            partition.number: {**partition.checkpoint.anomalies}
            for partition in self._table.partitions().values()
            if partition.taken_over
        }
        new = [each for each in counts if counts[each] != self._published.get(each, {})]
        await self._write(
            Record(_COUNTS + str(number).encode(), _encode(counts[number])) for number in new
        )
        self._published = counts

    async def _judge_all(self) -> None:
        owned = self._table.partitions().get(JUDGE)
        epoch = 0 if owned is None or not owned.taken_over else owned.claim.epoch
        if self._judge is not None and self._judge.epoch != epoch:
            await self._leave()
        if owned is None or not epoch:
            return
        if self._judge is None:
            ward = Ward(self._rules, name=self._settings.app_id)
            self._judge = _Judge(ward, epoch, *await _reader(self._settings, self._topic))
        judge = self._judge
        unsaid = await judge.read(self._topic)
        # While a backlog is worked off it is not known what the last minutes hold.
        alerts = unsaid + (
            judge.ward.judge(time.time_ns() // 1000) if self._is_current(owned) else []
        )
        if not alerts:
            return
        # First remembered, then said: a crash in between says it under the same id.
        await self._remember(judge.ward.judgement(epoch=epoch, unsaid=alerts))
        await self._alerts.publish(alerts)
        await self._remember(judge.ward.judgement(epoch=epoch))

    async def _remember(self, judgement: Judgement) -> None:
        await self._write([Record(_JUDGEMENT, _encode(judgement))])

    async def _write(self, records: Any) -> None:
        topic, partition = self._topic
        await self._publisher.publish_to(topic, partition, list(records))

    async def _leave(self) -> None:
        judge, self._judge = self._judge, None
        if judge is not None:
            await judge.consumer.stop()


class _Judge:
    """The judge of one ownership of `JUDGE`, and how far it has read the topic."""

    def __init__(self, ward: Ward, epoch: int, consumer: Any, end: int) -> None:
        self.ward, self.epoch, self.consumer, self._end = ward, epoch, consumer, end
        self._remembered: Judgement | None = Judgement()

    async def read(self, topic: TopicPartition) -> list[Any]:
        """Take what is new, at first up to where the topic ended; what the last judge did not
        come to say.
        """
        await self._take_all(0)
        while await self.consumer.position(topic) < self._end:
            await self._take_all(_WAIT_MS)
        remembered, self._remembered = self._remembered, None
        if remembered is None:
            return []
        self.ward.go_on(remembered)
        return remembered.unsaid

    async def _take_all(self, within_ms: int) -> None:
        fetched = await self.consumer.getmany(timeout_ms=within_ms)
        for record in (record for records in fetched.values() for record in records):
            self._take(record.key, record.value)

    def _take(self, key: bytes, value: bytes) -> None:
        if key.startswith(_COUNTS):
            counts = msgspec.json.decode(value, type=dict[int, int])
            self.ward.add(int(key.removeprefix(_COUNTS)), counts)
        elif self._remembered is not None:  # Else it is our own.
            found = msgspec.json.decode(value, type=Judgement)
            if found.epoch >= self._remembered.epoch:
                self._remembered = found


async def _reader(settings: Settings, topic: TopicPartition) -> tuple[Any, int]:
    """A consumer of its own, in no group, at the beginning of the topic; where that ends."""
    consumer = security.reader(settings)
    try:
        await consumer.start()
        end = (await consumer.end_offsets([topic]))[topic]
    except (KafkaError, asyncio.CancelledError):
        await consumer.stop()
        raise
    consumer.assign([topic])
    return consumer, end
