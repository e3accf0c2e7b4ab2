"""Owners of one partition after each other, and the changelog that they write."""

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from bpstream.stream.packing import Record
from bpstream.stream.tables import OwnedPartition
from tests.stream.helpers import TakesAll, a_checkpoint, a_claim, a_row

CHANGELOG = "tests-patients-changelog"

A1 = a_claim(1, generation=1, base=-1)
"""The claim of the first owner."""


def numbered(records: Iterable[tuple[bytes, bytes | None]], first: int = 0) -> Any:
    return [(offset, *record) for offset, record in enumerate(records, first)]


class Log:
    """A partition of the changelog, and two owners that write it."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []

    def claim(self, epoch: int, generation: int) -> None:
        self.records.append(a_claim(epoch, generation=generation, base=len(self.records) - 1))


class Writer:
    """An owner: what it believes of its patients, and how it writes it."""

    def __init__(self, log: Log, epoch: int, counts: dict[str, int]) -> None:
        self.log, self.epoch, self.counts = log, epoch, dict(counts)
        self.steps = 0

    def step(self, patients: Sequence[str]) -> None:
        """One more reading of each of the patients."""
        self.steps += 1
        self.log.records.append(
            a_checkpoint(self.epoch, self.steps, offset=sum(self.counts.values()))
        )
        for patient in patients:
            self.counts[patient] = self.counts.get(patient, 0) + 1
            row = a_row(self.counts[patient], self.epoch, patient, step=self.steps)
            self.log.records.append(row)


some_patients = st.lists(st.sampled_from(["p1", "p2", "p3"]), unique=True)
interleaved = st.lists(st.tuples(st.sampled_from("AB"), some_patients), max_size=12)


class Contested(TakesAll):
    """A Kafka that others write to as well: `meanwhile` has what comes ahead of our batches."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[list[tuple[bytes, bytes]]] = []
        self.reads: list[tuple[int, int]] = []
        self.member = True

    async def others(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        await super().publish_to(CHANGELOG, 0, [Record(*record) for record in records])

    async def publish_to(self, topic: str, partition: int, records: Iterable[Record]) -> int:
        if self.meanwhile:
            await self.others(self.meanwhile.pop(0))
        return await super().publish_to(topic, partition, records)

    async def is_member(self) -> bool:
        return self.member

    async def read(self, partition: OwnedPartition, end: int) -> Any:
        first = partition.changelog_offset + 1
        self.reads.append((first, end))
        return self.records(CHANGELOG)[first:end]
