"""A worker that begins again on an empty disk: what it knows comes from the changelog."""

import time
from pathlib import Path
from statistics import median_low
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from bpstream.simulator.observations import roster
from bpstream.stream.topics import changelog_of
from tests.bench.bpstream_worker import settings_of
from tests.bench.peer import Task
from tests.bench.topics import PARTITIONS, client_of
from tests.integration.workers import until, worker

_READY_WITHIN = 600.0
ENOUGH = 10_000
"""Patients, from which on what they take stands out of what a worker takes anyway."""


class Start(NamedTuple):
    """A worker that has its partitions and their state."""

    patients: int
    records: int
    """Of the changelog, checkpoints and claims too."""
    ready_s: float
    """From its start, the interpreter's and the imports' time too."""
    cpu: float
    """Seconds, since its start."""
    resident: float
    """Bytes."""


def begun(task: Task, *, patients: int = 0, runs: int = 1) -> Start:
    """Start the worker that had the task again, each time on an empty disk: medians.

    It is ready once it holds so many patients.
    """
    starts = [_begun(task, patients) for _ in range(runs)]
    return Start(*map(median_low, zip(*starts, strict=True)))


def _begun(task: Task, patients: int) -> Start:
    with TemporaryDirectory() as folder:
        return _in(Path(folder), task, patients)


def _in(folder: Path, task: Task, patients: int) -> Start:
    settings = settings_of(task, folder)
    own = {"BPSTREAM_DATA_DIR", "BPSTREAM_WEB_PORT"}  # The worker has its own.
    changed = {
        name: value
        for name, value, default in settings.table()
        if value != default and name not in own
    }
    began = time.monotonic()
    with worker(folder, changed) as running:
        running.ready(_READY_WITHIN)
        until(
            lambda: running.get("/status?scope=worker")["patients"] == patients,
            _READY_WITHIN,
            running.told,
        )
        ready_s = time.monotonic() - began
        start = Start(
            patients,
            _records(task.kafka, changelog_of(settings)),
            ready_s,
            running.metric("process_cpu_seconds_total"),
            running.metric("process_resident_memory_bytes"),
        )
        running.stop()
    return start


def recovery(again: Start, empty: Start | None) -> dict[str, Any]:
    """What of a start was due to the patients: what is beyond a start without any.

    None where there are too few of them to tell.
    """
    told: dict[str, Any] = {"records": again.records, "ready_s": round(again.ready_s, 2)}
    if empty is None or again.patients < ENOUGH:
        return {**told, **dict.fromkeys(("recovery_s", "cpu_us_a_record", "bytes_a_patient"))}
    resident = (again.resident - empty.resident) / again.patients
    ids = sum(len(each.id.encode()) for each in roster(again.patients)) / again.patients
    return {
        **told,
        "recovery_s": round(again.ready_s - empty.ready_s, 2),
        "cpu_us_a_record": round((again.cpu - empty.cpu) / again.records * 1e6, 2),
        "bytes_a_patient": round(resident - ids),
    }


def _records(kafka: str, topic: str) -> int:
    consumer = Consumer({**client_of(kafka), "group.id": "bench"})
    try:
        ends = [
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)
            for number in range(PARTITIONS)
        ]
    finally:
        consumer.close()
    return sum(end - begin for begin, end in ends)
