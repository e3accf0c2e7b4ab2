"""What the stores hold, read back: every document once for each time it is there."""

import gzip
import sqlite3
import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bpstream.errors import SinkError
from bpstream.sinks import answers
from bpstream.sinks.client import ApiError, AsyncElasticsearch, NotFoundError, TransportError
from bpstream.sinks.segment_files import (
    Position,
    SegmentName,
    is_late,
    open_path,
    sealed_path,
)

_PAGE = 2000
_KEEP_ALIVE = "5m"


class Place(NamedTuple):
    """Where in the archive a document is."""

    path: str
    """Of the file, within the archive's folder."""
    line: int = 0
    """From 0; a file of layout `files` has one."""
    sealed: bool = False
    """A segment that no worker writes any more."""


def segments(folder: Path) -> list[tuple[int, SegmentName]]:
    """Partition and name of every segment in the archive's folder, open or sealed."""
    found = set()
    for path in folder.glob("partition=*/*.jsonl*"):
        number = path.parent.name.removeprefix("partition=")
        name = SegmentName.parse(path.name.removesuffix(".gz").removesuffix(".jsonl"))
        if name is not None and number.isdigit() and path.suffix in {".gz", ".jsonl"}:
            found.add((int(number), name))
    return sorted(found)


def of_segment(
    folder: Path, partition: int, name: SegmentName, committed: Position | None
) -> Iterator[tuple[Place, bytes]]:
    """The lines of one segment, but for those that an owner has not committed.

    `committed` is the partition's position.  What lies behind it in an open segment is not
    the archive's yet, and a torn last line never was.  Raises :class:`SinkError`.
    """
    within = folder / f"partition={partition}"
    sealed, unsealed = sealed_path(within, name), open_path(within, name)
    try:
        # A worker may be sealing it: the open file goes when the sealed one is there.
        for path in (sealed, unsealed, sealed):
            with suppress(FileNotFoundError):
                if path == sealed:
                    yield from _lines(folder, path, None)
                else:
                    yield from _lines(folder, path, _committed_length(name, committed))
                return
    except (OSError, EOFError, zlib.error) as error:
        raise SinkError(f"{sealed} cannot be read: {error}") from error


def _committed_length(name: SegmentName, committed: Position | None) -> int | None:
    """How many bytes of an open segment count; None: every whole line."""
    reached = None if committed is None else SegmentName.parse(committed.name)
    if committed is None or reached is None or name.lineage != reached.lineage:
        return None
    if name == reached:
        return committed.length
    return 0 if name > reached or is_late(name, reached) else None


def _lines(folder: Path, path: Path, length: int | None) -> Iterator[tuple[Place, bytes]]:
    """The whole lines among the first `length` bytes of a segment's file."""
    sealed, within = path.suffix == ".gz", path.relative_to(folder).as_posix()
    with gzip.open(path) if sealed else path.open("rb") as file:
        reached = 0
        for number, line in enumerate(file):
            reached += len(line)
            if not line.endswith(b"\n") or (length is not None and reached > length):
                return
            yield Place(within, number, sealed), line


def of_files(folder: Path) -> Iterator[tuple[Place, bytes]]:
    """The files of layout `files`.  Raises :class:`SinkError`."""
    try:
        for path in folder.glob("*.json"):
            yield Place(path.name), path.read_bytes()
    except OSError as error:
        raise SinkError(f"{folder} cannot be read: {error}") from error


def of_local(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The documents of the local index, some at a time; none where there is no file.

    `document_id` and `version` are what the index keeps them as.  Changes nothing, not even
    to make the file.  Raises :class:`SinkError`.
    """
    if not path.exists():
        return
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            rows = connection.execute("SELECT document_id, version, body FROM documents")
            while page := [
                {**msgspec.json.decode(body), "document_id": document_id, "version": version}
                for document_id, version, body in islice(rows, _PAGE)
            ]:
                yield page
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise SinkError(f"{path} cannot be read: {error}") from error


async def of_elasticsearch(
    client: AsyncElasticsearch,
    alias: str,
    fields: list[str],
    *,
    query: dict[str, Any] | None = None,
) -> AsyncGenerator[list[dict[str, Any]]]:
    """`fields` of every document behind `alias`, some at a time; none where there is no index.

    With a `query`, of those that match it.  `document_id` and `version` are what Elasticsearch
    keeps them as.  Looks at one moment: what is written meanwhile is not seen.  Raises
    :class:`SinkError` if Elasticsearch is away, :class:`StartError` if it does not let us read
    and refresh.
    """
    point = None
    try:
        # Not seen before a refresh is what was written in the last second.
        await client.indices.refresh(index=alias)
        opened = await client.open_point_in_time(index=alias, keep_alive=_KEEP_ALIVE)
        point = opened["id"]
        after: list[Any] | None = None
        while True:
            found = await client.search(
                pit={"id": point, "keep_alive": _KEEP_ALIVE},
                size=_PAGE,
                sort=[{"_shard_doc": "asc"}],
                search_after=after,
                source_includes=fields,
                query=query,
                version=True,
                track_total_hits=False,
            )
            point = found["pit_id"]
            hits = found["hits"]["hits"]
            if not hits:
                return
            yield [
                {**hit["_source"], "document_id": hit["_id"], "version": hit["_version"]}
                for hit in hits
            ]
            after = hits[-1]["sort"]
    except NotFoundError:
        return
    except (ApiError, TransportError) as error:
        url = client.transport.node_pool.all()[0].base_url
        raise answers.failure(error, url=url, login=answers.login_of(client)) from error
    finally:
        if point is not None:
            with suppress(ApiError, TransportError):
                await client.close_point_in_time(id=point)
