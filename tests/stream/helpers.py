"""What the tests of the stream share: fetched records, rows, and a changelog that takes all."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import faust
import numpy as np
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from bpstream.alert import FIRING, PHYSIOLOGICAL, Alert
from bpstream.checkpoint import CLAIM, KEY, Applied, Checkpoint, Claim
from bpstream.stream.fetched import Records
from bpstream.stream.packing import Record
from bpstream.stream.partitioner import partition_of
from bpstream.stream.tables import Changelog, OwnedPartition

EPOCH_OF_TESTS = 1_769_722_371_619
"""Milliseconds since 1970: when Kafka received the records of these tests."""


def fetched(
    offset: int,
    value: bytes | None = b"{}",
    *,
    topic: str = "fhir",
    partition: int = 0,
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes]] = (),
    timestamp: int = EPOCH_OF_TESTS,
) -> Any:
    """A record as aiokafka fetches it."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value or b""),
        headers=tuple(headers),
    )


def together(first: Any, *more: Any) -> Records:
    """Records of one partition, as they come in one fetch."""
    return Records.of(first.topic, first.partition, [first, *more])


def faust_app(**settings: Any) -> faust.App:
    """An app that is made and never started.  Call it in a running loop."""
    return faust.App(
        "tests",
        broker="chunks://127.0.0.1:9",
        autodiscover=False,
        loop=asyncio.get_running_loop(),
        **settings,
    )


def counted(
    partition: OwnedPartition, patient_id: str, *, readings: int, epoch: int = 0, step: int = 0
) -> None:
    """Give a patient a row with so many readings, of a step of the owner `epoch`."""
    (position,) = partition.patients.positions([patient_id])
    row = partition.patients.rows[position]
    row["counters"][0] = readings
    row["stamp"] = Checkpoint(epoch=epoch, step=step).stamp


def row_bytes(patient_id: str, *, readings: int, epoch: int = 0, step: int = 0) -> bytes:
    """The value of a changelog record of `patient_id`."""
    partition = OwnedPartition(0)
    counted(partition, patient_id, readings=readings, epoch=epoch, step=step)
    ((_, row),) = partition.patients.copied(np.array([0]))
    return row


def a_checkpoint(epoch: int, step: int = 0, *, offset: int = 0) -> tuple[bytes, bytes]:
    """A changelog record: the partition has come to `offset`."""
    checkpoint = Checkpoint(epoch=epoch, step=step, applied={"fhir": Applied(offset)})
    return KEY, checkpoint.encode()


def a_row(readings: int, epoch: int, patient: str = "p1", *, step: int = 0) -> tuple[bytes, bytes]:
    """A changelog record: the patient has so many readings."""
    return patient.encode(), row_bytes(patient, readings=readings, epoch=epoch, step=step)


def a_claim(epoch: int, *, generation: int, base: int) -> tuple[bytes, bytes]:
    """A changelog record: a worker that knew it up to `base` owns the partition."""
    return CLAIM, Claim(epoch, generation, base).encode()


def readings_of(partition: OwnedPartition, patient_id: str = "p1") -> int | None:
    row = partition.patients.row(patient_id)
    return None if row is None else int(row["counters"][0])


class Sent(NamedTuple):
    """One call of :class:`TakesAll`."""

    topic: str
    partition: int
    records: list[Record]


class TakesAll:
    """A publisher whose Kafka has everything at once, and numbers each partition from 0."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    async def publish(self, topic: str, records: Iterable[Record], *, partitions: int) -> None:
        for record in records:
            home = partition_of(record.key or b"", partitions)
            await self.publish_to(topic, home, [record])

    async def publish_to(self, topic: str, partition: int, records: Iterable[Record]) -> int:
        self.sent.append(Sent(topic, partition, list(records)))
        return len(self.records(topic, partition)) - 1

    def records(self, topic: str, partition: int = 0) -> list[tuple[int, bytes, bytes | None]]:
        """Offset, key and value of all that a partition holds."""
        held = [
            record
            for sent in self.sent
            if (sent.topic, sent.partition) == (topic, partition)
            for record in sent.records
        ]
        return [(offset, each.key or b"", each.value) for offset, each in enumerate(held)]


async def always() -> bool:
    return True


async def nothing_to_read(partition: OwnedPartition, end: int) -> Changelog:
    """What a table reads of a changelog that nobody else writes."""
    raise AssertionError(f"partition {partition.number} was read up to {end}")


def tp(partition: int = 0, topic: str = "fhir") -> TP:
    return TP(topic, partition)


def an_alert(**changes: Any) -> Alert:
    """A firing alert, but for what `changes` say."""
    every: dict[str, Any] = {
        "alert_id": "00000000000000ff",
        "patient_id": "PAT-003",
        "rule": "critical",
        "title": "Critical blood pressure",
        "kind": PHYSIOLOGICAL,
        "state": FIRING,
        "severity": "high",
        "since": "2026-01-29T21:30:00.000000Z",
        "taken_at": "2026-01-29T21:32:51.619300Z",
        "message": "Critical blood pressure (high): 186/121.5 mmHg (mean 143)",
        "systolic": 186.0,
        "diastolic": 121.5,
        "mean": 143.0,
        "measure": "systolic",
        "limit": 180.0,
    }
    return Alert(**(every | changes))
