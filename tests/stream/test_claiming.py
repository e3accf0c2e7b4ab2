"""How a worker claims a partition, and writes again what a straggler wrote over."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream import checkpoint as checkpoints
from bpstream.checkpoint import Applied, Checkpoint, Claim
from bpstream.stream.tables import OwnedPartition, PatientTable
from tests.stream.helpers import a_checkpoint, a_claim, a_row, faust_app, readings_of, row_bytes
from tests.stream.owners import A1, CHANGELOG, Contested, Log, Writer, interleaved, some_patients


@pytest.fixture
async def kafka() -> Contested:
    return Contested()


@pytest.fixture
async def table(kafka: Contested) -> PatientTable:
    return a_table(kafka)


def a_table(kafka: Any) -> PatientTable:
    return PatientTable(
        faust_app(),
        changelog=CHANGELOG,
        publisher=kafka,
        read=kafka.read,
        is_member=kafka.is_member,
    )


async def know(kafka: Contested, *records: tuple[bytes, bytes]) -> OwnedPartition:
    """A partition whose changelog holds the records, recovered."""
    await kafka.others(records)
    partition = OwnedPartition(0)
    partition.apply(kafka.records(CHANGELOG))
    return partition


async def test_a_claim_that_nothing_came_ahead_of_reads_nothing(kafka, table):
    partition = await know(kafka, A1, a_checkpoint(1), a_row(5, 1))
    assert await table.claim(partition, generation=7)
    assert partition.claim == Claim(epoch=2, generation=7, base=2)
    assert (kafka.reads, partition.claimed_at, partition.changelog_offset) == ([], 3, 3)


async def test_what_a_former_owner_stored_ahead_of_the_claim_is_taken_over(kafka, table):
    partition = await know(kafka, A1, a_checkpoint(1, offset=5), a_row(5, 1))
    kafka.meanwhile = [[a_checkpoint(1, 2, offset=6), a_row(6, 1, step=2)]]
    assert await table.claim(partition, generation=2)
    assert kafka.reads == [(3, 5)]
    assert readings_of(partition) == 6
    assert partition.checkpoint.applied == {"fhir": Applied(6)}
    assert (partition.claim.epoch, partition.stale) == (2, set())


@pytest.mark.parametrize("generation", [1, 2])
async def test_a_claim_that_another_came_ahead_of_is_made_again_in_an_epoch_of_its_own(
    kafka, table, generation
):
    partition = await know(kafka, A1)
    kafka.meanwhile = [[a_claim(2, generation=generation, base=0), a_row(3, 2)]]
    assert await table.claim(partition, generation=2)
    assert partition.claim.epoch == 3
    assert readings_of(partition) == 3
    # The other one's epoch is over.
    await kafka.others([a_row(9, 2, step=9)])
    assert readings_of(recovered_from(kafka)) == 3


async def test_a_claim_that_one_of_a_later_generation_came_ahead_of_is_given_up(kafka, table):
    partition = await know(kafka, A1)
    kafka.meanwhile, kafka.member = [[a_claim(2, generation=3, base=0), a_row(3, 2)]], False
    assert not await table.claim(partition, generation=2)
    assert recovered_from(kafka).claim == Claim(2, 3, 0)


async def test_what_was_given_up_is_not_claimed_again(kafka, table):
    """The worker's next chunk is judged before it hears that its generation is over."""
    partition = await know(kafka, A1)
    kafka.meanwhile, kafka.member = [[a_claim(2, generation=3, base=0)]], False
    for _ in range(3):
        assert not await table.claim(partition, generation=2)
    await kafka.others([a_checkpoint(2, 1, offset=7), a_row(3, 2, step=1)])
    found = recovered_from(kafka)
    assert (found.claim, readings_of(found)) == (Claim(2, 3, 0), 3)
    assert found.checkpoint.applied == {"fhir": Applied(7)}


async def test_one_that_thaws_late_does_not_claim_what_it_finds_claimed(kafka, table):
    partition = await know(kafka, A1, a_claim(2, generation=3, base=0))
    kafka.member = False
    assert not await table.claim(partition, generation=2)
    assert partition.lost
    assert len(kafka.records(CHANGELOG)) == 2


