"""The table `patients`: every patient's state, in partitions that move between workers.

It is a Faust table with a store of our own: rows in numpy instead of a dictionary, filled
from the changelog by whole fetched chunks, and written to it by whole steps.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import faust
import numpy as np
from faust.stores import STORES
from faust.stores.memory import Store
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery, ServiceStopped
from faust.types import TP

from bpstream import checkpoint as checkpoints
from bpstream.batch import MOST_ROWS, Partition
from bpstream.checkpoint import Archived, Checkpoint, Claim, Paused, epoch_of
from bpstream.collecting import give_back
from bpstream.copied import Copied
from bpstream.errors import StartError
from bpstream.patients import Patients, stamp_of
from bpstream.stream.delivery import ChunkSchema
from bpstream.stream.fetched import Records
from bpstream.stream.packing import Columns, Record
from bpstream.stream.publish import Publisher

log = logging.getLogger(__name__)

NAME = "patients"
SCHEME = "bpstream"

Changelog = Iterable[tuple[int, bytes, bytes | None]]
"""Offset, key and value of records of one partition of the changelog, in order."""


@dataclass(slots=True)
class OwnedPartition(Partition):
    """A partition this worker owns, or was the owner of."""

    changelog_offset: int = -1
    """Of the last changelog record that is in the state."""
    claim: Claim = Claim(epoch=0, generation=-1, base=-1)  # noqa: RUF009 (it is frozen)
    """The claim that is in force."""
    claimed_at: int = -1
    """Offset of that claim in the changelog."""
    stale: set[str] = field(default_factory=set)
    """Patients whose last record in the changelog is a straggler's: to be written again."""
    written: Checkpoint = field(default_factory=Checkpoint)
    """The last checkpoint in Kafka; `checkpoint` is ahead of it by what is not stored yet."""
    archived: Archived | None = None
    """How much of the archive was written, committed or not."""
    paused: Paused | None = None
    """The alert that a store does not take what the partition holds."""
    delivered: dict[str, int] = field(default_factory=dict)
    """By topic, the offset behind the last chunk that was delivered."""
    taken_over: bool = False
    """This worker's ownership has an epoch and an archive segment of its own."""
    lost: bool = False
    """The partition is another worker's now: nothing of it may be stored from here."""

    def apply(self, records: Changelog) -> None:
        """Take over what the changelog says, in its order.

        A record of an epoch before the claim in force was written by an owner that had lost
        the partition without noticing (it was frozen, say), and one with a lower stamp than
        the record before it came late, by a connection that was given up: neither counts.
        Raises ValueError for what cannot be read.
        """
        rows: dict[str, bytes] = {}
        stamps: dict[str, int] = {}
        for offset, key, value in records:
            if offset <= self.changelog_offset:
                continue
            self.changelog_offset = offset
            if value is None:
                # Of a patient that only a straggler knew.
                self.stale.discard(key.decode())
            elif key == checkpoints.KEY:
                found = Checkpoint.decode(value)
                if found.epoch >= self.claim.epoch and found.stamp >= self.checkpoint.stamp:
                    self.checkpoint = found
            elif key == checkpoints.CLAIM:
                self._claimed(Claim.decode(value), offset)
            else:
                patient_id, stamp = key.decode(), stamp_of(value)
                if epoch_of(stamp) < self.claim.epoch or stamp < stamps.get(patient_id, 0):
                    self.stale.add(patient_id)
                else:
                    rows[patient_id], stamps[patient_id] = value, stamp
                    self.stale.discard(patient_id)
        self.stale.update(self.patients.load(rows))

    def _claimed(self, claim: Claim, offset: int) -> None:
        knew_of_the_last = claim.base >= self.claimed_at
        if knew_of_the_last or claim.generation > self.claim.generation:
            self.claim, self.claimed_at = claim, offset


