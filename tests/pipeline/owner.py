"""A partition's owner that can crash: only what it stored, as bytes, outlives it."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from bpstream import pipeline as pipelines
from bpstream.checkpoint import Checkpoint
from bpstream.chunk import Chunk
from bpstream.document import Document, Entry
from bpstream.patients import ROW
from bpstream.pipeline import Batch, Partition, Pipeline, Step
from tests.pipeline.messages import a_pipeline, at

NOW = at(60)


class Owner:
    """Stores a step at once and as a whole: its documents, its rows and the checkpoint."""

    def __init__(self, pipeline: Pipeline | None = None, *, number: int = 0) -> None:
        self.pipeline = pipeline or a_pipeline()
        self.number = number
        self.rows: dict[str, bytes] = {}
        self.progress = Checkpoint().encode()
        self.entries: list[Entry] = []
        self.recover()

    def recover(self) -> None:
        """Begin anew with nothing but the bytes that were stored."""
        self.partition = Partition(self.number, checkpoint=Checkpoint.decode(self.progress))
        self.partition.patients.load(self.rows)

    def read(self, chunk: Chunk) -> Batch:
        return self.pipeline.read(chunk, self.partition)

    def take(self, chunk: Chunk, *, crash_after: int | None = None) -> list[Step]:
        """Apply a chunk and return the stored steps.

        A crash comes after so many stored steps: the next one, if there is one, has
        changed the memory already and is lost with it.
        """
        done: list[Step] = []
        for step in self.pipeline.steps(self.read(chunk), self.partition, now=NOW):
            if len(done) == crash_after:
                break
            self._store(step)
            done.append(step)
        if crash_after is not None:
            self.recover()
        return done

    def documents(self) -> list[Document]:
        return [msgspec.json.decode(entry.body, type=Document) for entry in self.entries]

    def _store(self, step: Step) -> None:
        patients = self.partition.patients
        stored = zip(patients.ids(step.changed), patients.copy_bytes(step.changed), strict=True)
        self.rows.update(stored)
        self.progress = self.partition.checkpoint.encode()
        self.entries += step.entries


@contextmanager
def patients_a_step(most: int, *, id_length: int = 2) -> Iterator[int]:
    """A step holds so many patients with ids of that length.  Gives the bytes it may have."""
    # Ids are reckoned at four bytes a character, the longest that UTF-8 has.
    limit = most * (ROW.itemsize + 64 + 4 * id_length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines, "STEP_BYTES", limit)
        yield limit
