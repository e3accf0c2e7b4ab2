"""A partition's owner that can crash: only what it stored, as bytes, outlives it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from bpstream import pipeline as pipelines
from bpstream.alert import Alert
from bpstream.batch import Batch, Partition, Step, Wanted
from bpstream.checkpoint import Checkpoint
from bpstream.chunk import Chunk
from bpstream.document import Document, Entry
from bpstream.patients import STORED
from bpstream.pipeline import Pipeline
from bpstream.reading import Retraction
from tests.pipeline.messages import a_pipeline, at
from tests.pipeline.shelves import Shelves

NOW = at(60)


class Owner:
    """Publishes a step's alerts, stores its documents, then its rows with the checkpoint."""

    def __init__(self, pipeline: Pipeline | None = None, *, number: int = 0) -> None:
        self.pipeline = pipeline or a_pipeline()
        self.number = number
        self.rows: dict[str, bytes] = {}
        self.progress = Checkpoint().encode()
        self.shelves = Shelves()
        self.alerts: list[Alert] = []
        self.entries: list[Entry] = []
        self.unknown: list[Retraction] = []
        self.asked: list[str] = []
        """Documents that the stores were asked for."""
        self.fates: Counter[str] = Counter()
        self.recover()

    def recover(self) -> None:
        """Begin anew with nothing but the bytes that were stored."""
        self.partition = Partition(self.number, checkpoint=Checkpoint.decode(self.progress))
        self.partition.patients.load(self.rows)

    def read(self, chunk: Chunk) -> Batch:
        return self.pipeline.read(chunk, self.partition)

    def take(
        self, chunk: Chunk, *, crash_after: int | None = None, torn: bool = False
    ) -> list[Step]:
        """Apply a chunk and return the stored steps.

        A crash comes after so many stored steps: the next one, if there is one, has
        changed the memory already and is lost with it; its alerts are out, and if it is
        `torn`, its documents are in the stores.
        """
        done: list[Step] = []
        for step in self.judged(chunk):
            self.alerts += step.alerts
            if len(done) == crash_after:
                if torn:
                    self.shelves.keep(step)
                break
            self.store(step)
            done.append(step)
        if crash_after is not None:
            self.recover()
        return done

    def judged(self, chunk: Chunk, waiting: list[Step] | None = None) -> Iterator[Step]:
        """The steps of a chunk.  What is `waiting` is stored before the stores are asked."""
        for step in self.pipeline.steps(self.read(chunk), self.partition, now=NOW):
            if not isinstance(step, Wanted):
                yield step
                continue
            for each in waiting or []:
                self.store(each)
            (waiting or []).clear()
            self._answer(step.document_ids)

    def store(self, step: Step) -> None:
        self.shelves.keep(step)
        self.rows.update(step.rows)
        self.progress = step.checkpoint.encode()
        self.entries += step.entries
        self.unknown += step.unknown
        self.fates.update(
            written=len(step.entries),
            repeated=step.repeated,
            retracted=len(step.retracted),
            unknown=len(step.unknown),
        )

    def documents(self) -> list[Document]:
        return [msgspec.json.decode(entry.body, type=Document) for entry in self.entries]

    def alerts_once(self) -> list[Alert]:
        """Each alert once, patient by patient: among each other they are in no order."""
        return sorted(dict.fromkeys(self.alerts), key=lambda alert: alert.patient_id or "")

    def _answer(self, document_ids: list[str]) -> None:
        """Write down what the stores hold, before they are changed."""
        self.asked += document_ids
        found = self.shelves.look_up(document_ids)
        self.partition.checkpoint.looked_up |= found
        written = Checkpoint.decode(self.progress)
        written.looked_up = dict(self.partition.checkpoint.looked_up)
        self.progress = written.encode()


@contextmanager
def patients_a_step(most: int, *, id_length: int = 2) -> Iterator[int]:
    """A step holds so many patients with ids of so many bytes.  Gives the bytes it may have."""
    limit = most * (STORED.itemsize + 64 + id_length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines, "STEP_BYTES", limit)
        yield limit
