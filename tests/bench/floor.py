"""`python -m tests.bench.floor`: what a reading costs in calls that no design of the worker saves.

Each message is taken out of its record batch (aiokafka's, in Cython) and read by its shape (the
loop in C), its document has an id (BLAKE2) and is put together, and so are the alerts it makes;
alerts and changed rows stand in record batches.  Measured are these calls and nothing else, each
on what the worker's pipeline made of the same messages: no socket, no judging, no state.  The
worker itself is measured beside them.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import msgspec
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from bpstream.batch import Partition, Step
from bpstream.collecting import collect_seldom
from bpstream.compiled import LOOPS
from bpstream.document import Document
from bpstream.fhir.identity import DIGEST_BYTES
from bpstream.fhir.shapes import Shapes
from bpstream.jsonlines import parts
from bpstream.raised import Raised
from bpstream.settings import Settings
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
        sent = _batch((b"", value or b"") for value in chunk.values)
        with spent.on("taken out of its record batch"):
            came = DefaultRecordBatch(sent)
            came.validate_crc()
            values = [record.value for record in came]
        with spent.on("read by its shape"):
            shapes.read(values)
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
    lines = step.entries.parts().each()
    documents = map(_decode, lines)
    names = [f"{each.patient_id}\n{each.observation_id}".encode() for each in documents]
    with spent.on("its document has an id"):
        for name in names:
            blake2b(name, digest_size=DIGEST_BYTES).hexdigest()
    with spent.on("and is put together"):
        b"".join(lines)
    alerts = Raised.of(step.alerts)
    text = parts(alerts.line)
    with spent.on("its alerts are put together"):
        text.each()
    with spent.on("and stand in record batches"):
        _batch(zip(alerts.key, alerts.line, strict=True))
    rows = [(patient_id.encode(), row) for patient_id, row in step.rows]
    with spent.on("the row it changes stands in one"):
        _batch(rows)


def _batch(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, _ROOM)
    for nth, (key, value) in enumerate(records):
        builder.append(nth, 0, key, value, [])
    return bytes(builder.build())


if __name__ == "__main__":
    sys.exit(main())
