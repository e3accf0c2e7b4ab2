"""What was sent: every reading the topic holds, judged as the worker judges it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bpstream.alert import Alert
from bpstream.batch import Partition, Step
from bpstream.chunk import Chunk
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.history import Floats
from bpstream.clinical.models import model as models
from bpstream.clinical.models.early_warning import EarlyWarning, Seen
from bpstream.document import Entry, iso
from bpstream.reading import Origin, Retraction
from bpstream.reconcile.facts import decode
from bpstream.reconcile.ledger import Ledger, Letter, Retracted, Sent
from bpstream.reconcile.progress import Progress
from bpstream.reconcile.state import State
from bpstream.resources import shipped
from bpstream.settings import Settings
from bpstream.stream.dead_letters import REFUSED, TOO_LARGE
from bpstream.stream.fetched import Records
from bpstream.stream.reader import Extent, Reader
from bpstream.stream.rekey import chunk_of
from bpstream.stream.wiring import pipeline


class Document(NamedTuple):
    """A document as the worker would write it, and the input it comes from."""

    entry: Entry
    origin: Origin
    offset: int
    arrived_at: int
    """µs since 1970 UTC."""


class _NoAlarms:
    """In place of `alarms.Alarms`: what was sent once raises no alert again."""

    def raised(self, *_: object, **__: object) -> list[Alert]:
        return []

    def count(self, *_: object, **__: object) -> None:
        pass

    def reconsidered(self, *_: object, **__: object) -> list[Alert]:
        return []


class _NoWarning(EarlyWarning):
    """In place of the model's: what comes next is told from the readings before, not known here."""

    prevalence = np.ones(len(TARGETS))

    def probabilities(self, seen: Seen) -> Floats:
        return np.full((len(TARGETS), seen.features.shape[1]), np.nan)


class Judge:
    """The worker's pipeline without its memory: each reading for itself.

    What depends on the patient's earlier readings is not told: of the flag `late`, only what
    the time of arrival says, and there is no early warning.
    """

    def __init__(self, settings: Settings) -> None:
        self._pipeline = pipeline(
            settings,
            model=replace(
                models.load(models.named(settings.model, shipped("models"))),
                early_warning=_NoWarning(),
            ),
            alarms=_NoAlarms(),
            partitions=1,  # Here every patient is at home.
        )

    def documents(self, chunk: Chunk, *, now: int) -> Iterator[Document]:
        """The documents of a chunk, in order; `now` (µs since 1970 UTC) is when they are made.

        A reading that comes twice in the chunk is there once; every version of it is there.
        """
        nowhere = Partition(0)
        batch = self._pipeline.read(chunk, nowhere)
        # What the stores hold is not asked for: each version is a document of its own here.
        steps = self._pipeline.steps(batch, nowhere, now=now)
        for step in (each for each in steps if isinstance(each, Step)):
            for entry, origin in zip(step.entries, step.origins, strict=True):
                at = origin.message
                yield Document(entry, origin, int(chunk.offset[at]), int(chunk.arrived_at[at]))

    def retractions(self, chunk: Chunk) -> list[Retraction]:
        """The retractions of a chunk."""
        return self._pipeline.read(chunk, Partition(0)).retractions


def read(
    reader: Reader,
    settings: Settings,
    ledger: Ledger,
    progress: Progress,
    *,
    judge: Judge,
    state: State,
) -> str | None:
    """Take down what the topic holds; returns when its first message arrived (ISO 8601), if any.

    Raises :class:`StartError` where the topic cannot be read.
    """
    extents = reader.extents(settings.topic)
    arrivals: list[int] = []
    with progress("topic", sum(map(len, extents))) as step:
        for extent in extents:
            ledger.partition(*extent)
            for chunk in chunks(reader, settings.topic, extent):
                arrivals.append(int(chunk.arrived_at.min()))
                ledger.sent(
                    _sent(document, extent.partition, state)
                    for document in judge.documents(chunk, now=0)
                )
                ledger.retractions(
                    Retracted(
                        each.document_id,
                        each.version,
                        int(chunk.arrived_at[each.origin.message]),
                    )
                    for each in judge.retractions(chunk)
                    if state.covers(
                        each.patient_id,
                        extent.partition,
                        int(chunk.offset[each.origin.message]),
                        each.origin.entry,
                    )
                )
                step(len(chunk))
    return iso(min(arrivals)) if arrivals else None


def chunks(reader: Reader, topic: str, extent: Extent) -> Iterator[Chunk]:
    """The messages of a part of the topic."""
    for records in reader.read(topic, extent):
        yield chunk_of(Records.of(topic, extent.partition, records))


def read_letters(reader: Reader, settings: Settings, ledger: Ledger, progress: Progress) -> None:
    """Take down the dead letters of readings that are not missing for it."""
    topic = settings.dead_letter_topic
    extents = reader.extents(topic) if reader.has(topic) else []
    with progress("dead letters", sum(map(len, extents))) as step:
        for extent in extents:
            for records in reader.read(topic, extent):
                headers = [dict(record.headers) for record in records]
                ledger.letters(
                    Letter(told["reason"].decode(), *map(int, told["id"].split(b":")))
                    for told in headers
                    if told.get("reason") in _EXCUSES
                    and told.get("topic") == settings.topic.encode()
                )
                step(len(records))


_EXCUSES = {REFUSED.encode(), TOO_LARGE.encode()}


def _sent(document: Document, partition: int, state: State) -> Sent:
    entry, origin = document.entry, document.origin
    facts = decode(entry.body)
    return Sent(
        entry.document_id,
        entry.version,
        entry.patient_id,
        partition,
        document.offset,
        origin.entry,
        document.arrived_at,
        facts.tags,
        facts.spot,
        state.covers(entry.patient_id, partition, document.offset, origin.entry),
        entry.taken_at,
    )
