"""The table `patients`: every patient's state, in partitions that move between workers.

It is a Faust table with a store of our own: rows in numpy instead of a dictionary, filled
from the changelog by whole fetched chunks, and written to it by whole steps.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import faust
import numpy as np
from faust.stores import STORES
from faust.stores.memory import Store
from faust.types import TP
from numpy.typing import NDArray

from bpstream import checkpoint as checkpoints
from bpstream.checkpoint import Archived, Checkpoint
from bpstream.errors import StartError
from bpstream.patients import Patients
from bpstream.pipeline import Partition
from bpstream.stream.delivery import ChunkSchema
from bpstream.stream.publish import Publisher, Record

NAME = "patients"
SCHEME = "bpstream"

_EPOCH = slice(1, 5)
"""Where in a row's bytes the epoch stands (`patients.ROW`)."""


@dataclass(slots=True)
class OwnedPartition(Partition):
    """A partition this worker owns, or was the owner of."""

    changelog_offset: int | None = None
    """Of the last changelog record that is in the state."""
    committed: Archived | None = None
    """How much of the archive the last checkpoint in Kafka covers."""
    delivered: dict[str, int] = field(default_factory=dict)
    """By topic, the offset behind the last chunk that was delivered."""
    taken_over: bool = False
    """This worker's ownership has an epoch and an archive segment of its own."""
    lost: bool = False
    """The partition is another worker's now: nothing of it may be stored from here."""

    def apply(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take over what the changelog says, in its order.

        A record whose epoch is lower than one before it was written by an owner that had
        lost the partition without noticing (it was frozen, say): it does not count.
        """
        rows: dict[str, bytes] = {}
        for key, value in records:
            if value is None:
                continue
            if key == checkpoints.KEY:
                found = Checkpoint.decode(value)
                if found.epoch >= self.checkpoint.epoch:
                    self.checkpoint = found
            elif int.from_bytes(value[_EPOCH], "little") >= self.checkpoint.epoch:
                rows[key.decode()] = value
        self.patients.load(rows)


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
            records = event.message.value
            partition = self.partition(event.message.partition)
            known = -1 if partition.changelog_offset is None else partition.changelog_offset
            new = ((record.key, record.value) for record in records if record.offset > known)
            try:
                partition.apply(new)
            except ValueError as error:
                # Not raised: Faust would log it, try again without end, and could not stop.
                partition.lost = True
                where = f"{event.message.topic} {partition.number}"
                self.on_unreadable(StartError(f"{where} cannot be read: {error}"))
                return
            partition.changelog_offset = max(known, records[-1].offset)

    def persisted_offset(self, tp: TP) -> int | None:
        """Up to where a recovery need not read: what this worker wrote or read itself."""
        found = self.partitions.get(tp.partition)
        return None if found is None else found.changelog_offset

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
            if patient_id in partition.patients:
                at = partition.patients.positions([patient_id])
                return partition.patients.copy_bytes(at)[0]
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


class PatientTable:
    """The Faust table and how it is written."""

    def __init__(self, app: faust.App, *, changelog: str, publisher: Publisher) -> None:
        self.changelog = changelog
        self._publisher = publisher
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

    async def write(self, partition: OwnedPartition, changed: NDArray[np.intp]) -> None:
        """Write the rows at `changed` and the checkpoint, in one record batch.

        Returns once Kafka has it: from then on a recovery knows of the step.
        """
        patients = partition.patients
        records = [Record(checkpoints.KEY, partition.checkpoint.encode())]
        records += [
            Record(patient_id.encode(), row)
            for patient_id, row in zip(
                patients.ids(changed), patients.copy_bytes(changed), strict=True
            )
        ]
        partition.changelog_offset = await self._publisher.publish_to(
            self.changelog, partition.number, records
        )
        partition.committed = partition.checkpoint.archived

    def partitions(self) -> Mapping[int, OwnedPartition]:
        """The partitions this worker holds, by number."""
        return self.store.partitions

    def find(self, patient_id: str) -> tuple[Patients, int] | None:
        """Where a patient's row is: the partition's rows, and the position in them."""
        for partition in self.store.partitions.values():
            if patient_id in partition.patients:
                position = partition.patients.positions([patient_id])[0]
                return partition.patients, int(position)
        return None
