"""The sinks that the settings ask for."""

from collections.abc import Sequence
from pathlib import Path

from bpstream.checkpoint import Archived
from bpstream.document import Entry
from bpstream.settings import Settings
from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect
from bpstream.sinks.files import FileArchive
from bpstream.sinks.local import LocalIndex
from bpstream.sinks.segments import Position, SegmentArchive
from bpstream.stream.stores import Archive, Index

LOCAL_INDEX = "index.sqlite"


def new_archive(settings: Settings, *, lineage: str) -> Archive:
    """The archive in the layout of `settings`; `lineage` names the life of the input topics."""
    if settings.archive_layout == "files":
        return _Files(FileArchive(settings.archive))
    return _Segments(SegmentArchive(settings.archive, lineage=lineage))


def new_index(settings: Settings) -> Index:
    """Elasticsearch where `settings` name one, else the local index."""
    if not settings.elasticsearch_url:
        return LocalIndex(local_index(settings))
    client = connect(
        settings.elasticsearch_url,
        api_key=settings.elasticsearch_api_key,
        username=settings.elasticsearch_username,
        password=settings.elasticsearch_password,
        ca_file=settings.elasticsearch_ca_file,
    )
    return ElasticsearchIndex(client, alias=settings.index)


def local_index(settings: Settings) -> Path:
    """Where the local index is."""
    return settings.data_dir / LOCAL_INDEX


class _Files:
    """A file a reading needs no partitions: its name tells what it is."""

    def __init__(self, files: FileArchive) -> None:
        self._files = files
        self.check = files.check

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        del partition, epoch, archived

    async def write(self, partition: int, entries: Sequence[Entry]) -> None:
        del partition
        await self._files.write(entries)

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

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        await self._segments.take_over(partition, epoch, _position(archived))

    async def write(self, partition: int, entries: Sequence[Entry]) -> Archived:
        return Archived(*await self._segments.write(partition, entries))

    async def rotate(self, partition: int, committed: Archived | None) -> None:
        position = _position(committed)
        if position is not None:
            await self._segments.rotate(partition, position)


def _position(archived: Archived | None) -> Position | None:
    return None if archived is None else Position(*archived)
