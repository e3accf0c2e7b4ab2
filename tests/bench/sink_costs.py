"""What the sinks cost their worker, on their own: a document indexed, a line or a file archived."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence, Sized
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from bpstream.batch import Partition, Step
from bpstream.collecting import collect_seldom
from bpstream.documents import Documents
from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect
from bpstream.sinks.files import FileArchive
from bpstream.sinks.segments import SegmentArchive
from tests.bench.simulated import a_pipeline, rounds
from tests.bench.stored import Elasticsearch, remove_indices

BATCH = 1000
Batch = TypeVar("Batch", bound=Sized)

_LINES = {"Content-Type": "application/x-ndjson"}

_TOLD_AGAIN_AFTER = 1.1
"""Seconds: a node looks at its own process once a second."""


class Cost(NamedTuple):
    """Of storing documents in batches of `BATCH`, in µs a document."""

    what: str
    documents: int
    cpu: float
    """Of this process: all of its threads, user and system."""
    wall: float
    cpu_of_sync: float
    """Of the two above, what passed while the disk was waited for."""
    wall_of_sync: float
    cpu_of_server: float | None = None
    """Of Elasticsearch's node, whatever it did meanwhile; None where there is none."""

    def __str__(self) -> str:
        server = "-" if self.cpu_of_server is None else f"{self.cpu_of_server:.1f}"
        return (
            f"{self.what:<28}{self.documents:>10,}{self.cpu:>9.1f}"
            f"{self.cpu - self.cpu_of_sync:>14.1f}{self.wall:>9.1f}"
            f"{self.wall - self.wall_of_sync:>14.1f}{server:>16}"
        )


HEADING = (
    f"{f'in batches of {BATCH}':<28}{'documents':>10}{'µs CPU':>9}{'without sync':>14}"
    f"{'µs wall':>9}{'without sync':>14}{'µs CPU of node':>16}"
)


def costs(elasticsearch: str, *, documents: int) -> list[Cost]:
    """Store so many simulated documents in each sink, one sink after the other.

    Lines and files are written below TMPDIR.
    """
    anomalies, normal = simulated(documents)
    collect_seldom()  # As the worker does.
    return [
        asyncio.run(_indexed(elasticsearch, anomalies)),
        asyncio.run(_bare_requests(elasticsearch, anomalies)),
        asyncio.run(_lines(normal)),
        asyncio.run(_bare_lines(normal)),
        asyncio.run(_files(normal)),
    ]


def simulated(documents: int) -> tuple[Documents, Documents]:
    """So many documents of anomalies, and of normal readings."""
    pipeline, partition = a_pipeline(), Partition(0)
    anomalies, normal = list[Documents](), list[Documents]()
    # Three or four readings in ten are anomalies.
    for chunk in rounds(BATCH, 4 * documents // BATCH + 1, profile="patients"):
        batch = pipeline.read(chunk, partition)
        for step in pipeline.steps(batch, partition, now=int(chunk.arrived_at[0])):
            if isinstance(step, Step):
                anomalies.append(step.to_index)
                normal.append(step.to_archive)
        if min(sum(map(len, anomalies)), sum(map(len, normal))) >= documents:
            break
    return Documents.joined(anomalies)[:documents], Documents.joined(normal)[:documents]


async def _indexed(url: str, entries: Documents) -> Cost:
    async with _an_index(url) as (index, alias):
        with Elasticsearch(url) as client:
            before = _cpu_of(client)
            found = await _measured("Elasticsearch, bulk", _batches(entries), index.write)
            client.indices.refresh(index=f"{alias}-*")  # What is put off is its work too.
            spent = (_cpu_of(client) - before) / len(entries)
    return found._replace(cpu_of_server=spent * 1e6)


async def _bare_requests(url: str, entries: Documents) -> Cost:
    """The same requests, made before and sent by a bare socket: no client of them costs less."""
    async with _an_index(url) as (index, _):
        operations = map(index.operations, _batches(entries))
        made = [Written(len(each.ends), each.text) for each in operations]
        with closing(HTTPConnection(urlsplit(url).netloc)) as connection:

            async def write(request: Written) -> None:
                connection.request("POST", "/_bulk?filter_path=errors", request.text, _LINES)
                answer = connection.getresponse().read()
                assert answer == b'{"errors":false}', answer

            return await _measured("request and answer alone", made, write)


@asynccontextmanager
async def _an_index(url: str) -> AsyncIterator[tuple[ElasticsearchIndex, str]]:
    """An index of its own, and its alias; gone after the block."""
    alias = f"bench-{uuid4().hex[:8]}"
    try:
        async with ElasticsearchIndex(connect(url), alias=alias) as index:
            await index.prepare()
            yield index, alias
    finally:
        with Elasticsearch(url) as client:
            remove_indices(client, alias)


def _cpu_of(client: Elasticsearch) -> float:
    """CPU seconds of all nodes since they started."""
    time.sleep(_TOLD_AGAIN_AFTER)
    nodes = client.nodes.stats(metric="process")["nodes"].values()
    return sum(node["process"]["cpu"]["total_in_millis"] for node in nodes) / 1e3


async def _lines(entries: Documents) -> Cost:
    with TemporaryDirectory() as folder:
        archive = SegmentArchive(Path(folder), lineage="bench")
        await archive.take_over(0, 1, None)
        batches = _batches(entries)
        found = await _measured("archive, segments", batches, lambda some: archive.write(0, some))
        await archive.close()
    return found


async def _bare_lines(entries: Documents) -> Cost:
    """The same lines, written and synced by the system alone: no archive of them costs less."""
    with TemporaryFile(buffering=0) as file:

        async def write(lines: Written) -> None:
            file.write(lines.text)
            os.fdatasync(file.fileno())

        batches = [Written(len(each), each.lines()) for each in _batches(entries)]
        return await _measured("write and sync alone", batches, write)


async def _files(entries: Documents) -> Cost:
    with TemporaryDirectory() as folder:
        archive = FileArchive(Path(folder))
        return await _measured("archive, files", _batches(entries), archive.write)


@dataclass(frozen=True)
class Written:
    """Documents as they are sent or written."""

    count: int
    text: bytes

    def __len__(self) -> int:
        return self.count


def _batches(entries: Documents) -> list[Documents]:
    return [entries[start : start + BATCH] for start in range(0, len(entries), BATCH)]


async def _measured(
    what: str, batches: Sequence[Batch], write: Callable[[Batch], Awaitable[Any]]
) -> Cost:
    await write(batches[0])  # Connections, the month's index and the segment are made by it.
    counted = sum(map(len, batches[1:]))
    with _syncs() as synced:
        cpu, wall = time.process_time(), time.perf_counter()
        for each in batches[1:]:
            await write(each)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(what, counted, *(took / counted * 1e6 for took in (cpu, wall, *synced)))


@contextmanager
def _syncs() -> Iterator[list[float]]:
    """CPU and wall seconds that pass in fsync and fdatasync, which are carried out as ever."""
    taken = [0.0, 0.0]
    before = os.fsync, os.fdatasync

    def timed(sync: Any) -> Any:
        def run(file: Any) -> None:
            cpu, wall = time.thread_time(), time.perf_counter()
            sync(file)
            taken[0] += time.thread_time() - cpu
            taken[1] += time.perf_counter() - wall

        return run

    os.fsync, os.fdatasync = map(timed, before)
    try:
        yield taken
    finally:
        os.fsync, os.fdatasync = before
