"""A batch on its way, without Kafka: bytes and state in; documents, dead letters, new state out.

    chunk ─ read ─▶ rejected, away (patients at home in another partition), at home
          at home ─ step ─▶ documents for the archive and the index, changed rows

A chunk is read once and applied in steps: a step changes no more patients than fit, with
the checkpoint, into one record batch of the changelog.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bpstream import memory, progress
from bpstream.checkpoint import Checkpoint
from bpstream.chunk import Chunk
from bpstream.clinical import categories, rules
from bpstream.clinical.risk import RiskModel
from bpstream.document import Entry
from bpstream.encoding import Judged, encode
from bpstream.fhir.parse import Parser
from bpstream.patients import ROW, Patients
from bpstream.reading import Flag, Ignored, Kind, Origin, Readings, Rejected, Retraction

STEP_BYTES = 900_000
"""Most bytes of changelog in one step: below the 1 MB that a broker takes as it comes."""

_RECORD_OVERHEAD = 64


@dataclass(slots=True)
class Partition:
    """The state of one partition: its patients, and how far it has come."""

    number: int
    patients: Patients = field(default_factory=Patients)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)


@dataclass(slots=True)
class Batch:
    """A chunk that was read: every input of it is in exactly one place."""

    chunk: Chunk
    at_home: Readings
    away: Readings
    rejected: list[Rejected]
    retractions: list[Retraction]
    ignored: list[Ignored]
    skipped: int
    """Inputs that a checkpoint says were applied before."""


@dataclass(slots=True)
class Step:
    """What one step of a batch leads to: its documents, and the rows that changed.

    Once the documents are stored, the rows and the partition's checkpoint may be written.
    """

    to_archive: list[Entry]
    to_index: list[Entry]
    entries: list[Entry]
    """Every document of the step, in order."""
    origins: list[Origin]
    """For each of `entries`, where in the chunk it came from."""
    changed: NDArray[np.intp]
    """Positions of the rows that changed."""
    anomalies: int
    repeated: int
    """Readings the patient's state holds already: no effect."""


