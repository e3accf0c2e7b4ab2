"""bpstream's own worker with everything on, but for sinks that take nothing.

The table is written to its changelog and offsets are committed as ever; the sinks of the
peers are left out too.
"""

import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from bpstream.checkpoint import Archived
from bpstream.document import Entry, Found, Refused, Removal
from bpstream.settings import Settings
from bpstream.stream.app import App
from bpstream.stream.metrics import total
from bpstream.stream.worker import Worker
from tests.bench.job import Job
from tests.bench.model import measured_model
from tests.bench.peer import Meter, Task, answer


class NoArchive:
    """Keeps nothing, and tells when a chunk comes and when all its effects are stored."""

    def __init__(self, *, begun: Callable[[], None], done: Callable[[], None]) -> None:
        self._begun, self._done = begun, done

    async def check(self) -> None:
        pass

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        self._begun()

    async def write(
        self, partition: int, entries: Sequence[Entry], removals: Sequence[Removal]
    ) -> None:
        pass

    async def find(self, partition: int, document_ids: Sequence[str]) -> list[Found]:
        return []

    async def rotate(self, partition: int, committed: Archived | None) -> None:
        self._done()  # The worker asks for it after each chunk.

    async def release(self, partition: int) -> None:
        pass

    async def close(self) -> None:
        pass


class NoIndex:
    """Refuses nothing and keeps nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        pass

    async def check(self) -> None:
        pass

    async def prepare(self) -> None:
        pass

    async def write(self, entries: Sequence[Entry]) -> list[Refused]:
        return []

    async def remove(self, removals: Sequence[Removal]) -> None:
        pass

    async def find(self, document_ids: Sequence[str]) -> list[Found]:
        return []


def work(task: Task, meter: Meter, folder: Path) -> Job:
    """Run the worker until every reading is counted."""
    jobs: list[Job] = []

    def chunk_done() -> None:
        if not jobs and total(app.metrics.inputs, fate="reading") >= task.readings:
            meter.stop()
            held = app.table.partitions().values()
            jobs.append(Job.of_rows(partition.patients for partition in held))
            signal.raise_signal(signal.SIGTERM)

    class Measured(App):
        def new_archive(self, *_: Any, **__: Any) -> NoArchive:
            return NoArchive(begun=meter.start, done=chunk_done)

        def new_index(self, *_: Any) -> NoIndex:
            return NoIndex()

    app = Measured(_settings(task, folder))
    app.model = measured_model()
    try:
        Worker(app, loglevel="WARNING", quiet=True).execute_from_commandline()
    except SystemExit:
        if not jobs:
            raise
    return jobs[0]


def _settings(task: Task, folder: Path) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    return Settings(
        app_id=task.name,
        broker=f"kafka://{task.kafka}",
        topic=task.topic,
        rekeyed_topic=f"{task.name}-rekeyed",
        dead_letter_topic=f"{task.name}-dead-letter",
        alerts_topic=f"{task.name}-alerts",
        limits_topic=f"{task.name}-limits",
        acknowledgements_topic=f"{task.name}-acknowledgements",
        data_dir=folder,
        web_port=port,
    )


if __name__ == "__main__":
    answer(work)
