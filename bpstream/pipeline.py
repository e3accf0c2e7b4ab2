"""A batch on its way, without Kafka: bytes and state in; documents, dead letters, new state out.

    chunk ─ read ─▶ rejected, away (patients at home in another partition), at home
          at home ─ step ─▶ documents for the archive and the index, changed rows

A chunk is read once and applied in steps: a step changes no more patients than fit, with
the checkpoint, into one record batch of the changelog.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.checkpoint import WHOLE_MESSAGE, Applied, Checkpoint
from bpstream.clinical import categories, rules
from bpstream.clinical.risk import RiskModel
from bpstream.document import Entry
from bpstream.encoding import Judged, encode
from bpstream.fhir.parse import Parser
from bpstream.patients import AGGREGATE, RECENT, ROW, Patients
from bpstream.reading import Flag, Ignored, Kind, Origin, Parsed, Readings, Rejected, Retraction

LATE_AFTER = 15 * 60 * 1_000_000
"""A reading that arrives so many µs after it was taken is late, whatever came before it."""

STEP_BYTES = 900_000
"""Most bytes of changelog in one step: below the 1 MB that a broker takes as it comes."""

_RECORD_OVERHEAD = 64


class Origins(NamedTuple):
    """Where each message of a chunk stood when it first came; columns of shape ``(n,)``."""

    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    entry: NDArray[np.int64]
    """The entry that a re-keyed message was; 0 for a message that came as it is."""


@dataclass(slots=True)
class Chunk:
    """Messages of one partition of one topic, in the order of their offsets."""

    topic: str
    offset: NDArray[np.int64]
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    arrived_at: NDArray[np.int64]
    """When each message reached Kafka first, µs since 1970 UTC, shape ``(n,)``."""
    origins: Origins
    rekeyed: bool = False
    """The messages came through the re-keyed topic: they are at home."""
    paths: Sequence[str] = ()
    """For re-keyed messages: where in the original message each stood."""

    def __len__(self) -> int:
        return len(self.values)


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
        fresh = _not_applied(chunk, partition.checkpoint)
        skipped = len(chunk) - len(fresh)
        if skipped:
            chunk = _take(chunk, fresh)
        parsed = self.parser.parse(chunk.values, chunk.arrived_at)
        readings, away = parsed.readings, parsed.readings.take(np.zeros(0, np.intp))
        if not chunk.rekeyed:
            readings, away = self._split_by_home(parsed, partition)
        readings, split = _not_applied_entries(readings, chunk, partition.checkpoint)
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

    def _split_by_home(self, parsed: Parsed, partition: Partition) -> tuple[Readings, Readings]:
        known, home, number = partition.patients, self.home, partition.number
        patients = parsed.readings.patient_id
        strangers = {who for who in set(patients) if who not in known and home(who) != number}
        here = np.array([who not in strangers for who in patients] if strangers else True)
        if here.all():
            return parsed.readings, parsed.readings.take(np.zeros(0, np.intp))
        return (
            parsed.readings.take(np.flatnonzero(here)),
            parsed.readings.take(np.flatnonzero(~here)),
        )

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
        identity = _identities(readings.document_id)
        new = _not_seen(patients.rows, rows, identity, readings.version)
        repeated = len(readings) - len(new)
        if repeated:
            readings, rows, identity = readings.take(new), rows[new], identity[new]
        message = np.fromiter((at.message for at in readings.origin), np.intp, len(readings))
        origins = chunk.origins
        readings.flags |= _late(readings, rows, patients.rows, chunk.arrived_at[message])

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
        changed = _remember(patients.rows, rows, identity, readings, judged)
        if len(message):
            patients.rows["epoch"][changed] = partition.checkpoint.epoch
            patients.rows["partition"][rows] = origins.partition[message]
            patients.rows["offset"][rows] = origins.offset[message]
        _advance(partition.checkpoint, chunk, end)
        return Step(
            to_archive=_where(entries, ~anomalous, everything=self.archive_all),
            to_index=_where(
                entries,
                anomalous,
                everything=self.index_all,
            ),
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


def _not_applied(chunk: Chunk, checkpoint: Checkpoint) -> NDArray[np.intp]:
    """Positions of the messages that no checkpoint counts as wholly applied."""
    applied = checkpoint.applied.get(chunk.topic, Applied())
    fresh = chunk.offset > applied.offset
    if applied.entry != WHOLE_MESSAGE:
        fresh |= chunk.offset == applied.offset
    if chunk.rekeyed:
        # The same reading may have been sent home twice, by a worker that crashed between
        # sending and committing: its original coordinates tell.
        home = dict(checkpoint.rekeyed)
        for position, (partition, offset, entry) in enumerate(_stood(chunk.origins)):
            if (offset, entry) <= home.get(partition, Applied()):
                fresh[position] = False
            elif fresh[position]:
                home[partition] = Applied(offset, entry)
    return np.flatnonzero(fresh)


def _stood(origins: Origins) -> Iterator[tuple[int, int, int]]:
    """Partition, offset and entry of each message, as it first came."""
    return zip(*(column.tolist() for column in origins), strict=True)


def _take(chunk: Chunk, at: NDArray[np.intp]) -> Chunk:
    positions = at.tolist()
    return Chunk(
        topic=chunk.topic,
        offset=chunk.offset[at],
        values=[chunk.values[i] for i in positions],
        keys=[chunk.keys[i] for i in positions],
        arrived_at=chunk.arrived_at[at],
        origins=Origins(
            chunk.origins.partition[at], chunk.origins.offset[at], chunk.origins.entry[at]
        ),
        rekeyed=chunk.rekeyed,
        paths=[chunk.paths[i] for i in positions] if chunk.paths else (),
    )


def _not_applied_entries(
    readings: Readings, chunk: Chunk, checkpoint: Checkpoint
) -> tuple[Readings, int]:
    """Without the first entries of a message whose step was applied and the next was not."""
    applied = checkpoint.applied.get(chunk.topic, Applied())
    if applied.entry == WHOLE_MESSAGE or not len(chunk) or chunk.offset[0] != applied.offset:
        return readings, 0
    fresh = [
        position
        for position, at in enumerate(readings.origin)
        if at.message > 0 or at.entry > applied.entry
    ]
    return readings.take(np.array(fresh, np.intp)), len(readings) - len(fresh)


def _advance(checkpoint: Checkpoint, chunk: Chunk, end: Origin | None) -> None:
    """Move the checkpoint to the input at `end`; None: to the end of the chunk."""
    if not len(chunk):
        return
    upto, entry = (len(chunk), WHOLE_MESSAGE) if end is None else (end.message + 1, end.entry)
    checkpoint.applied[chunk.topic] = Applied(int(chunk.offset[upto - 1]), entry)
    if chunk.rekeyed:
        for partition, offset, entry in islice(_stood(chunk.origins), upto):
            checkpoint.rekeyed[partition] = Applied(offset, entry)


def _identities(document_ids: Sequence[str]) -> NDArray[np.uint64]:
    """The first 64 bits of each document id (32 hexadecimal digits), shape ``(n,)``."""
    return np.frombuffer(bytes.fromhex("".join(document_ids)), ">u8")[::2].astype(np.uint64)


def _not_seen(
    state: NDArray[np.void],
    rows: NDArray[np.intp],
    identity: NDArray[np.uint64],
    version: NDArray[np.int64],
) -> NDArray[np.intp]:
    """Positions of the readings that are neither in the state nor earlier in the step."""
    recent = state["recent"]
    seen, slot = np.nonzero(recent["identity"][rows] == identity[:, None])
    new = np.ones(len(rows), np.bool_)
    new[seen[recent["version"][rows[seen], slot] >= version[seen]]] = False
    if len(np.unique(identity)) < len(identity):
        newest: dict[int, int] = {}
        for position, (key, number) in enumerate(
            zip(identity.tolist(), version.tolist(), strict=True)
        ):
            if newest.get(key, number - 1) >= number:
                new[position] = False
            else:
                newest[key] = number
    return np.flatnonzero(new)


def _late(
    readings: Readings,
    rows: NDArray[np.intp],
    state: NDArray[np.void],
    arrived_at: NDArray[np.int64],
) -> NDArray[np.uint32]:
    """The flag LATE where a reading is older than the patient's newest, or came too late."""
    taken_at = readings.taken_at
    late = arrived_at - taken_at > LATE_AFTER
    late |= taken_at < state["last"]["taken_at"][rows]
    if len(rows) and not (np.diff(taken_at) >= 0).all():
        order = np.argsort(rows, kind="stable")
        # Ranks are small, so that a patient's own maximum can be told from the one before.
        rank = np.argsort(np.argsort(taken_at, kind="stable"), kind="stable")
        rank[readings.kind != Kind.READING] = -1  # an aggregate is never the newest
        patient = rows[order]
        base = np.cumsum(np.r_[0, patient[1:] != patient[:-1]]) * len(rows)
        before = np.maximum.accumulate(base + rank[order])[:-1]
        by_time = np.sort(taken_at)
        newest = by_time[np.maximum(before - base[1:], 0)]
        same = before >= base[1:]
        late[order[1:]] |= same & (taken_at[order[1:]] < newest)
    return np.where(late, np.uint32(Flag.LATE), np.uint32(0))


