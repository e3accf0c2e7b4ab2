"""The same messages to one worker, and to several that share the partitions."""

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bpstream.simulator import Message
from tests.bench.running import say
from tests.bench.topics import PARTITIONS, Topics, send, simulated
from tests.integration.workers import Worker, names, until, worker
from tests.stream.brokers import make_topic

_SHARED_WITHIN, _DONE_WITHIN = 90.0, 600.0


class _Run(NamedTuple):
    cpu: float
    """Seconds, of all workers."""
    wall: float
    """Seconds, from the first message sent until the last is stored."""
    partitions: list[int]
    """How many each worker holds."""
    shares: list[float]
    """Of the readings, by worker."""


def measure(
    topics: Topics,
    *,
    numbers: Sequence[int],
    readings: int,
    patients: int,
    profile: str,
    runs: int,
) -> list[dict[str, Any]]:
    """A row for each number of workers.  They take turns.

    The workers have everything on: a local index each, and one archive folder on the disk.
    They hold their partitions before the first message is sent, as fast as the broker takes
    them.
    """
    found = defaultdict[int, list[_Run]](list)
    for run in range(1, runs + 1):
        for number in numbers:
            # Made anew, so that they are no older than for the others.
            messages = list(simulated(readings, patients, profile))
            name = f"{topics.prefix}workers-{number}-{run}"
            found[number].append(_run(topics.kafka, name, number, messages))
            each = found[number][-1].cpu / readings * 1e6
            say(f"run {run} of {runs}: {number} worker(s) {each:.1f} µs a reading")
    return [
        {
            "workers": number,
            "readings": readings,
            "cpu_us": round(median(run.cpu for run in done) / readings * 1e6, 2),
            "readings_per_second": round(median(readings / run.wall for run in done)),
            "partitions": done[-1].partitions,
            "shares": [round(each, 4) for each in done[-1].shares],
        }
        for number, done in found.items()
    ]


def _run(kafka: str, name: str, number: int, messages: Sequence[Message]) -> _Run:
    topic = make_topic(kafka, f"{name}-fhir", partitions=PARTITIONS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        settings = {
            **names(lambda stem: f"{name}-{stem}"),
            "BPSTREAM_BROKER": f"kafka://{kafka}",
            "BPSTREAM_TOPIC": topic,
            "BPSTREAM_ARCHIVE_DIR": str(folder / "archive"),
        }
        workers = [
            stack.enter_context(worker(folder, settings, name=f"worker-{each}"))
            for each in range(number)
        ]
        for each in workers:
            each.ready()
        until(lambda: _shared(workers), _SHARED_WITHIN, workers[0].told)
        before, began = _cpu(workers), time.monotonic()
        send(kafka, topic, messages)
        until(lambda: sum(map(_seen, workers)) >= len(messages), _DONE_WITHIN, workers[0].told)
        wall, cpu = time.monotonic() - began, _cpu(workers) - before
        return _Run(
            cpu,
            wall,
            [len(each.partitions) for each in workers],
            [_seen(each) / len(messages) for each in workers],
        )


def _shared(workers: Sequence[Worker]) -> bool:
    """Whether every partition is held by one of them, and each has as many as it should."""
    held = [each.partitions for each in workers]
    least = PARTITIONS // len(workers)
    return sorted(chain(*held)) == list(range(PARTITIONS)) and min(map(len, held)) >= least


def _cpu(workers: Sequence[Worker]) -> float:
    return sum(each.metric("process_cpu_seconds_total") for each in workers)


def _seen(running: Worker) -> float:
    return running.metric("bpstream_inputs_total")