class PatientStore(Store[bytes, bytes]):
    """The table's store.  Reading it gives a patient's row as bytes; it is written by steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.partitions: dict[int, OwnedPartition] = {}
        self.on_lost: Callable[[OwnedPartition], None] = lambda _: None
        self.on_unreadable: Callable[[StartError], None] = lambda _: None
        self._generation = 0

    def partition(self, number: int) -> OwnedPartition:
        """The partition's state; a new one where it has none yet."""
        found = self.partitions.get(number)
        if found is None:
            found = self.partitions[number] = OwnedPartition(number)
        return found

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Callable[..., Any], to_value: Callable[..., Any]
    ) -> None:
        """Apply fetched chunks of the changelog (each event holds many records).

        One that cannot be read goes to `on_unreadable`, which is to end the worker.
        """
        for event in batch:
            partition = self.partition(event.message.partition)
            records: Records = event.message.value
            keys: Any = records.keys  # A compacted topic takes nothing without.
            try:
                partition.apply(zip(records.offsets.tolist(), keys, records.values, strict=True))
            except ValueError as error:
                # Not raised: Faust would log it, try again without end, and could not stop.
                partition.lost = True
                where = f"{event.message.topic} {partition.number}"
                self.on_unreadable(StartError(f"{where} cannot be read: {error}"))
                return

    def persisted_offset(self, tp: TP) -> int:
        """Up to where a recovery need not read: what this worker wrote or read itself.

        Never None, as for other stores: Faust would go on from what it remembers of a partition
        that was forgotten here.
        """
        found = self.partitions.get(tp.partition)
        return -1 if found is None else found.changelog_offset

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],
        newly_assigned: set[TP],
        generation_id: int = 0,
    ) -> None:
        """Forget the partitions that went to other workers.

        A partition that stayed is current without reading its changelog again, unless a
        generation passed without us: then another worker may have had it in between.
        """
        mine = {tp.partition for tp in assigned}
        missed = generation_id > self._generation + 1
        self._generation = generation_id
        for number in list(self.partitions):
            if missed or number not in mine:
                partition = self.partitions.pop(number)
                partition.lost = True
                self.on_lost(partition)

    def reset_state(self) -> None:
        """Nothing is kept outside the memory and the changelog."""

    def __getitem__(self, key: bytes) -> bytes:
        patient_id = key.decode()
        for partition in self.partitions.values():
            position = partition.patients.position(patient_id)
            if position >= 0:
                ((_, row),) = partition.patients.copied(np.array([position]))
                return row
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and any(
            key.decode() in partition.patients for partition in self.partitions.values()
        )

    def __iter__(self) -> Iterator[bytes]:
        for partition in self.partitions.values():
            for patient_id in partition.patients:
                yield patient_id.encode()

    def __len__(self) -> int:
        return sum(len(partition.patients) for partition in self.partitions.values())

    def __setitem__(self, key: bytes, value: bytes) -> None:
        raise TypeError("a patient's row is changed by the pipeline only")

    def __delitem__(self, key: bytes) -> None:
        raise TypeError("a patient's row is removed by the pipeline only")

    def clear(self) -> None:
        """Forget everything; Faust does so before it recovers from the beginning."""
        self.partitions.clear()


STORES.aliases[SCHEME] = "bpstream.stream.tables:PatientStore"


class QuietRecovery(Recovery):
    """Faust's; told to stop near its end it would raise what nobody asks for, and asyncio logs."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Let the streams begin where their partitions are."""
        give_back()  # What was read is in the rows.
        with suppress(ServiceStopped):
            await super().on_recovery_completed(generation_id)


class Tables(TableManager):
    """Faust's, which waits a second before it does the same: for agents to start.

    The consumer joins the group when both are there, whichever comes first.
    """

    @property
    def recovery(self) -> Recovery:
        """Made when it is first asked for."""
        if self._recovery is None:
            self._recovery = QuietRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Begin to recover what this worker is given."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()


