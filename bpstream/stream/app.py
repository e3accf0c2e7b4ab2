"""The app: Faust with our settings, driver, table and agents.  `faust -A bpstream worker`."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import faust
from aiokafka.errors import KafkaError
from confluent_kafka import TopicPartition
from faust.types import TP
from faust.web.drivers import DRIVERS
from yarl import URL

from bpstream.acknowledgements import SaidBook
from bpstream.alarms import Alarms
from bpstream.clinical import alarm_rules
from bpstream.clinical.models import model
from bpstream.collecting import collect_seldom
from bpstream.compiled import LOOPS
from bpstream.errors import BPStreamError, StartError
from bpstream.limits import LimitBook
from bpstream.resources import shipped
from bpstream.settings import Settings
from bpstream.simulator import Simulator
from bpstream.stream import changelog, delivery, logs, security
from bpstream.stream.classifier import Classifier
from bpstream.stream.desk import Desk
from bpstream.stream.health import Health
from bpstream.stream.metrics import Metrics, total
from bpstream.stream.movement import Movement
from bpstream.stream.notifier import notifiers
from bpstream.stream.packing import Record
from bpstream.stream.partitioner import partition_of
from bpstream.stream.publish import BATCH_BYTES, Publisher
from bpstream.stream.sinks import new_archive, new_index
from bpstream.stream.stores import Stores
from bpstream.stream.tables import Changelog, OwnedPartition, PatientTable, Tables
from bpstream.stream.topics import Topics, changelog_of, prepare
from bpstream.stream.traces import Traces
from bpstream.stream.view import PatientView
from bpstream.stream.ward import WardAlarms
from bpstream.stream.wiring import people_of, stores_and_classifier, ward_alarms
from bpstream.stream.worker import Worker

_log = logging.getLogger("bpstream")

DRIVERS.aliases["bpstream"] = "bpstream.web.server:Web"

_SETTLE_WITHIN = 3.0
"""Seconds for the chunks in work when partitions move or the worker stops."""

_FETCH_BYTES = 3 * 1024 * 1024
"""Of a partition: what a chunk costs whatever it holds, the messages of a large one share."""

_CHUNKS_WAITING = 4
_SEAL_EVERY = 60.0
_LOOK_EVERY = 5.0
"""Seconds between two looks for patients of whom nothing comes any more, or for partitions."""
_ANSWER_WITHIN = 10.0
"""Seconds in which a broker that is there answers."""


class App(faust.App):
    """One worker.  What the web server asks about stands here by name."""

    # How its sinks are made; a subclass may have others.
    new_archive = staticmethod(new_archive)
    new_index = staticmethod(new_index)

    def __init__(self, settings: Settings, *, embedded_run: str = "") -> None:
        """`embedded_run` names the life of an embedded broker; empty for a real one."""
        self.settings = settings
        self._embedded_run = embedded_run
        own_url = settings.web_url or f"http://{settings.web_host}:{settings.web_port}"
        super().__init__(
            settings.app_id,
            broker=[
                URL(address).with_scheme(delivery.SCHEME) for address in settings.broker.split(";")
            ],
            broker_credentials=security.credentials(settings),
            broker_commit_interval=1.0,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=2.0,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=_FETCH_BYTES,
            producer_max_batch_size=BATCH_BYTES,
            producer_max_request_size=16 * 1024 * 1024,
            topic_disable_leader=True,
            topic_allow_declare=False,
            table_standby_replicas=0,
            stream_recovery_delay=0.0,
            stream_buffer_maxsize=_CHUNKS_WAITING,
            stream_wait_empty=False,  # `settle` does it, and knows what is in work
            web="bpstream://web",
            web_bind=settings.web_host,
            web_port=settings.web_port,
            canonical_url=own_url,
            logging_config=logs.config(settings.log),
            origin="bpstream",
            autodiscover=False,
            TableManager=Tables,
            Worker=Worker,
        )
        self.health = Health(self._facts)
        self._since = datetime.now(UTC)
        self._movement = Movement()
        self.chunk_size = settings.batch_size
        self.failure: BaseException | None = None
        self.model = model.load(model.named(settings.model, shipped("models")))
        self.metrics = Metrics(self.model.distributions)
        self.publisher = Publisher(self._kafka_producer, self.health, self.metrics)
        self.table = PatientTable(
            self,
            changelog=changelog_of(settings),
            publisher=self.publisher,
            read=self._read_changelog,
            is_member=self._is_member,
        )
        rules = Path(settings.alarm_rules) if settings.alarm_rules else None
        self.limits, self.said = LimitBook(), SaidBook()
        self.alarms = Alarms(alarm_rules.load(rules), self.limits)
        self.ward: WardAlarms | None = None
        self.patients = PatientView(
            self.table,
            self.alarms.rules,
            self.model,
            limits=self.limits,
            said=self.said,
            of_ward=lambda: () if self.ward is None else self.ward.shown(),
        )
        self.stores: Stores | None = None
        self.found = Topics(settings.partitions, embedded_run)
        self.classifier: Classifier | None = None
        self.desk: Desk | None = None
        self.traces: Traces | None = None
        observations = self.topic(
            settings.topic,
            settings.rekeyed_topic,
            schema=delivery.ChunkSchema(),
        )
        self.agent(observations, name="bpstream.classify")(self._classify)
        self.timer(1.0, name="bpstream.turn")(self._turn)
        self.timer(_SEAL_EVERY, name="bpstream.seal")(self._seal)
        self.timer(_LOOK_EVERY, name="bpstream.look")(self._look)
        self.timer(_LOOK_EVERY, name="bpstream.watch")(self._watch)
        if settings.simulate:
            self._simulator = Simulator(
                patients=settings.simulate,
                profile=settings.simulate_profile,
                speed=settings.simulate_speed,
            )
            self.timer(settings.simulate_interval, name="bpstream.simulate")(self._simulate)
        self.on_rebalance_complete.connect(self._on_rebalance_complete, weak=False)

    # The agents and timers.

    async def _classify(self, chunks: Any) -> None:
        """Take chunks of Observations from the topic to all their effects."""
        if self.classifier is not None:
            await self.classifier.run(chunks)

    async def _simulate(self) -> None:
        """The producer agent: one reading of every simulated patient."""
        now = datetime.now(ZoneInfo(self.settings.timezone))
        messages = self._simulator.round(now)
        records = [Record(message.key.encode(), message.value) for message in messages]
        await self.publisher.publish(self.settings.topic, records, partitions=self.found.partitions)

    async def _turn(self) -> None:
        self.health.turn()
        partitions = self.table.partitions().values()
        self.metrics.patients.set(len(self.patients))
        self.metrics.state_bytes.set(sum(each.patients.rows.nbytes for each in partitions))
        lag = self._lag().items()
        self.metrics.tell_lag((tp.topic, tp.partition, behind) for tp, behind in lag)
        self.metrics.model.look()

    async def _watch(self) -> None:
        """Look for partitions that are stuck, which a restart would mend."""
        consumer: Any = self._consumer
        if consumer is None or self.health.reasons():
            self._movement.forget()
            self.health.stuck([])
            return
        found = self._movement.look(consumer.behind(), now=time.monotonic())
        if found:
            try:
                # A broker that is away lets nothing be committed, and is not mended by a restart.
                await asyncio.wait_for(consumer.highwaters(*found), _ANSWER_WITHIN)
            except (KafkaError, TimeoutError) as error:
                _log.warning("Kafka does not answer: %r", error)
                found = []
        self.health.stuck([f"{tp.topic} {tp.partition}" for tp in found])

    async def _seal(self) -> None:
        """Seal old segments of partitions that nothing arrives for."""
        for partition in list(self.table.partitions().values()):
            if self.stores is not None and partition.taken_over:
                await self.stores.seal(partition)

    async def _look(self) -> None:
        """Look for silent patients where all that has arrived is judged."""
        for partition in list(self.table.partitions().values()):
            if self.classifier is not None and self.is_current(partition):
                self.classifier.look(partition.number, now=time.time_ns() // 1000)

    def is_current(self, partition: OwnedPartition) -> bool:
        """Whether all that has arrived for a partition of ours is judged."""
        consumer: Any = self.consumer
        return partition.taken_over and consumer.is_current(partition.number, partition.delivered)

    def FlowControlQueue(self, maxsize: int | None = None, **_: Any) -> Any:  # noqa: N802
        """A queue that Faust does not empty: stale chunks are known by their generation.

        Faust empties its queues when partitions have moved, after it began to fill them.
        """
        return super().FlowControlQueue(maxsize)

    # Start and end.

    async def on_first_start(self) -> None:
        """Find the broker, the topics and the sinks before Faust joins the group."""
        if LOOPS is None:
            _log.info("the loops in C are not compiled: a reading costs more processor time")
        # `faust worker --web-port` and `--web-bind` come before the settings.
        self.settings = replace(
            self.settings, web_host=self.conf.web_bind, web_port=self.conf.web_port
        )
        try:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"BPSTREAM_DATA_DIR cannot be made: {error}") from None
        self.found = await prepare(self.settings, embedded_run=self._embedded_run)
        self.publisher.whole[self.table.changelog] = self.found.changelog_batch
        people = people_of(self)
        # Before a reading is judged, what people said until now is known.
        await self.add_runtime_dependency(people.followed)
        await self.add_runtime_dependency(people.reminders)
        self.desk, alerts = people.desk, people.alerts
        self.traces = Traces.from_environment(os.environ, service=self.settings.app_id)
        self.stores, classifier = stores_and_classifier(
            self,
            self.new_archive(self.settings, lineage=self.found.lineage),
            await self.add_async_context(self.new_index(self.settings)),
            alerts,
        )
        await self.stores.open()
        self.classifier = classifier
        self.table.store.on_lost = self._release
        self.table.store.on_unreadable = self._give_up
        self.ward = ward_alarms(self, alerts)
        await self.add_runtime_dependency(self.ward)
        for notifier in notifiers(self.settings, health=self.health, metrics=self.metrics):
            await self.add_runtime_dependency(notifier)
        await super().on_first_start()
        collect_seldom()

    def _create_directories(self) -> None:
        """Make none: Faust keeps nothing on the disk here."""

    async def _is_member(self) -> bool:
        consumer: Any = self.consumer
        return await consumer.is_member()

    async def _read_changelog(self, partition: OwnedPartition, end: int) -> Changelog:
        return await changelog.read(
            self.settings,
            TopicPartition(self.table.changelog, partition.number, partition.changelog_offset + 1),
            end,
            wanted=lambda: not partition.lost,
        )

    def _kafka_producer(self) -> Any:
        producer: Any = self.producer
        return producer._ensure_producer()

    async def stop_worker(self, error: BaseException) -> None:
        """End the worker with exit status 1; its last line says why."""
        if self.failure is None:
            self.failure = error
            if not isinstance(error, BPStreamError):
                _log.error("an unexpected error", exc_info=error)
            # The way of a signal, so that what is done is committed and all is closed.
            os.kill(os.getpid(), signal.SIGTERM)

    async def settle(self) -> None:
        """Finish the chunks in work: partitions are about to move, or the worker to stop."""
        if self.classifier is not None:
            self.health.moving()
            await self.classifier.lanes.settle(_SETTLE_WITHIN)

    async def on_stop(self) -> None:
        """Finish what is in work, commit it, and close the sinks."""
        await self.settle()
        if self._consumer is not None and self.failure is None:
            await self._consumer.commit()
        await super().on_stop()
        if self.classifier is not None:
            await self.classifier.lanes.stop()
        if self.stores is not None:
            await self.stores.archive.close()
        if self.traces is not None:
            await self.traces.close()

    async def _on_rebalance_complete(self, *_: Any, **__: Any) -> None:
        self.health.ready()
        assigned = self.consumer.assignment()
        mine = sorted(tp.partition for tp in assigned if tp.topic == self.settings.topic)
        _log.info("ready, with partitions %s of %s", mine, self.settings.topic)
        if self.classifier is not None:
            self.classifier.lanes.resume()
            self.add_future(self.classifier.take_over(mine))

    def _release(self, partition: Any) -> None:
        if self.stores is not None:
            self.add_future(self.stores.archive.release(partition.number))

    def _give_up(self, error: BPStreamError) -> None:
        self.add_future(self.stop_worker(error))

    # What the web shows.

    def _lag(self) -> Mapping[TP, int]:
        consumer: Any = self._consumer
        return {} if consumer is None else consumer.lag()

    def _facts(self) -> dict[str, Any]:
        return {
            "partitions": sorted(self.table.partitions()),
            "lag": sum(self._lag().values()),
            "patients": len(self.patients),
            "readings": total(self.metrics.inputs, fate="reading"),
            "anomalies": total(self.metrics.anomalies),
            "dead_letters": total(self.metrics.inputs, fate="dead_letter"),
            "since": self._since.isoformat(),
        }

    @property
    def own_url(self) -> URL:
        """The worker's own address, as the others know it."""
        return URL(str(self.conf.canonical_url))

    def owner(self, patient_id: str) -> URL | None:
        """The worker that holds a patient; None while that is not known."""
        partition = partition_of(patient_id.encode(), self.found.partitions)
        assignor: Any = self.assignor
        url = assignor._tps_url.get(TP(self.table.changelog, partition))
        return None if url is None else URL(str(url))

    def workers(self) -> list[URL]:
        """Every worker's address, this one's included."""
        known = {URL(str(url)) for url in self.assignor.tables_metadata()}
        return sorted(known | {self.own_url})


@lru_cache(maxsize=1)
def app_from_environment() -> App:
    """The app that the environment describes; made once a process."""
    return App(Settings.from_env(os.environ))
