"""The stores that the settings name, purged one after the other."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from bpstream.errors import FileError, StartError
from bpstream.purge.done import Done, Progress
from bpstream.purge.elasticsearch import ElasticsearchPurge
from bpstream.purge.files import FilesPurge
from bpstream.purge.local import LocalPurge
from bpstream.purge.segments import SegmentsPurge
from bpstream.settings import Settings
from bpstream.sinks import purges
from bpstream.sinks.segment_files import owner_in
from bpstream.sinks.segment_repair import rewriting
from bpstream.stream.sinks import elasticsearch, local_index


class StoresPurge:
    """Removes readings taken before a time from the index, and the archive in both layouts.

    Raises :class:`StartError`, :class:`SinkError` and :class:`FileError` where a store is away,
    refuses us or is not there; what was removed until then is gone, and the next call goes on.
    """

    def __init__(self, settings: Settings, before: int) -> None:
        """`before` is in microseconds since 1970-01-01 UTC."""
        self._settings, self._before = settings, before
        folder = settings.archive
        if not folder.is_dir():
            raise FileError(f"there is no archive at {folder} (BPSTREAM_ARCHIVE_DIR)")
        owner = owner_in(folder)
        if owner not in ("", settings.app_id):
            raise StartError(
                f"{folder} is the archive of the app {owner!r}, and this is "
                f"{settings.app_id!r} (BPSTREAM_APP_ID): name another folder "
                "(BPSTREAM_ARCHIVE_DIR)"
            )
        self._segments = SegmentsPurge(folder, before, clock=lambda: datetime.now(UTC))
        self._files = FilesPurge(folder, before)
        self._local = LocalPurge(local_index(settings), before)

    def find(self, progress: Progress) -> Iterator[Done]:
        """What would go, store by store; nothing is changed."""
        yield self._find_index()
        yield self._segments.find(progress)
        yield self._files.find()

    def purge(self, progress: Progress) -> Iterator[Done]:
        """Remove it, store by store, once the index has answered."""
        folder = self._settings.archive
        with rewriting(folder):
            self._find_index()
            # Before anything goes: bpstream reconcile never takes it for lost.
            purges.begin(folder, self._before)
            yield self._purge_index(progress)
            yield self._segments.purge(progress)
            yield self._files.purge(progress)
            purges.end(folder, self._before, now=time.time_ns() // 1000)

    def _find_index(self) -> Done:
        if not self._settings.elasticsearch_url:
            return self._local.find()

        async def find() -> Done:
            async with elasticsearch(self._settings) as client:
                return await ElasticsearchPurge(client, self._settings.index, self._before).find()

        return asyncio.run(find())

    def _purge_index(self, progress: Progress) -> Done:
        if not self._settings.elasticsearch_url:
            return self._local.purge(progress)

        async def purge() -> Done:
            async with elasticsearch(self._settings) as client:
                return await ElasticsearchPurge(client, self._settings.index, self._before).purge(
                    progress
                )

        return asyncio.run(purge())
