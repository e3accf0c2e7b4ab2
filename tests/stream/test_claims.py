"""Claims: of several owners of a partition the last one counts, whatever the others write."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.checkpoint import Applied, Claim, epoch_of
from bpstream.patients import stamp_of
from bpstream.stream.tables import OwnedPartition
from tests.stream.helpers import a_checkpoint, a_claim, a_row, readings_of
from tests.stream.owners import A1, Log, Writer, interleaved, numbered, some_patients


def recovered(records: Iterable[tuple[bytes, bytes | None]], *, first: int = 0) -> OwnedPartition:
    """What a worker knows that reads the records at once, from the offset `first` on."""
    partition = OwnedPartition(0)
    partition.apply(numbered(records, first))
    return partition


# What a claim makes of the records behind it.


@pytest.mark.parametrize(
    ("records", "readings", "offset", "stale"),
    [
        ([A1, a_checkpoint(1, 1, offset=5), a_row(5, 1)], 5, 5, set()),
        # The owner of epoch 1 was frozen, and writes once more when 2 has begun.
        (
            [
                *(A1, a_checkpoint(1, offset=5), a_row(5, 1), a_claim(2, generation=2, base=2)),
                *(a_checkpoint(1, 9, offset=9), a_row(9, 1, step=9)),
            ],
            5,
            5,
            {"p1"},
        ),
        # 2 has written this patient already.
        (
            [
                *(A1, a_row(5, 1), a_claim(2, generation=2, base=1), a_checkpoint(2, offset=6)),
                *(a_row(6, 2), a_checkpoint(1, offset=9), a_row(9, 1)),
            ],
            6,
            6,
            {"p1"},
        ),
        # 2 writes it afterwards: nothing of the straggler's is left.
        (
            [
                *(A1, a_row(5, 1), a_claim(2, generation=2, base=1), a_row(9, 1)),
                *(a_checkpoint(2, offset=6), a_row(6, 2)),
            ],
            6,
            6,
            set(),
        ),
        # Only the straggler knows the patient.
        ([A1, a_claim(2, generation=2, base=0), a_row(9, 1)], None, None, {"p1"}),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_behind_a_claim_no_record_of_an_earlier_epoch_counts(
    records, readings, offset, stale, at_once
):
    partition = OwnedPartition(0)
    held = numbered(records)
    for part in [held] if at_once else [[record] for record in held]:
        partition.apply(part)
    applied = {} if offset is None else {"fhir": Applied(offset)}
    assert (readings_of(partition), partition.checkpoint.applied) == (readings, applied)
    assert partition.stale == stale


@pytest.mark.parametrize(
    ("generation", "base", "counts"),
    [
        # The claim in force, of generation 5, stands at offset 10.
        (9, 10, True),
        (5, 10, True),
        (4, 99, True),  # a group that began anew counts its generations anew
        (6, 9, True),
        (6, -1, True),
        (5, 9, False),
        (4, 9, False),
        (-1, -1, False),
    ],
)
def test_of_two_claims_that_did_not_know_of_each_other_the_later_generations_counts(
    generation, base, counts
):
    in_force = a_claim(3, generation=5, base=9)
    partition = recovered([in_force, a_claim(4, generation=generation, base=base)], first=10)
    assert (partition.claim.epoch, partition.claimed_at) == ((4, 11) if counts else (3, 10))


def test_a_claim_that_was_appended_twice_is_one_claim():
    claim = a_claim(2, generation=2, base=1)
    partition = recovered([A1, a_row(5, 1), claim, claim, a_row(6, 2), a_row(9, 1)])
    assert (partition.claim, partition.claimed_at) == (Claim(2, 2, 1), 2)
    assert readings_of(partition) == 6


# Batches that come late, or twice.


FIRST = [a_checkpoint(1, 1, offset=10), a_row(1, 1, step=1)]
SECOND = [a_checkpoint(1, 2, offset=20), a_row(2, 1, step=2)]
OTHER = [a_checkpoint(1, 3, offset=30), a_row(7, 1, "p2", step=3)]


@pytest.mark.parametrize(
    ("batches", "offset", "stale"),
    [
        ([FIRST, SECOND], 20, set()),
        ([FIRST, FIRST, SECOND], 20, set()),
        ([FIRST, SECOND, FIRST], 20, {"p1"}),
        ([FIRST, SECOND, FIRST, SECOND], 20, set()),
        ([FIRST, SECOND, OTHER, FIRST], 30, {"p1"}),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_batch_that_comes_late_takes_nothing_back_and_is_known(batches, offset, stale, at_once):
    partition = OwnedPartition(0)
    held = numbered([A1, *(record for batch in batches for record in batch)])
    for part in [held] if at_once else [[record] for record in held]:
        partition.apply(part)
    assert readings_of(partition) == 2
    assert partition.checkpoint.applied == {"fhir": Applied(offset)}
    assert partition.stale == stale


# Any interleaving.


@given(st.lists(some_patients, max_size=6), interleaved, st.lists(st.integers(0, 30), max_size=4))
def test_after_any_stragglers_records_a_recovery_finds_what_the_owner_knew(before, after, cuts):
    log = Log()
    log.claim(1, 1)
    frozen = Writer(log, 1, {})
    for patients in before:
        frozen.step(patients)
    log.claim(2, 2)
    owner = Writer(log, 2, frozen.counts)
    known_before = len(log.records)
    for who, patients in after:
        (owner if who == "B" else frozen).step(patients)

    partition, held = OwnedPartition(0), numbered(log.records)
    edges = [0, *sorted(cuts), len(held)]
    for start, end in pairwise(edges):
        partition.apply(held[start:end])
    assert {who: readings_of(partition, who) for who in partition.patients} == owner.counts
    assert partition.checkpoint.epoch == (2 if owner.steps else bool(before))
    last = {key.decode(errors="replace"): value for key, value in log.records[known_before:]}
    assert partition.stale == {
        who for who, row in last.items() if who in frozen.counts and epoch_of(stamp_of(row)) == 1
    }


def test_a_row_that_is_read_again_is_not_stale():
    partition = OwnedPartition(0)
    held = numbered([A1, a_row(1, 1, step=1), a_row(2, 1, step=2)])
    partition.apply(held)
    partition.apply(held)
    assert partition.stale == set()
