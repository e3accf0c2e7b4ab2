"""The sinks that the settings ask for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from bpstream.checkpoint import Archived
from bpstream.document import Entry, Found, Removal
from bpstream.settings import Settings
from bpstream.sinks.client import AsyncElasticsearch
from bpstream.sinks.contents import of_elasticsearch, of_local
from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect
from bpstream.sinks.files import FileArchive
from bpstream.sinks.local import LocalIndex
from bpstream.sinks.mapping import index_template
from bpstream.sinks.segments import Position, SegmentArchive
from bpstream.sinks.template import Template
from bpstream.stream.stores import Archive, Index

LOCAL_INDEX = "index.sqlite"


def new_archive(settings: Settings, *, lineage: str) -> Archive:
    """The archive in the layout of `settings`; `lineage` names the life of the input topics."""
    if settings.archive_layout == "files":
        return _Files(FileArchive(settings.archive))
    return _Segments(SegmentArchive(settings.archive, lineage=lineage, owner=settings.app_id))


def new_index(settings: Settings) -> Index:
    """Elasticsearch where `settings` name one, else the local index."""
    if not settings.elasticsearch_url:
        return LocalIndex(local_index(settings))
    return ElasticsearchIndex(connect(**_elasticsearch(settings)), alias=settings.index)


@asynccontextmanager
async def template(settings: Settings) -> AsyncIterator[Template]:
    """The index template in Elasticsearch, which answers and will do.

    Raises StartError and SinkError as the index does.
    """
    async with elasticsearch(settings) as client:
        yield Template(client, settings.index)


@asynccontextmanager
async def elasticsearch(settings: Settings) -> AsyncIterator[AsyncElasticsearch]:
    """A client of the Elasticsearch that `settings` name, which answers and will do.

    Raises StartError and SinkError as the index does.
    """
    async with connect(**_elasticsearch(settings)) as client:
        await ElasticsearchIndex(client).check()
        yield client


def template_body(settings: Settings) -> dict[str, Any]:
    """The index template, for who installs it by hand."""
    return index_template(settings.index)


async def indexed(settings: Settings, fields: list[str]) -> AsyncIterator[list[dict[str, Any]]]:
    """At least `fields` of every document in the index, some at a time.

    Changes nothing.  Raises SinkError where the index is away, StartError where it refuses us.
    """
    if not settings.elasticsearch_url:
        for page in of_local(local_index(settings)):
            yield page
        return
    async with (
        connect(**_elasticsearch(settings)) as client,
        aclosing(of_elasticsearch(client, settings.index, fields)) as pages,
    ):
        async for page in pages:
            yield page


def local_index(settings: Settings) -> Path:
    """Where the local index is."""
    return settings.data_dir / LOCAL_INDEX


def _elasticsearch(settings: Settings) -> dict[str, str]:
    return {
        "url": settings.elasticsearch_url,
        "api_key": settings.elasticsearch_api_key,
        "username": settings.elasticsearch_username,
        "password": settings.elasticsearch_password,
        "ca_file": settings.elasticsearch_ca_file,
    }


class _Files:
    """A file a reading needs no partitions: its name tells what it is."""

    def __init__(self, files: FileArchive) -> None:
        self._files = files
        self.check = files.check

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        del partition, epoch, archived

    async def write(
        self, partition: int, entries: Sequence[Entry], removals: Sequence[Removal]
    ) -> None:
        del partition
        await self._files.write(entries, removals)

    async def find(self, partition: int, document_ids: Sequence[str]) -> list[Found]:
        del partition
        return await self._files.find(document_ids)

    async def rotate(self, partition: int, committed: Archived | None) -> None:
        del partition, committed

    async def release(self, partition: int) -> None:
        del partition

    async def close(self) -> None:
        pass


class _Segments:
    """Segments go with their partition: what a checkpoint does not cover is cut."""

    def __init__(self, segments: SegmentArchive) -> None:
        self._segments = segments
        self.check, self.release, self.close = segments.check, segments.release, segments.close
        self.find = segments.find

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        await self._segments.take_over(partition, epoch, _position(archived))

    async def write(
        self, partition: int, entries: Sequence[Entry], removals: Sequence[Removal]
    ) -> Archived:
        return Archived(*await self._segments.write(partition, entries, removals))

    async def rotate(self, partition: int, committed: Archived | None) -> None:
        position = _position(committed)
        if position is not None:
            await self._segments.rotate(partition, position)


def _position(archived: Archived | None) -> Position | None:
    return None if archived is None else Position(*archived)