class PatientTable:
    """The Faust table and how it is written."""

    def __init__(
        self,
        app: faust.App,
        *,
        changelog: str,
        publisher: Publisher,
        read: Callable[[OwnedPartition, int], Awaitable[Changelog]],
        is_member: Callable[[], Awaitable[bool]],
    ) -> None:
        """`read` gives what the changelog of a partition holds that it does not know yet.

        `is_member` asks Kafka whether the worker belongs to the consumer group still.
        """
        self.changelog = changelog
        self._publisher, self._read, self._is_member = publisher, read, is_member
        self.table = app.Table(
            NAME,
            # With a host, because an URL of a scheme alone counts as none.
            store=f"{SCHEME}://rows",
            key_type=bytes,
            value_type=bytes,
            # A buffer of one would make Faust read back what the worker itself writes.
            recovery_buffer_size=8,
            changelog_topic=app.topic(
                changelog,
                schema=ChunkSchema(),
                key_type=bytes,
                value_type=bytes,
                compacting=True,
                deleting=False,
                acks=False,
                internal=True,
                allow_empty=True,
            ),
            help="Counters, last readings and progress, by patient.",
        )

    @property
    def store(self) -> PatientStore:
        """The rows."""
        store = self.table.data
        assert isinstance(store, PatientStore)
        return store

    async def claim(self, partition: OwnedPartition, *, generation: int) -> bool:
        """Begin an epoch: what anyone else writes from here on does not count.

        Between our recovery and our claim a former owner may have stored a step: it is taken
        over as well.  False where the partition is another worker's by now: a claim of a later
        generation is there, and Kafka does not know us any more.
        """
        while not partition.lost:
            if partition.claim.generation > generation and not await self._is_member():
                break
            base = partition.changelog_offset
            latest = max(partition.claim.epoch, partition.checkpoint.epoch)
            claim = Claim(latest + 1, generation, base)
            offset = await self._publisher.publish_to(
                self.changelog, partition.number, [Record(checkpoints.CLAIM, claim.encode())]
            )
            if offset > base + 1:
                partition.apply(await self._read(partition, offset))
                if partition.lost:
                    break
            alone = partition.claimed_at <= base
            partition.apply([(offset, checkpoints.CLAIM, claim.encode())])
            if alone:  # Else the epoch may be another worker's too.
                return True
        # The next rebalance, which is on its way, gives a partition its state anew.
        partition.lost = True
        return False

    async def rewrite(self, partition: OwnedPartition) -> None:
        """Write the checkpoint, and the rows whose last record is a straggler's, again."""
        checkpoint, patients = partition.checkpoint, partition.patients
        known = sorted(who for who in partition.stale if who in patients)
        at = patients.positions(known)
        patients.rows["stamp"][at] = checkpoint.stamp
        if partition.stale:
            log.warning(
                "partition %d: %d patients had records of a worker that had lost it",
                partition.number,
                len(partition.stale),
            )
        gone = ((who, None) for who in sorted(partition.stale.difference(known)))
        await self.write(partition, checkpoint.copy(), [*patients.copied(at), *gone])
        partition.stale.clear()

    async def write_again(self, partition: OwnedPartition, patient_ids: Sequence[str]) -> None:
        """Write rows that were changed by no step, before the first one of an epoch."""
        checkpoint, patients = partition.checkpoint, partition.patients
        for start in range(0, len(patient_ids), MOST_ROWS):
            part = patient_ids[start : start + MOST_ROWS]
            at = patients.positions(part)
            patients.rows["stamp"][at] = checkpoint.stamp
            await self.write(partition, checkpoint.copy(), patients.copied(at))

    async def write(
        self,
        partition: OwnedPartition,
        checkpoint: Checkpoint,
        rows: Iterable[tuple[str, bytes | None]] = (),
    ) -> None:
        """Write a step's rows and its checkpoint, in one record batch; None removes a row.

        Returns once Kafka has it: from then on a recovery knows of the step.
        """
        first = checkpoints.KEY, checkpoint.encode()
        records: Sequence[Record]
        if isinstance(rows, Copied):
            records = Columns(rows.ids.utf8, rows.packed, first)
        else:
            records = [
                Record(*first),
                *(Record(patient_id.encode(), row) for patient_id, row in rows),
            ]
        partition.changelog_offset = await self._publisher.publish_to(
            self.changelog, partition.number, records
        )
        partition.written = checkpoint

    def partitions(self) -> Mapping[int, OwnedPartition]:
        """The partitions this worker holds, by number."""
        return self.store.partitions

    def find(self, patient_id: str) -> tuple[Patients, int] | None:
        """Where a patient's row is: the partition's rows, and the position in them."""
        for partition in self.store.partitions.values():
            position = partition.patients.position(patient_id)
            if position >= 0:
                return partition.patients, position
        return None
