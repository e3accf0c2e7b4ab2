"""bpstream's pipeline alone: chunks in memory, no broker, no Faust.  The limit of the worker."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Consumer

from bpstream.alarms import Alarms
from bpstream.batch import Partition
from bpstream.chunk import Chunk, Origins
from bpstream.clinical import alarm_rules
from bpstream.collecting import collect_seldom
from bpstream.fhir.parse import Parser
from bpstream.messages import Messages
from bpstream.pipeline import Pipeline
from bpstream.settings import Settings
from bpstream.stream.partitioner import partitions_of
from bpstream.stream.topics import CHANGELOG_BATCH_BYTES
from bpstream.stream.topics import Topics as TopicsFound
from bpstream.texts import Texts
from tests.bench.job import Job
from tests.bench.model import measured_model
from tests.bench.peer import Meter, Task, answer
from tests.bench.topics import PARTITIONS, client_of


def work(task: Task, meter: Meter, folder: Path) -> Job:
    """From bytes to documents and rows, chunk by chunk; nothing is sent or kept."""
    pipeline = measured_pipeline(task.topic)
    partitions = [Partition(number) for number in range(PARTITIONS)]
    chunks = list(chunks_of(fetched(task), Settings().batch_size))
    collect_seldom()
    meter.start()
    for number, chunk in chunks:
        batch = pipeline.read(chunk, partitions[number])
        for _ in pipeline.steps(batch, partitions[number], now=time.time_ns() // 1000):
            pass
    meter.stop()
    return Job.of_rows(partition.patients for partition in partitions)


def measured_pipeline(topic: str) -> Pipeline:
    """The pipeline with everything on."""
    return Pipeline(
        parser=Parser(),
        model=measured_model(),
        alarms=Alarms(alarm_rules.load()),
        home=lambda patient_ids: partitions_of(Texts.of(patient_ids).utf8, PARTITIONS),
        topic=topic,
        step_bytes=TopicsFound(PARTITIONS, "", changelog_batch=CHANGELOG_BATCH_BYTES).step_bytes,
    )


def fetched(task: Task) -> Mapping[int, Sequence[Any]]:
    """Every message of the topic, by partition, in the order of their offsets."""
    held: defaultdict[int, list[Any]] = defaultdict(list)
    consumer = Consumer(
        {
            **client_of(task.kafka),
            "group.id": task.name,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([task.topic])
    while sum(map(len, held.values())) < task.readings:
        messages: list[Any] = consumer.consume(10_000, timeout=1.0)
        for message in messages:
            held[message.partition()].append(message)
    consumer.close()
    return held


def chunks_of(messages: Mapping[int, Sequence[Any]], size: int) -> Iterator[tuple[int, Chunk]]:
    """The messages in chunks of at most `size`; the partitions take turns."""
    sliced = (
        [
            (number, _chunk(number, held[start : start + size]))
            for start in range(0, len(held), size)
        ]
        for number, held in messages.items()
    )
    for turn in zip_longest(*sliced):
        yield from filter(None, turn)


def _chunk(number: int, messages: Sequence[Any]) -> Chunk:
    n = len(messages)
    offset = np.array([message.offset() for message in messages], np.int64)
    return Chunk(
        topic=messages[0].topic(),
        offset=offset,
        values=Messages.of([message.value() for message in messages]),
        keys=Messages.of([message.key() for message in messages]),
        arrived_at=np.array([message.timestamp()[1] for message in messages], np.int64) * 1000,
        origins=Origins(np.full(n, number, np.int32), offset, np.zeros(n, np.int64)),
    )


if __name__ == "__main__":
    answer(work)