def _remember(
    state: NDArray[np.void],
    rows: NDArray[np.intp],
    identity: NDArray[np.uint64],
    readings: Readings,
    judged: Judged,
) -> NDArray[np.intp]:
    """Count the readings and keep the last ones; returns the positions of changed rows."""
    n = len(rows)
    if not n:
        return rows
    order = np.argsort(rows, kind="stable")
    patient = rows[order]
    first = np.flatnonzero(np.r_[True, patient[1:] != patient[:-1]])
    changed = patient[first]
    count = np.diff(np.r_[first, n])
    nth = np.arange(n) - np.repeat(first, count)

    spot = readings.kind == Kind.READING
    tags = judged.tags[order]
    hyper = tags & (rules.Tag.HYPERTENSION_SYSTOLIC | rules.Tag.HYPERTENSION_DIASTOLIC) > 0
    counted = np.empty((n, 8), np.uint32)
    counted[:, 0] = spot[order]
    counted[:, 1] = tags > 0
    counted[:, 2] = hyper
    counted[:, 3] = (tags > 0) & ~hyper
    for column in range(4):
        counted[:, 4 + column] = (tags >> column) & 1
    state["counters"][changed] += np.add.reduceat(counted, first, axis=0)

    kept = np.empty(n, state.dtype["recent"].base)
    kept["identity"] = identity
    kept["version"] = readings.version
    kept["taken_at"] = readings.taken_at
    kept["systolic"] = readings.systolic
    kept["diastolic"] = readings.diastolic
    kept["mean"] = judged.mean
    kept["flags"] = readings.flags
    kept["tags"] = judged.tags | np.where(spot, 0, AGGREGATE).astype(np.uint8)
    kept["severity"] = judged.severity
    kept = kept[order]
    # Of more than RECENT readings the last ones win: they are assigned last.
    slot = (state["next"][patient].astype(np.intp) + nth) % RECENT
    state["recent"][patient, slot] = kept
    state["next"][changed] = (state["next"][changed] + count) % RECENT

    on_time = np.flatnonzero(spot[order] & (kept["taken_at"] >= state["last"]["taken_at"][patient]))
    # By time, so that of several the newest is assigned last.
    on_time = on_time[np.argsort(kept["taken_at"][on_time], kind="stable")]
    state["last"][patient[on_time]] = kept[on_time]
    state["risk"][patient[on_time]] = judged.risk[order][on_time]
    return changed


def _where(entries: list[Entry], mask: NDArray[np.bool_], *, everything: bool) -> list[Entry]:
    if everything or mask.all():
        return entries
    return [entries[position] for position in np.flatnonzero(mask).tolist()]
