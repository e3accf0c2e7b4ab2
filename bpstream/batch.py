"""A batch: a chunk that was read, and the steps in which it is applied to its partition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.alert import Alert
from bpstream.checkpoint import Checkpoint
from bpstream.chunk import Chunk
from bpstream.copied import Copied
from bpstream.document import Removal
from bpstream.documents import NONE, Documents
from bpstream.patients import STORED, Patients
from bpstream.reading import Ignored, Origin, Readings, Rejected, Retraction

MOST_ROWS = 600
"""Rows that fit into one record batch of the changelog."""


@dataclass(slots=True)
class Partition:
    """The state of one partition: its patients, and how far it has come."""

    number: int
    patients: Patients = field(default_factory=Patients)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)

    def step(self, changed: NDArray[np.intp], alerts: Sequence[Alert]) -> "Step":
        """A step that no reading made: what changed, at most `MOST_ROWS` rows, and what is said."""
        patients, checkpoint = self.patients, self.checkpoint
        checkpoint.step += 1
        patients.rows["stamp"][changed] = checkpoint.stamp
        return Step(
            alerts=alerts,
            rows=patients.copied(changed),
            checkpoint=checkpoint.copy(),
        )


@dataclass(slots=True)
class Batch:
    """A chunk that was read: every input of it is in exactly one place."""

    chunk: Chunk
    at_home: Readings
    away: Readings
    rejected: list[Rejected]
    retractions: list[Retraction]
    """Of patients at home here."""
    retractions_away: list[Retraction]
    ignored: list[Ignored]
    skipped: int
    """Inputs that a checkpoint says were applied before."""
    counted: int
    """Readings of archived documents that the state has counted before."""
    tolerant: int
    """Messages that the fast path left to the tolerant parser."""


class Wanted(NamedTuple):
    """Asks what the stores hold of these documents, which the state has forgotten.

    The answer is to stand in the checkpoint's `looked_up` before the next step is asked for.
    """

    document_ids: list[str]


@dataclass(slots=True, kw_only=True)
class Step:
    """What one step of a batch leads to: its documents, and the rows that changed.

    Once the documents are stored, the rows and the checkpoint may be written: they are
    copies, so that the next step may be taken before.
    """

    rows: Copied = field(default_factory=Copied)
    """The patients that changed, and what is known of each from now on."""
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    """How far the partition has come with this step."""
    alerts: Sequence[Alert] = field(default_factory=list)
    """What fired, changed or recovered: to be published before the documents are stored."""
    to_archive: Documents = NONE
    to_index: Documents = NONE
    entries: Documents = NONE
    """Every document of the step, in order."""
    origins: list[Origin] = field(default_factory=list)
    """For each of `entries`, where in the chunk it came from."""
    from_archive: list[Removal] = field(default_factory=list)
    """What is to go once the documents are stored."""
    from_index: list[Removal] = field(default_factory=list)
    unknown: list[Retraction] = field(default_factory=list)
    """Retractions of what nobody knows."""
    retracted: list[Removal] = field(default_factory=list)
    """What was taken back."""
    readings: int = 0
    aggregates: int = 0
    anomalies: int = 0
    observed: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, compare=False)
    """What the model was given and what it said, by column, for `drift`."""
    failure: Exception | None = None
    """What went wrong with the model, if anything did."""
    repeated: int = 0
    """Inputs the patient's state holds already, or in a later version: no effect."""

    @property
    def size(self) -> int:
        """About how many bytes the step takes until it is stored."""
        return self.entries.size + STORED.itemsize * len(self.rows)
