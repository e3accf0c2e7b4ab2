"""Repair: what is missing is written again, and what is there twice is taken out.

Only what no worker writes is changed: the index, where a document replaces itself, and sealed
segments.  Doing it again, or after a crash, does no harm.
"""

import asyncio
import time
from collections import defaultdict
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from bpstream.chunk import Chunk
from bpstream.document import Entry
from bpstream.reconcile import sent
from bpstream.reconcile.ledger import Ledger
from bpstream.reconcile.progress import Progress
from bpstream.reconcile.sent import Judge
from bpstream.reconcile.state import State
from bpstream.settings import Settings
from bpstream.sinks.files import FileArchive
from bpstream.sinks.segment_repair import RepairedSegments, without
from bpstream.stream.reader import Extent, Reader
from bpstream.stream.sinks import new_index

_WANTED = """
CREATE TABLE wanted AS
SELECT document_id, version, partition, offset,
    max(kind IN ('missing in index', 'stale in index') AND in_index) AS to_index,
    max(kind IN ('missing in archive', 'stale in archive') AND in_archive) AS to_archive
FROM differences JOIN newest USING (document_id, version, partition, offset)
GROUP BY document_id;
DELETE FROM wanted WHERE NOT to_index AND NOT to_archive;
CREATE UNIQUE INDEX wanted_by_id ON wanted (document_id);
"""

_PARTS = "SELECT partition, min(offset), max(offset) + 1 FROM wanted GROUP BY partition"

_TAKEN = """
DELETE FROM wanted WHERE document_id = ? AND version = ? RETURNING to_index, to_archive
"""

# Of several copies one stays: of the highest version, and rather one that cannot be taken out.
# Where the highest version has just been added anew, none of the others stays.
_SURPLUS = """
SELECT path, line FROM (
    SELECT h.path, h.line, h.sealed, h.version < n.version AS older, row_number() OVER (
        PARTITION BY h.document_id ORDER BY h.version DESC, h.sealed, h.offset, h.path, h.line
    ) AS place
    FROM held h JOIN newest n ON n.document_id = h.document_id
    WHERE h.store = 'archive' AND n.in_archive AND NOT h.beyond AND h.version <= n.version
) WHERE sealed AND (older OR place > 1) ORDER BY path
"""


class Repaired(NamedTuple):
    """How much was mended."""

    indexed: int
    """Documents written to the index."""
    archived: int
    """Documents added to the archive."""
    removed: int
    """Lines taken out of the archive."""


class Repair:
    """Mends what `differences.find` has named in the ledger."""

    def __init__(self, settings: Settings, judge: Judge, state: State) -> None:
        self._settings, self._judge, self._state = settings, judge, state

    def run(self, reader: Reader, ledger: Ledger, progress: Progress) -> Repaired:
        """Write what is missing, then take out what is too much.

        Raises SinkError where a store does not take it, StartError where it refuses us.
        """
        indexed, archived = asyncio.run(self._write(reader, ledger, progress))
        return Repaired(indexed, archived, self._remove(ledger, progress))

    async def _write(self, reader: Reader, ledger: Ledger, progress: Progress) -> tuple[int, int]:
        """Write what is missing, read again from the topic; how many were indexed and archived."""
        ledger.rows.executescript(_WANTED)
        parts = [Extent(*part) for part in ledger.rows.execute(_PARTS)]
        indexed = archived = 0
        if not parts:
            return indexed, archived
        with (
            progress("repair", sum(map(len, parts))) as step,
            RepairedSegments(self._settings.archive) as segments,
        ):
            async with new_index(self._settings) as index:
                await index.check()
                await index.prepare()
                for part in parts:
                    for chunk in sent.chunks(reader, self._settings.topic, part):
                        to_index, to_archive = self._wanted(chunk, ledger)
                        if to_index:
                            indexed += len(to_index) - len(await index.write(to_index))
                        if to_archive:
                            await self._archive(to_archive, segments)
                            archived += len(to_archive)
                        step(len(chunk))
        return indexed, archived

    def _wanted(self, chunk: Chunk, ledger: Ledger) -> tuple[list[Entry], list[Entry]]:
        """What of a chunk the index and the archive lack; each document once."""
        to_index, to_archive = [], []
        for document in self._judge.documents(chunk, now=time.time_ns() // 1000):
            entry = document.entry
            found = ledger.rows.execute(_TAKEN, (entry.document_id, entry.version)).fetchone()
            if found is not None:
                to_index += [entry] * found[0]
                to_archive += [entry] * found[1]
        return to_index, to_archive

    async def _archive(self, entries: list[Entry], segments: RepairedSegments) -> None:
        if self._settings.archive_layout == "files":
            await FileArchive(self._settings.archive).write(entries)
            return
        by_home = defaultdict[int, list[bytes]](list)
        for entry in entries:
            by_home[self._state.home(entry.patient_id)].append(entry.body)
        for home, bodies in by_home.items():
            segments.add(home, bodies)

    def _remove(self, ledger: Ledger, progress: Progress) -> int:
        """Take out of sealed segments what is there too often; how many lines."""
        removed = 0
        with progress("surplus", None) as step:
            for path, rows in groupby(ledger.rows.execute(_SURPLUS), key=itemgetter(0)):
                lines = {line for _, line in rows}
                without(self._settings.archive / path, lines)
                removed += len(lines)
                step(len(lines))
        return removed