class Pipeline:
    """The way of a reading.  Holds no state of its own; the caller passes the partition's."""

    def __init__(
        self,
        *,
        parser: Parser,
        model: RiskModel,
        home: Callable[[str], int],
        topic: str,
        archive_all: bool = False,
        index_all: bool = False,
    ) -> None:
        """`home` gives a patient's partition; `topic` stands in every document."""
        self.parser, self.model, self.home, self.topic = parser, model, home, topic
        self.archive_all, self.index_all = archive_all, index_all

    def read(self, chunk: Chunk, partition: Partition) -> Batch:
        """Parse what was not applied before, and tell which patients are at home here."""
        fresh = progress.not_applied(chunk, partition.checkpoint)
        skipped = len(chunk) - len(fresh)
        if skipped:
            chunk = chunk.take(fresh)
        parsed = self.parser.parse(chunk.values, chunk.arrived_at)
        readings, away = self._split_by_home(chunk, parsed.readings, partition)
        readings, split = progress.without_applied_entries(readings, chunk, partition.checkpoint)
        return Batch(
            chunk=chunk,
            at_home=readings,
            away=away,
            rejected=parsed.rejected,
            retractions=parsed.retractions,
            ignored=parsed.ignored,
            skipped=skipped + split,
        )

    def steps(self, batch: Batch, partition: Partition, *, now: int) -> Iterator[Step]:
        """Apply a batch to the partition's state, step by step; the last completes the chunk.

        `now` is when, in µs since 1970 UTC.  A step's effects must be stored before the
        next one is asked for, because that changes the state again.
        """
        readings = batch.at_home
        start = 0
        while True:
            end = self._end_of_step(readings, partition, start)
            part = readings.take(np.arange(start, end)) if end - start < len(readings) else readings
            yield self._step(batch, part, partition, now=now, last=end == len(readings))
            if end == len(readings):
                return
            start = end

    def _split_by_home(
        self, chunk: Chunk, readings: Readings, partition: Partition
    ) -> tuple[Readings, Readings]:
        """The readings of patients at home here, and the others; re-keyed ones are at home."""
        known, home, number = partition.patients, self.home, partition.number
        patients = readings.patient_id
        distinct = set() if chunk.rekeyed else set(patients)
        strangers = {who for who in distinct if who not in known and home(who) != number}
        if not strangers:
            return readings, Readings.of([], [])
        here = np.array([who not in strangers for who in patients])
        return readings.take(np.flatnonzero(here)), readings.take(np.flatnonzero(~here))

    def _end_of_step(self, readings: Readings, partition: Partition, start: int) -> int:
        """The first reading that no longer fits into a step which begins at `start`."""
        patients = readings.patient_id
        changed = set(patients[start:])
        fixed = ROW.itemsize + _RECORD_OVERHEAD
        if len(changed) * fixed + 4 * sum(map(len, changed)) <= STEP_BYTES:
            return len(readings)
        room, seen = STEP_BYTES, set[str]()
        for position in range(start, len(readings)):
            patient = patients[position]
            if patient not in seen:
                seen.add(patient)
                room -= fixed + 4 * len(patient)
                if room < 0 and position > start:
                    return position
        return len(readings)

    def _step(
        self, batch: Batch, readings: Readings, partition: Partition, *, now: int, last: bool
    ) -> Step:
        chunk, patients = batch.chunk, partition.patients
        # A repeated reading is applied as well: it must not come again after a crash, when
        # the state may no longer know it.
        end = None if last else readings.origin[-1]
        rows = patients.positions(readings.patient_id)
        identity = memory.identities(readings.document_id)
        new = memory.not_seen(patients.rows, rows, identity, readings.version)
        repeated = len(readings) - len(new)
        if repeated:
            readings, rows, identity = readings.take(new), rows[new], identity[new]
        message = np.fromiter((at.message for at in readings.origin), np.intp, len(readings))
        origins = chunk.origins
        readings.flags |= memory.late(readings, rows, patients.rows, chunk.arrived_at[message])

        judged = self._judge(readings)
        entries = encode(
            readings,
            judged,
            topic=self.topic,
            partition=origins.partition[message],
            offset=origins.offset[message],
            model=self.model,
            now=now,
        )
        anomalous = judged.tags > 0
        changed = memory.remember(patients.rows, rows, identity, readings, judged)
        if len(message):
            patients.rows["epoch"][changed] = partition.checkpoint.epoch
            patients.rows["partition"][rows] = origins.partition[message]
            patients.rows["offset"][rows] = origins.offset[message]
        progress.advance(partition.checkpoint, chunk, end)
        return Step(
            to_archive=_where(entries, ~anomalous, everything=self.archive_all),
            to_index=_where(entries, anomalous, everything=self.index_all),
            entries=entries,
            origins=readings.origin,
            changed=changed,
            anomalies=int(np.count_nonzero(anomalous)),
            repeated=repeated,
        )

    def _judge(self, readings: Readings) -> Judged:
        """Rules, categories and the model, for every reading of the step."""
        systolic, diastolic = readings.systolic, readings.diastolic
        mean = categories.mean_arterial_pressure(systolic, diastolic, readings.mean)
        # The rules are for adults, and for single readings.
        judged = (readings.kind == Kind.READING) & (readings.flags & np.uint32(Flag.CHILD) == 0)
        bounds = readings.flags & np.uint32(Flag.COMPARATOR) > 0
        tags = np.where(judged, rules.tag(systolic, diastolic), 0).astype(np.uint8)
        for position in np.flatnonzero(judged & bounds):
            tags[position] = rules.tag_of_bounds(
                systolic[position],
                diastolic[position],
                readings.details[position].comparators or ("", ""),
            )
        not_for_the_model = np.uint32(Flag.IMPLAUSIBLE | Flag.COMPARATOR)
        risk = self.model.score(systolic, diastolic)
        risk[~judged | (readings.flags & not_for_the_model > 0)] = np.nan
        category = categories.categorize(systolic, diastolic)
        severity = categories.severity(systolic, diastolic, mean)
        # A bound says something for certain, or nothing.
        told = judged & (~bounds | (tags > 0))
        return Judged(
            judged=judged,
            tags=tags,
            category=np.where(told, category, categories.UNCATEGORIZED).astype(np.int8),
            severity=np.where(told, severity, categories.Severity.NONE).astype(np.int8),
            mean=mean,
            pulse=categories.pulse_pressure(systolic, diastolic),
            risk=risk,
        )


def _where(entries: list[Entry], mask: NDArray[np.bool_], *, everything: bool) -> list[Entry]:
    if everything or mask.all():
        return entries
    return [entries[position] for position in np.flatnonzero(mask).tolist()]
