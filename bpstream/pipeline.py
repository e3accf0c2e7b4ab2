"""A batch on its way, without Kafka: bytes and state in; documents, dead letters, new state out.

    chunk ─ read ─▶ rejected, away (patients at home in another partition), at home
          at home ─ step ─▶ alerts, documents for the archive and the index, changed rows

A chunk is read once and applied in steps: a step changes no more patients than fit, with
the checkpoint, into one record batch of the changelog.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bpstream import corrections, histories, memory, progress
from bpstream.alarms import Alarms
from bpstream.batch import Batch, Partition, Step, Wanted
from bpstream.checkpoint import Earlier
from bpstream.chunk import Chunk
from bpstream.clinical.models.model import Model
from bpstream.corrections import Corrections
from bpstream.documents import Documents
from bpstream.encoding import Judged, encode
from bpstream.fhir.parse import Parser
from bpstream.judging import judge
from bpstream.patients import STORED
from bpstream.reading import Flag, Kind, Origin, Readings, Retraction
from bpstream.texts import taken

STEP_BYTES = 900_000
"""Most bytes of changelog in one step, unless the changelog is known to take more: below the
1 MB that a broker takes as it comes."""

RECORD_OVERHEAD = 64
"""Bytes that a record takes beside its key and value, about."""

_MESSAGE = itemgetter(Origin._fields.index("message"))


class Pipeline:
    """The way of a reading.  Holds no state of its own; the caller passes the partition's."""

    def __init__(
        self,
        *,
        parser: Parser,
        model: Model,
        alarms: Alarms,
        home: Callable[[Sequence[str]], Sequence[int]],
        topic: str,
        archive_all: bool = False,
        index_all: bool = False,
        step_bytes: int | None = None,
    ) -> None:
        """`home` gives the partition of each patient; `topic` stands in every document.

        `step_bytes` is how many bytes of changelog a step may have, else `STEP_BYTES`.
        """
        self.parser, self.model, self.alarms = parser, model, alarms
        self.home, self.topic = home, topic
        self.archive_all, self.index_all = archive_all, index_all
        self._step_bytes = step_bytes
        self._corrections = Corrections(alarms, archive_all=archive_all, index_all=index_all)

    @property
    def step_bytes(self) -> int:
        """Most bytes of changelog in one step."""
        return STEP_BYTES if self._step_bytes is None else self._step_bytes

    def read(self, chunk: Chunk, partition: Partition) -> Batch:
        """Parse what was not applied before, and tell which patients are at home here."""
        fresh = progress.not_applied(chunk, partition.checkpoint)
        skipped = len(chunk) - len(fresh)
        if skipped:
            chunk = chunk.take(fresh)
        parsed = self.parser.parse(chunk.values, chunk.arrived_at)
        readings, away = self._split_by_home(chunk, parsed.readings, partition)
        at_home = progress.not_counted(chunk, readings, partition.checkpoint)
        counted, readings = len(readings) - len(at_home), at_home
        here, elsewhere = self._retractions_by_home(chunk, parsed.retractions, partition)
        done = progress.applied_entry(chunk, partition.checkpoint)
        if done >= 0:
            before = len(readings) + len(here)
            left = [at for at, origin in enumerate(readings.origin) if origin[:2] > (0, done)]
            readings = readings.take(np.array(left, np.intp))
            here = [each for each in here if each.origin[:2] > (0, done)]
            skipped += before - len(readings) - len(here)
        return Batch(
            chunk=chunk,
            at_home=readings,
            away=away,
            rejected=parsed.rejected,
            retractions=here,
            retractions_away=elsewhere,
            ignored=parsed.ignored,
            skipped=skipped,
            counted=counted,
            tolerant=parsed.tolerant,
        )

    def steps(self, batch: Batch, partition: Partition, *, now: int) -> Iterator[Step | Wanted]:
        """Apply a batch to the partition's state, step by step; the last completes the chunk.

        `now` is when, in µs since 1970 UTC.  The steps' effects must be stored in order, and
        all of them: the state holds them from now on.  A :class:`Wanted` is to be answered
        before the next step is asked for.
        """
        readings, start = batch.at_home, 0
        places = [at[:2] for at in readings.origin] if batch.retractions else []
        for retraction in batch.retractions:
            end = bisect_left(places, retraction.origin[:2], start)
            if end > start:
                part = readings.part(start, end)
                yield from self._reading_steps(batch, part, partition, now=now, last=False)
            if wanted := corrections.forgotten_retraction(retraction, partition):
                yield _wanted(wanted, batch, retraction.origin, partition)
            yield self._corrections.retract(batch.chunk, retraction, partition)
            start = end
        rest = readings.part(start, len(readings))
        yield from self._reading_steps(batch, rest, partition, now=now, last=True)

    def _reading_steps(
        self, batch: Batch, readings: Readings, partition: Partition, *, now: int, last: bool
    ) -> Iterator[Step | Wanted]:
        patients = partition.patients
        while True:
            part = readings.part(0, self._end_of_step(readings))
            known = memory.known(part, patients)
            size = corrections.end_of_step(part, known.seen, partition.checkpoint.looked_up)
            if size < len(part):
                part = part.part(0, size)
                known = memory.known(part, patients)
            if wanted := corrections.forgotten(part, partition):
                yield _wanted(wanted, batch, part.origin[-1], partition)
            ends = size == len(readings)
            yield self._step(batch, part, known, partition, now=now, last=last and ends)
            if ends:
                return
            readings = readings.part(size, len(readings))

    def _split_by_home(
        self, chunk: Chunk, readings: Readings, partition: Partition
    ) -> tuple[Readings, Readings]:
        """The readings of patients at home here, and the others; re-keyed ones are at home."""
        away = self._away(chunk, readings.patient_id, partition)
        if not away.any():
            return readings, Readings.of([], [])
        return readings.take(np.flatnonzero(~away)), readings.take(np.flatnonzero(away))

    def _retractions_by_home(
        self, chunk: Chunk, retractions: list[Retraction], partition: Partition
    ) -> tuple[list[Retraction], list[Retraction]]:
        away = self._away(chunk, [each.patient_id for each in retractions], partition)
        here = [each for each, is_away in zip(retractions, away, strict=True) if not is_away]
        return here, [each for each, is_away in zip(retractions, away, strict=True) if is_away]

    def _away(
        self, chunk: Chunk, patient_ids: Sequence[str], partition: Partition
    ) -> NDArray[np.bool_]:
        """Whether each of the patients is at home in another partition."""
        away = np.zeros(len(patient_ids), np.bool_)
        if chunk.rekeyed:
            return away
        unknown = np.flatnonzero(partition.patients.find(patient_ids) < 0)
        if len(unknown):
            homes = self.home(taken(patient_ids, unknown))
            away[unknown] = np.asarray(homes) != partition.number
        return away

    def _end_of_step(self, readings: Readings) -> int:
        """The first reading that no longer fits into one step with those before it."""
        patients = readings.patient_id
        longest = int((patients.utf8.ends - patients.utf8.begins).max(initial=0))
        room = max(self.step_bytes // (STORED.itemsize + RECORD_OVERHEAD + longest), 1)
        firsts = patients.alike.firsts
        return int(firsts[room]) if room < len(firsts) else len(readings)

    def _step(
        self,
        batch: Batch,
        readings: Readings,
        known: memory.Known,
        partition: Partition,
        *,
        now: int,
        last: bool,
    ) -> Step:
        chunk, patients, checkpoint = batch.chunk, partition.patients, partition.checkpoint
        # A repeated reading is applied as well: it must not come again after a crash, when
        # the state may no longer know it.
        end = None if last else readings.origin[-1]
        rows, identity, seen = known
        found = corrections.answers(readings, partition)
        new = seen.new
        replaces: dict[int, int | Earlier] = {**seen.replaces, **found}
        if found:
            stale = [at for at, was in found.items() if was.version >= readings.version[at]]
            new = np.setdiff1d(new, stale)
        repeated = len(readings) - len(new)
        again = self._again(chunk, readings, rows, new, partition, now=now)
        if repeated:
            readings, rows, identity = readings.take(new), rows[new], identity[new]
        replaced = {
            at: self._corrections.withdraw(patients, int(rows[at]), identity[at], replaces[old])
            for at, old in enumerate(new.tolist() if replaces else [])
            if old in replaces
        }
        arrived = _Arrived.of(readings, chunk)
        ahead = histories.absorb(patients, rows, readings)
        judged, entries = self._judged(arrived, readings, rows, partition, ahead, now=now)
        alerts = self.alarms.raised(
            patients.rows, rows, identity, readings, judged, corrected=list(replaced)
        )
        anomalous = judged.tags > 0
        self.alarms.count(
            checkpoint.anomalies,
            readings,
            judged,
            corrected=list(replaced),
            arrived_at=int(chunk.arrived_at.max(initial=0)),
        )
        places = {at: each.slot for at, each in replaced.items() if each.slot is not None}
        changed = memory.remember(patients.rows, rows, identity, readings, judged, places=places)
        for at, earlier in replaced.items():
            row, is_late = patients.rows[rows[at]], bool(readings.flags[at] & np.uint32(Flag.LATE))
            changed_back = self._corrections.reconsider(row, earlier, entries[at], is_late=is_late)
            alerts = [*alerts, *changed_back]
        checkpoint.step += 1
        patients.rows["stamp"][changed] = checkpoint.stamp
        patients.rows["partition"][rows] = arrived.partition
        patients.rows["offset"][rows] = arrived.offset
        progress.advance(checkpoint, chunk, end)
        step = Step(
            to_archive=entries.take(np.flatnonzero(~anomalous | self.archive_all)),
            to_index=entries.take(np.flatnonzero(anomalous | self.index_all)),
            entries=entries,
            origins=readings.origin,
            alerts=alerts,
            rows=patients.copied(changed),
            checkpoint=checkpoint.copy(),
            readings=int(np.count_nonzero(readings.kind == Kind.READING)),
            aggregates=int(np.count_nonzero(readings.kind == Kind.AGGREGATE)),
            anomalies=int(np.count_nonzero(anomalous)),
            repeated=repeated,
            observed=judged.observed(readings),
            failure=judged.failure,
        )
        for at, earlier in replaced.items():
            if earlier.was is not None:
                indexed = bool(anomalous[at])
                self._corrections.remove(step, earlier.was, entries[at], indexed=indexed)
        if again is not None:
            _index_again(step, *again)
        return step

    def _judged(
        self,
        arrived: "_Arrived",
        readings: Readings,
        rows: NDArray[np.intp],
        partition: Partition,
        ahead: histories.Ahead | None,
        *,
        now: int,
    ) -> tuple[Judged, Documents]:
        """What is to be said of the readings, and their documents; flags those that are late."""
        readings.flags |= memory.late(readings, rows, partition.patients.rows, arrived.at)
        judged = judge(readings, self.model, ahead)
        entries = encode(
            readings,
            judged,
            topic=self.topic,
            partition=arrived.partition,
            offset=arrived.offset,
            model=self.model,
            now=now,
        )
        return judged, entries

    def _again(
        self,
        chunk: Chunk,
        readings: Readings,
        rows: NDArray[np.intp],
        new: NDArray[np.intp],
        partition: Partition,
        *,
        now: int,
    ) -> tuple[Documents, list[Origin]] | None:
        """Documents of dead letters that are sent again although the state knows their readings.

        The index refused them: this time it may take them.
        """
        if not chunk.retried:
            return None
        is_known = np.ones(len(readings), np.bool_)
        is_known[new] = False
        retried = np.array([at.message in chunk.retried for at in readings.origin], np.bool_)
        at = np.flatnonzero(is_known & retried)
        known = readings.take(at)
        # What was next is known by now: there is no early warning of it.
        arrived = _Arrived.of(known, chunk)
        judged, entries = self._judged(arrived, known, rows[at], partition, None, now=now)
        wanted = np.flatnonzero((judged.tags > 0) | self.index_all)
        return entries.take(wanted), [known.origin[each] for each in wanted.tolist()]


class _Arrived(NamedTuple):
    """The message of each reading; every column has shape ``(n,)``."""

    at: NDArray[np.int64]
    """When it reached Kafka, µs since 1970 UTC."""
    partition: NDArray[np.int32]
    """And its offset there: where it was sent to, before it was re-keyed."""
    offset: NDArray[np.int64]

    @classmethod
    def of(cls, readings: Readings, chunk: Chunk) -> Self:
        message = np.fromiter(map(_MESSAGE, readings.origin), np.intp, len(readings))
        origins = chunk.origins
        return cls(chunk.arrived_at[message], origins.partition[message], origins.offset[message])


def _wanted(document_ids: list[str], batch: Batch, last: Origin, partition: Partition) -> Wanted:
    """A question takes long: what the rest of the batch will ask is asked with it."""
    more = corrections.ahead(batch, last, partition)
    return Wanted(list(dict.fromkeys([*document_ids, *more])))


def _index_again(step: Step, documents: Documents, origins: list[Origin]) -> None:
    behind = len(step.entries) + np.arange(len(documents))
    step.entries = Documents.joined([step.entries, documents])
    step.to_index = step.entries.take(np.concatenate([step.to_index.places, behind]))
    step.origins = [*step.origins, *origins]
