"""What is held: every document of the index and of the archive."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from bpstream.checkpoint import Archived
from bpstream.reconcile.facts import FIELDS, Facts, decode
from bpstream.reconcile.ledger import ARCHIVE, INDEX, TOMBSTONE, Held, Ledger
from bpstream.reconcile.progress import Progress, Step
from bpstream.reconcile.state import State
from bpstream.settings import Settings
from bpstream.sinks.contents import Place, of_files, of_segment, segments
from bpstream.sinks.segment_files import Position
from bpstream.stream.sinks import indexed

_UNREADABLE = Facts()


class Stores:
    """The index and the archive of `settings`, as they are read.

    `elsewhere` counts, by topic, the documents that other topics led to: stores may be shared.
    """

    def __init__(self, settings: Settings, state: State) -> None:
        self._settings, self._state = settings, state
        self.elsewhere: Counter[str] = Counter()

    def read(self, ledger: Ledger, progress: Progress) -> None:
        """Take down what both hold.

        Raises SinkError where one is away or cannot be read, StartError where it refuses us.
        """
        asyncio.run(self._read_index(ledger, progress))
        with progress("archive", None) as step:
            ledger.held(self._archived(self._archive(), step))

    def _archive(self) -> Iterator[tuple[Place, bytes]]:
        folder = self._settings.archive
        if self._settings.archive_layout == "files":
            yield from of_files(folder)
            return
        for partition, name in segments(folder):
            yield from of_segment(folder, partition, name, self._committed(partition))

    async def _read_index(self, ledger: Ledger, progress: Progress) -> None:
        with progress("index", None) as step:
            async for page in indexed(self._settings, FIELDS):
                found = [(_facts(document), Place("")) for document in page]
                ledger.held(self._ours(INDEX, found))
                step(len(page))

    def _archived(self, lines: Iterable[tuple[Place, bytes]], step: Step) -> Iterator[Held]:
        def each() -> Iterator[tuple[Facts, Place]]:
            for place, line in lines:
                step(1)
                try:
                    yield decode(line), place
                except msgspec.DecodeError:
                    yield _UNREADABLE, place

        return self._ours(ARCHIVE, each())

    def _ours(self, store: str, found: Iterable[tuple[Facts, Place]]) -> Iterator[Held]:
        """The documents of our topic, and those that name none."""
        for facts, place in found:
            topic, partition, offset = facts.kafka.topic, facts.kafka.partition, facts.kafka.offset
            if topic not in ("", self._settings.topic):
                self.elsewhere[topic] += 1
                continue
            yield Held(
                TOMBSTONE if facts.retracted else store,
                facts.document_id,
                facts.version,
                facts.patient_id,
                partition,
                offset,
                facts.ingested_at,
                facts.tags,
                facts.spot,
                self._state.beyond(facts.patient_id, partition, offset),
                *place,
            )

    def _committed(self, partition: int) -> Position | None:
        checkpoint = self._state.checkpoints.get(partition)
        archived: Archived | None = checkpoint.archived if checkpoint else None
        return None if archived is None else Position(*archived)


def _facts(document: dict[str, Any]) -> Facts:
    try:
        return msgspec.convert(document, Facts)
    except msgspec.ValidationError:
        return Facts(document_id=str(document["document_id"]))
