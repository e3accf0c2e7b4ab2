"""`python -m tests.bench.floor`: what a reading costs in calls that no design of the worker saves.

Each message is found in its record batch and read by its shape, its document has an id (BLAKE2)
and is put together, and so are the alerts it makes; alerts and changed rows stand in record
batches.  All of it is done by loops in C.  Measured are these calls and nothing else, each on what
the worker's pipeline made of the same messages: no socket, no judging, no state.  The worker itself
is measured beside them.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords

from bpstream.batch import Partition, Step
from bpstream.collecting import collect_seldom
from bpstream.compiled import LOOPS
from bpstream.document import Document
from bpstream.fhir.identity import digests
from bpstream.fhir.shapes import Shapes
from bpstream.jsonlines import lines as lines_of
from bpstream.jsonlines import parts
from bpstream.raised import Raised
from bpstream.settings import Settings
from bpstream.stream.packing import Columns, packed
from bpstream.stream.unpacking import Fetch, as_columns
from bpstream.texts import Texts
from tests.bench.in_memory import chunks_of, fetched, measured_pipeline
from tests.bench.job import NoResult
from tests.bench.peer import Task, ask
from tests.bench.running import table_by_patients
from tests.bench.topics import PARTITIONS, Topics

_WORKER = "tests.bench.bpstream_worker"
_ROOM = 64 << 20  # Bytes of a record batch: more than any step has.

_decode = msgspec.json.Decoder(Document).decode


class Spent(defaultdict[str, float]):
    """CPU seconds of the process, by what they were spent on."""

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Add what is spent until it ends."""
        began = time.process_time()
        yield
        self[what] += time.process_time() - began


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 where there is no result."""
    collect_seldom()
    return table_by_patients("tests.bench.floor", __doc__, _measure, arguments)


def _measure(topics: Topics, topic: str, readings: int) -> dict[str, float]:
    spent = spent_on(Task(topics.kafka, topic, f"{topic}-floor", readings))
    worker = ask(_WORKER, Task(topics.kafka, topic, f"{topic}-worker", readings))
    return {**spent, "all of them": sum(spent.values()), "the worker": worker.cpu}


def spent_on(task: Task) -> Spent:
    """CPU seconds of each of the calls, for all readings of the task."""
    spent = Spent(float)
    messages = fetched(task)
    pipeline = measured_pipeline(task.topic)
    partitions = [Partition(number) for number in range(PARTITIONS)]
    shapes = _shapes_of(messages)
    for number, chunk in chunks_of(messages, Settings().batch_size):
        values = [value or b"" for value in chunk.values]
        came = _came(bytes(_batch(Columns(parts([b""] * len(values)), parts(values)))))
        with spent.on("found in its record batch"):
            (records,) = came
        with spent.on("read by its shape"):
            shapes.read(records.values)
        batch = pipeline.read(chunk, partitions[number])
        for step in pipeline.steps(batch, partitions[number], now=time.time_ns() // 1000):
            assert isinstance(step, Step)
            _spend(spent, step)
    return spent


def _shapes_of(messages: Mapping[int, Sequence[Any]]) -> Shapes:
    """The shape of the first message.  Raises NoResult where no loop was compiled."""
    if LOOPS is None:
        raise NoResult("bpstream was installed without a C compiler")
    shapes = Shapes(LOOPS)
    shapes.learn(next(iter(messages.values()))[0].value(), in_words=True)
    return shapes


def _spend(spent: Spent, step: Step) -> None:
    written = step.entries.parts()
    documents = map(_decode, written.each())
    names = parts([f"{each.patient_id}\n{each.observation_id}".encode() for each in documents])
    with spent.on("its document has an id"):
        digests(names)
    with spent.on("and is put together"):
        lines_of([written], len(written.begins))
    alerts = Raised.of(step.alerts)
    with spent.on("its alerts are put together"):
        lines_of([alerts.line], len(alerts))
    told = Columns(alerts.key, alerts.line)
    with spent.on("and stand in record batches"):
        _batch(told)
    rows = Columns(Texts.of(step.rows.ids).utf8, step.rows.packed)
    with spent.on("the row it changes stands in one"):
        _batch(rows)


def _came(data: bytes) -> PartitionRecords:
    """A record batch, as it was fetched."""
    at, *how = TopicPartition("fetched", 0), None, None, True, READ_COMMITTED
    found = PartitionRecords(at, Fetch(data), [], 0, *how)
    as_columns(found)
    return found


def _batch(records: Columns) -> Any:
    batch, _ = packed(records, 0, room=_ROOM)
    return batch._build()


if __name__ == "__main__":
    sys.exit(main())
