"""bpstream's own worker with everything on, but for sinks that take nothing.

The table is written to its changelog and offsets are committed as ever; the sinks of the
peers are left out too.  Where the task names an Elasticsearch, nothing is left out.
"""

import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from bpstream.checkpoint import Archived
from bpstream.document import Entry, Found, Refused, Removal
from bpstream.settings import Settings
from bpstream.stream.app import App
from bpstream.stream.metrics import total
from bpstream.stream.sinks import new_archive, new_index
from bpstream.stream.stores import Archive, Index
from bpstream.stream.worker import Worker
from tests.bench.job import Job
from tests.bench.model import measured_model
from tests.bench.peer import Meter, Task, answer


class NoArchive:
    """Keeps nothing."""

    async def check(self) -> None:
        pass

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        pass

    async def write(
        self, partition: int, entries: Sequence[Entry], removals: Sequence[Removal]
    ) -> None:
        pass

    async def find(self, partition: int, document_ids: Sequence[str]) -> list[Found]:
        return []

    async def rotate(self, partition: int, committed: Archived | None) -> None:
        pass

    async def release(self, partition: int) -> None:
        pass

    async def close(self) -> None:
        pass


class Watched:
    """An archive that tells when a chunk comes and when all its effects are stored."""

    def __init__(
        self, archive: Archive, *, begun: Callable[[], None], done: Callable[[], None]
    ) -> None:
        self._archive, self._begun, self._done = archive, begun, done
        self.check, self.write, self.find = archive.check, archive.write, archive.find
        self.release, self.close = archive.release, archive.close

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        self._begun()
        await self._archive.take_over(partition, epoch, archived)

    async def rotate(self, partition: int, committed: Archived | None) -> None:
        await self._archive.rotate(partition, committed)
        self._done()  # The worker asks for it after each chunk.


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


def work(task: Task, meter: Meter, folder: Path, *, layout: str = "segments") -> Job:
    """Run the worker until every reading is counted, and stored where there are stores."""
    jobs: list[Job] = []
    stores = bool(task.elasticsearch)

    def chunk_done() -> None:
        if not jobs and total(app.metrics.inputs, fate="reading") >= task.readings:
            meter.stop()
            held = app.table.partitions().values()
            jobs.append(Job.of_rows(partition.patients for partition in held))
            signal.raise_signal(signal.SIGTERM)

    class Measured(App):
        def new_archive(self, settings: Settings, *, lineage: str) -> Archive:
            archive = new_archive(settings, lineage=lineage) if stores else NoArchive()
            return Watched(archive, begun=meter.start, done=chunk_done)

        def new_index(self, settings: Settings) -> Index:
            return new_index(settings) if stores else NoIndex()

    settings = settings_of(task, folder, layout)
    app = Measured(settings)
    app.model = measured_model()
    try:
        Worker(app, loglevel="WARNING", quiet=True).execute_from_commandline()
    except SystemExit:
        if not jobs:
            raise
    if not stores:
        return jobs[0]
    from tests.bench.stored import with_stores  # After the measurement: it is not bpstream's.

    return with_stores(jobs[0], task, settings.archive)


def settings_of(task: Task, folder: Path, layout: str = "segments") -> Settings:
    """The settings of a worker that meets no other run's."""
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
        elasticsearch_url=task.elasticsearch,
        index=task.name,
        archive_layout=layout,
        data_dir=folder,
        web_port=port,
    )


if __name__ == "__main__":
    answer(work)
