"""How far the workers have come: which readings count as applied."""

import pytest

from bpstream.checkpoint import Applied, Checkpoint
from bpstream.reconcile.state import State
from bpstream.stream.partitioner import partition_of

PARTITIONS = 2
HERE, THERE = (
    next(f"p{n}" for n in range(100) if partition_of(b"p%d" % n, PARTITIONS) == home)
    for home in (0, 1)
)
STATE = State(
    "fhir",
    {
        0: Checkpoint(applied={"fhir": Applied(10, 3), "rekeyed": Applied(99)}),
        1: Checkpoint(applied={"fhir": Applied(20)}, rekeyed={0: Applied(7, 0)}),
    },
)


@pytest.mark.parametrize(
    ("patient", "partition", "offset", "entry", "covered"),
    [
        (HERE, 0, 9, 8, True),
        (HERE, 0, 10, 3, True),
        (HERE, 0, 10, 4, False),
        (HERE, 0, 11, 0, False),
        (HERE, 1, 0, 0, False),  # Nothing of partition 1 came home yet.
        (THERE, 0, 7, 0, True),
        (THERE, 0, 7, 1, False),
        (THERE, 0, 8, 0, False),
        (THERE, 1, 20, 5, True),
        (THERE, 1, 21, 0, False),
    ],
)
def test_a_reading_counts_as_applied_at_its_home(patient, partition, offset, entry, covered):
    assert STATE.covers(patient, partition, offset, entry) == covered


@pytest.mark.parametrize(
    ("patient", "partition", "offset", "beyond"),
    [
        (HERE, 0, 9, False),
        (HERE, 0, 10, True),  # It may be of the entries that are not applied.
        (HERE, 0, 11, True),
        (THERE, 0, 6, False),
        (THERE, 0, 7, True),
        (THERE, 1, 20, False),
        (THERE, 1, 21, True),
        (THERE, 5, 0, True),
    ],
)
def test_a_document_may_be_of_a_reading_that_is_not_applied(patient, partition, offset, beyond):
    assert STATE.beyond(patient, partition, offset) == beyond
