"""One worker's classifier, its sinks and its Kafka all in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bpstream.alarms import Alarms
from bpstream.alert import Alert
from bpstream.checkpoint import Archived
from bpstream.clinical import alarm_rules
from bpstream.clinical.alarm_rules import Rule
from bpstream.document import Found, Refused, Removal
from bpstream.errors import SinkError
from bpstream.release import Release
from bpstream.silence import Silence
from bpstream.stream import stores as stores_module
from bpstream.stream.alerts import Alerts
from bpstream.stream.classifier import Classifier
from bpstream.stream.dead_letters import DeadLetters
from bpstream.stream.health import Health
from bpstream.stream.intake import Intake
from bpstream.stream.losses import Losses
from bpstream.stream.metrics import Metrics
from bpstream.stream.stores import Stores
from bpstream.stream.tables import OwnedPartition, PatientTable
from bpstream.stream.topics import Topics
from tests.pipeline.messages import TOPIC, a_pipeline, at
from tests.stream.helpers import faust_app, fetched, together
from tests.stream.owners import CHANGELOG, Contested
from tests.test_silence import STALE

SOON = 5.0
SEVERE = {"systolic": 200, "diastolic": 130}


class Sink:
    """An archive and an index that fail while they are `away`."""

    def __init__(self) -> None:
        self.away = False
        self.written: list[str] = []
        self.writes: list[list[str]] = []
        """The documents of each write."""
        self.told: list[str] = []
        """`write` or `remove`, each time something was."""
        self.refuses: set[str] = set()
        """Documents that the index will never take."""
        self.removed: list[str] = []
        self.found: list[Found] = []
        self.tried = 0
        self.asked = 0
        self.leaves = False
        """Whether it goes away once it was asked."""

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        self._there()

    async def write(self, *arguments: Any) -> Any:
        """The archive is told of a partition and of removals as well."""
        self._there()
        is_archive = len(arguments) == 3
        self.told.append("write")
        self.writes.append([entry.document_id for entry in arguments[is_archive]])
        taken = [each for each in self.writes[-1] if each not in self.refuses]
        self.written += taken
        if not is_archive:
            return [
                Refused(at, "mapping")
                for at, each in enumerate(self.writes[-1])
                if each not in taken
            ]
        await self.remove(arguments[2])
        return Archived("open", len(self.written) + len(self.removed))

    async def remove(self, removals: Sequence[Removal]) -> None:
        self._there()
        self.told += ["remove"] * bool(removals)
        self.removed += [removal.document_id for removal in removals]

    async def find(self, *arguments: Any) -> list[Found]:
        self._there()
        self.asked += 1
        self.away = self.leaves
        return [each for each in self.found if each.document_id in arguments[-1]]

    async def rotate(self, partition: int, committed: Archived | None) -> None:
        self._there()

    def _there(self) -> None:
        self.tried += 1
        if self.away:
            raise SinkError("it is away")


class Worker:
    """A worker's classifier, on a Kafka that outlives it."""

    def __init__(
        self,
        kafka: Contested,
        *,
        generation: int = 1,
        enriched: str = "",
        rules: Sequence[Rule] = (),
    ) -> None:
        publisher: Any = kafka
        self.kafka, self.generation = kafka, generation
        self.archive: Any = Sink()
        self.index: Any = Sink()
        self.acked: list[int] = []
        self.errors: list[BaseException] = []
        self.table = PatientTable(
            faust_app(),
            changelog=CHANGELOG,
            publisher=publisher,
            read=kafka.read,
            is_member=kafka.is_member,
        )
        self.metrics = metrics = Metrics()
        topics = Topics(1, "life")
        alerts = Alerts(publisher, topic="alerts", partitions=1, metrics=metrics)
        intake = Intake(alerts, self.table, app_id="bpstream")
        alarms = Alarms(rules or [*alarm_rules.load()[:5], STALE])
        self.classifier = Classifier(
            pipeline=a_pipeline(alarms=alarms),
            silence=Silence(alarms),
            release=Release(alarms, lambda *_: False),
            table=self.table,
            stores=Stores(
                self.archive,
                self.index,
                health=Health(dict),
                metrics=metrics,
                on_paused=intake.paused,
            ),
            publisher=publisher,
            dead_letters=DeadLetters(publisher, topic="dead", source=TOPIC, partitions=1),
            alerts=alerts,
            intake=intake,
            losses=Losses(self._bounds, metrics, topics=[TOPIC]),
            topics=topics,
            rekeyed_topic="rekeyed",
            enriched_topic=enriched,
            metrics=metrics,
            generation=lambda: generation,
            on_error=self._failed,
        )

    def recover(self) -> OwnedPartition:
        """As Faust does before the first chunk."""
        partition = self.table.store.partition(0)
        partition.apply(self.kafka.records(CHANGELOG))
        return partition

    async def put(self, offset: int, *values: bytes, headers: Sequence[Any] = ()) -> None:
        """A chunk of one message, or of several from `offset` on."""
        message = SimpleNamespace(
            topic=TOPIC,
            partition=0,
            offset=offset,
            follows=None,
            generation_id=self.generation,
            value=together(
                *(
                    fetched(
                        offset + nth, value, topic=TOPIC, timestamp=at(1) // 1000, headers=headers
                    )
                    for nth, value in enumerate(values)
                )
            ),
        )
        event = SimpleNamespace(message=message, ack=lambda: self.acked.append(offset))
        await self.classifier.lanes.put(0, event)

    @property
    def alerts(self) -> list[Alert]:
        held = self.kafka.records("alerts")
        return [msgspec.json.decode(value or b"", type=Alert) for _, _, value in held]

    async def _bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return 0, 1000

    async def _failed(self, error: BaseException) -> None:
        self.errors.append(error)


@asynccontextmanager
async def workers(
    kafka: Contested, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Worker]]:
    """Makes workers on `kafka`, impatient ones; at the end none of them has met an error."""
    for name, seconds in (("PATIENCE", 0.02), ("_FIRST_PAUSE", 0.01), ("_LONGEST_PAUSE", 0.01)):
        monkeypatch.setattr(stores_module, name, seconds)
    made: list[Worker] = []

    def new(**options: Any) -> Worker:
        made.append(Worker(kafka, **options))
        return made[-1]

    yield new
    for worker in made:
        await worker.classifier.lanes.stop()
        assert worker.errors == []


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not holds():
            await asyncio.sleep(0.001)


def fates_of(worker: Worker) -> dict[str, float]:
    return {
        f"{sample.labels['fate']} {sample.labels['reason']}".strip(): sample.value
        for family in worker.metrics.inputs.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and sample.value
    }
