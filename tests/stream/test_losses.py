"""Losses: what Kafka no longer has is counted and said, and a hole in the offsets is neither."""

import pytest

from bpstream.checkpoint import WHOLE_MESSAGE, Applied, Checkpoint
from bpstream.stream.losses import Losses
from bpstream.stream.metrics import Metrics, total
from bpstream.stream.tables import OwnedPartition


class Broker:
    """A partition from its first offset to the one behind its last, and how often it was asked."""

    def __init__(self, first: int = 0, end: int = 1000) -> None:
        self.first, self.end, self.asked = first, end, 0

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        assert topic == "fhir"
        self.asked += 1
        return self.first, self.end


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def come_to(applied: Applied | None) -> OwnedPartition:
    """Partition 3, which has come so far."""
    checkpoint = Checkpoint(applied={} if applied is None else {"fhir": applied})
    return OwnedPartition(3, checkpoint=checkpoint)


@pytest.mark.parametrize(
    ("applied", "first", "delivered", "lost", "asked"),
    [
        # It goes on, or begins again: nobody has to be asked.
        (Applied(9), 0, 10, 0, 0),
        (Applied(9), 0, 4, 0, 0),
        (Applied(9), 10, 10, 0, 0),
        (Applied(9, 2), 0, 9, 0, 0),
        # A hole: a transaction's marker, or compaction.
        (Applied(9), 0, 12, 0, 1),
        (Applied(9), 10, 12, 0, 1),
        # Gone: all before Kafka's first offset, but no more than was not delivered.
        (Applied(9), 11, 11, 1, 1),
        (Applied(9), 500, 500, 490, 1),
        (Applied(9), 11, 15, 1, 1),
        (Applied(9), 20, 15, 5, 1),
        # A message that was applied in part is gone with the rest of it.
        (Applied(9, 2), 12, 12, 3, 1),
        (Applied(9, 2), 10, 10, 1, 1),
        (Applied(9, 2), 0, 10, 0, 1),
        # What was never begun here has no offset to go on from.
        (None, 500, 500, 0, 0),
    ],
)
async def test_what_lies_between_the_applied_and_kafkas_first_offset_is_lost(
    metrics, caplog, applied, first, delivered, lost, asked
):
    broker, partition = Broker(first), come_to(applied)
    await Losses(broker.bounds, metrics, topics=["fhir"]).look(partition, "fhir", delivered)
    assert total(metrics.lost, topic="fhir", partition="3") == lost
    assert broker.asked == asked
    assert len(caplog.records) == (lost > 0)


async def test_a_loss_is_said_with_its_offsets_and_what_would_have_kept_them(metrics, caplog):
    await Losses(Broker(500).bounds, metrics, topics=["fhir"]).look(
        come_to(Applied(9)), "fhir", 500
    )
    assert caplog.messages == [
        "490 messages of fhir 3 are lost: Kafka no longer has offsets 10 to 499, which were "
        "never applied; a longer retention would have kept them"
    ]


@pytest.mark.parametrize(
    ("applied", "end", "goes_on"),
    [
        (Applied(9), 10, Applied(9)),
        (Applied(9), 40, Applied(9)),
        (Applied(9, 2), 10, Applied(9, 2)),
        (Applied(9), 9, Applied(8)),
        (Applied(9, 2), 9, Applied(8, WHOLE_MESSAGE)),
        (Applied(9), 0, Applied(-1)),
    ],
)
async def test_a_topic_that_ends_before_what_was_applied_is_taken_from_its_end_on(
    metrics, caplog, applied, end, goes_on
):
    partition = come_to(applied)
    await Losses(Broker(end=end).bounds, metrics, topics=["fhir"]).look_back(partition)
    assert partition.checkpoint.applied.get("fhir") == goes_on
    assert [f"fhir 3 ends at offset {end}" in said for said in caplog.messages] == (
        [True] if goes_on != applied else []
    )
    assert total(metrics.lost) == 0


async def test_what_went_while_nobody_had_the_partition_is_lost_when_it_is_taken_over(
    metrics, caplog
):
    partition = come_to(Applied(9))
    await Losses(Broker(500, 700).bounds, metrics, topics=["fhir"]).look_back(partition)
    assert total(metrics.lost) == 490
    assert partition.checkpoint.applied == {"fhir": Applied(499)}
    assert "490 messages of fhir 3 are lost" in caplog.text


async def test_what_went_before_the_first_worker_came_is_not_lost(metrics, caplog):
    partition = come_to(None)
    await Losses(Broker(500, 700).bounds, metrics, topics=["fhir"]).look_back(partition)
    assert (total(metrics.lost), caplog.messages) == (0, [])
    assert partition.checkpoint.applied == {"fhir": Applied(499)}


async def test_what_came_home_from_there_is_taken_from_that_end_on_as_well(metrics):
    partition = come_to(None)
    partition.checkpoint.rekeyed = {0: Applied(9), 1: Applied(5)}
    await Losses(Broker(end=7).bounds, metrics, topics=["fhir"]).look_back(partition)
    assert partition.checkpoint.rekeyed == {0: Applied(6), 1: Applied(5)}
