"""What the tests of the stream share: fetched records, rows, and a changelog that takes all."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import faust
import numpy as np
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from bpstream.stream.publish import Record
from bpstream.stream.tables import OwnedPartition

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


def faust_app(**settings: Any) -> faust.App:
    """An app that is made and never started.  Call it in a running loop."""
    return faust.App(
        "tests",
        broker="chunks://127.0.0.1:9",
        autodiscover=False,
        loop=asyncio.get_running_loop(),
        **settings,
    )


def counted(partition: OwnedPartition, patient_id: str, *, readings: int, epoch: int = 0) -> None:
    """Give a patient a row with so many readings, of the owner `epoch`."""
    (position,) = partition.patients.positions([patient_id])
    row = partition.patients.rows[position]
    row["counters"][0] = readings
    row["epoch"] = epoch


def row_bytes(patient_id: str, *, readings: int, epoch: int = 0) -> bytes:
    """The value of a changelog record of `patient_id`."""
    partition = OwnedPartition(0)
    counted(partition, patient_id, readings=readings, epoch=epoch)
    return partition.patients.copy_bytes(np.array([0]))[0]


class Sent(NamedTuple):
    """One call of :class:`TakesAll`."""

    topic: str
    partition: int
    records: list[Record]


class TakesAll:
    """A publisher whose Kafka has everything at once, and numbers it from 0."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    async def publish_to(self, topic: str, partition: int, records: Iterable[Record]) -> int:
        self.sent.append(Sent(topic, partition, list(records)))
        return sum(len(sent.records) for sent in self.sent) - 1


def tp(partition: int = 0, topic: str = "fhir") -> TP:
    return TP(topic, partition)