async def test_a_group_that_counts_its_generations_anew_claims_behind_its_former_owners(
    kafka, table
):
    partition = await know(kafka, a_claim(4, generation=57, base=-1), a_row(5, 4))
    kafka.meanwhile = [[a_row(6, 4, step=1)]]
    assert await table.claim(partition, generation=1)
    assert (partition.claim.epoch, readings_of(partition)) == (5, 6)


async def test_a_partition_that_moved_away_is_not_claimed(kafka, table):
    partition = await know(kafka, A1)
    partition.lost = True
    assert not await table.claim(partition, generation=2)
    assert len(kafka.records(CHANGELOG)) == 1


async def test_a_partition_that_moves_away_meanwhile_is_not_claimed(kafka):
    async def read(partition: OwnedPartition, end: int) -> Any:
        partition.lost = True
        return await Contested.read(kafka, partition, end)

    kafka.read = read
    partition = await know(kafka, A1)
    kafka.meanwhile = [[a_row(3, 1)]]
    assert not await a_table(kafka).claim(partition, generation=2)


def recovered_from(kafka: Contested) -> OwnedPartition:
    partition = OwnedPartition(0)
    partition.apply(kafka.records(CHANGELOG))
    return partition


# Writing again what a straggler wrote over.


async def test_the_rows_a_straggler_wrote_over_are_written_again_with_the_new_stamp(
    kafka, table, caplog
):
    partition = await know(
        kafka,
        *(A1, a_row(1, 1), a_row(2, 1, "p2"), a_row(3, 1, "p3")),
        a_claim(2, generation=2, base=3),
        *(a_row(9, 1), a_row(9, 1, "p3")),
    )
    assert partition.stale == {"p1", "p3"}
    partition.checkpoint = Checkpoint(epoch=3, lineage="ab")
    await table.rewrite(partition)
    records = kafka.records(CHANGELOG)[7:]
    assert [(key, value) for _, key, value in records] == [
        (checkpoints.KEY, Checkpoint(epoch=3, lineage="ab").encode()),
        (b"p1", row_bytes("p1", readings=1, epoch=3)),
        (b"p3", row_bytes("p3", readings=3, epoch=3)),
    ]
    assert (partition.stale, partition.written) == (set(), partition.checkpoint)
    assert "2 patients had records of a worker that had lost it" in caplog.text


async def test_a_checkpoint_that_is_written_again_does_not_follow_the_partitions(kafka, table):
    partition = await know(kafka, A1)
    await table.rewrite(partition)
    partition.checkpoint.step += 1
    assert partition.written.step == 0


@given(st.lists(some_patients, max_size=3), interleaved)
def test_once_written_again_a_compacted_changelog_says_what_the_owner_knew(before, after):
    async def compacted() -> tuple[OwnedPartition, dict[str, int]]:
        kafka, log = Contested(), Log()
        log.claim(1, 1)
        frozen = Writer(log, 1, {})
        for patients in before:
            frozen.step(patients)
        log.claim(2, 2)
        owner = Writer(log, 2, frozen.counts)
        for who, patients in after:
            (owner if who == "B" else frozen).step(patients)
        partition, table = await know(kafka, *log.records), a_table(kafka)
        assert await table.claim(partition, generation=3)
        partition.checkpoint.epoch = partition.claim.epoch
        await table.rewrite(partition)
        last = {key: (offset, value) for offset, key, value in kafka.records(CHANGELOG)}
        found = OwnedPartition(0)
        found.apply(sorted((offset, key, value) for key, (offset, value) in last.items()))
        return found, owner.counts

    found, counts = asyncio.run(compacted())
    assert {who: readings_of(found, who) for who in found.patients} == counts
    assert found.stale == set()


async def test_a_patient_whom_only_a_straggler_knows_is_removed(kafka, table):
    partition = await know(kafka, A1, a_claim(2, generation=2, base=0), a_row(9, 1))
    partition.checkpoint.epoch = 2
    await table.rewrite(partition)
    _, (_, key, value) = kafka.records(CHANGELOG)[3:]
    assert (key, value) == (b"p1", None)
    assert "p1" not in partition.patients
