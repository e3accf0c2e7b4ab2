"""The table: what the changelog says, what is forgotten, and how it is written."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faust.tables.recovery import Recovery, ServiceStopped

from bpstream import checkpoint as checkpoints
from bpstream.checkpoint import Applied, Archived, Checkpoint
from bpstream.errors import StartError
from bpstream.patients import STORED
from bpstream.stream.tables import OwnedPartition, PatientStore, PatientTable, Tables
from tests.stream.helpers import (
    TakesAll,
    a_checkpoint,
    a_row,
    always,
    counted,
    faust_app,
    fetched,
    nothing_to_read,
    readings_of,
    row_bytes,
    together,
    tp,
)

CHANGELOG = "tests-patients-changelog"


@pytest.fixture
async def publisher() -> TakesAll:
    return TakesAll()


@pytest.fixture
async def table(publisher: TakesAll) -> PatientTable:
    kafka: Any = publisher
    return PatientTable(
        faust_app(), changelog=CHANGELOG, publisher=kafka, read=nothing_to_read, is_member=always
    )


@pytest.fixture
async def store(table: PatientTable) -> PatientStore:
    return table.store


# What the changelog says.


def test_a_row_of_another_layout_is_an_error_that_names_both():
    damaged = b"\x07" + row_bytes("p1", readings=1)[1:]
    with pytest.raises(ValueError, match=r"layout 07 and .* this version reads layout 03"):
        OwnedPartition(0).apply([(0, b"p1", damaged)])


def test_a_tombstone_which_nobody_writes_says_nothing():
    partition = OwnedPartition(0)
    partition.apply([(0, *a_row(5, 1)), (1, b"p1", None)])
    assert (readings_of(partition), partition.changelog_offset) == (5, 1)


async def test_fetched_chunks_of_the_changelog_fill_their_partitions(store):
    step = [a_checkpoint(1), a_row(8, 1, "p2"), a_row(9, 1, "p3")]
    first = event(fetched(4, row_bytes("p1", readings=3), key=b"p1", partition=2))
    second = event(*(fetched(n, row, key=key, partition=3) for n, (key, row) in enumerate(step)))
    store.apply_changelog_batch([first, second], to_key=bytes, to_value=bytes)
    assert readings_of(store.partition(2)) == 3
    assert [readings_of(store.partition(3), each) for each in ("p2", "p3")] == [8, 9]
    assert (store.persisted_offset(tp(2)), store.persisted_offset(tp(3))) == (4, 2)


@pytest.mark.parametrize("key", [b"p1", checkpoints.KEY, checkpoints.CLAIM, b"\xff"])
async def test_a_changelog_that_cannot_be_read_is_told_and_its_partition_stores_nothing(store, key):
    told: list[StartError] = []
    store.on_unreadable = told.append
    noise = event(fetched(4, b"\x07 noise", topic=CHANGELOG, key=key))
    store.apply_changelog_batch([noise], to_key=bytes, to_value=bytes)
    assert [str(error).partition(":")[0] for error in told] == [f"{CHANGELOG} 0 cannot be read"]
    assert store.partition(0).lost


async def test_what_is_read_again_of_the_changelog_does_not_take_a_row_back(store):
    step = [a_checkpoint(1), a_row(8, 1), a_row(9, 1)]
    records = [fetched(n, row, key=key) for n, (key, row) in enumerate(step)]
    for part in (records, records[:2]):
        store.apply_changelog_batch([event(*part)], to_key=bytes, to_value=bytes)
    assert readings_of(store.partition(0)) == 9
    assert store.persisted_offset(tp()) == 2


def event(*records: Any) -> Any:
    value = together(*records)
    message = SimpleNamespace(value=value, topic=value.topic, partition=value.partition)
    return SimpleNamespace(message=message)


async def test_a_partition_that_was_never_read_has_no_offset_to_go_on_from(store):
    assert store.persisted_offset(tp(5)) == -1
    store.partition(5)
    assert store.persisted_offset(tp(5)) == -1


# Partitions that move.


async def rebalance(store: PatientStore, mine: set[int], generation: int) -> list[int]:
    """The partitions that were given up."""
    lost: list[int] = []
    store.on_lost = lambda partition: lost.append(partition.number)
    assigned = {tp(number, CHANGELOG) for number in mine}
    await store.on_rebalance(assigned, set(), set(), generation)
    return sorted(lost)


@pytest.mark.parametrize(
    ("mine", "generation", "lost"),
    [
        ({0, 1, 2}, 2, []),
        ({0, 2}, 2, [1]),
        (set(), 2, [0, 1, 2]),
        # A generation passed without us: another worker may have had all of them.
        ({0, 1, 2}, 3, [0, 1, 2]),
        ({0, 1, 2}, 9, [0, 1, 2]),
    ],
)
async def test_what_moved_away_is_forgotten_and_so_is_all_when_a_generation_was_missed(
    store, mine, generation, lost
):
    await rebalance(store, {0, 1, 2}, 1)
    partitions = [store.partition(number) for number in range(3)]
    assert await rebalance(store, mine, generation) == lost
    assert [each.number for each in partitions if each.lost] == lost
    assert sorted(store.partitions) == sorted({0, 1, 2} - set(lost))


async def test_a_partition_that_comes_back_begins_with_nothing(store):
    await rebalance(store, {0}, 1)
    counted(store.partition(0), "p1", readings=4)
    await rebalance(store, set(), 2)
    await rebalance(store, {0}, 3)
    assert "p1" not in store.partition(0).patients
    assert store.persisted_offset(tp(0)) == -1


# The rows.


async def test_a_row_is_read_by_its_patients_key_as_the_changelog_has_it(store):
    counted(store.partition(1), "p1", readings=4)
    assert store[b"p1"] == row_bytes("p1", readings=4)
    assert len(store[b"p1"]) <= STORED.itemsize
    assert (b"p1" in store, b"p2" in store, "p1" in store) == (True, False, False)
    with pytest.raises(KeyError):
        store[b"p2"]
    assert "p2" not in store.partition(1).patients


async def test_the_rows_of_all_partitions_are_the_table(store):
    for number in range(3):
        counted(store.partition(number), f"p{number}", readings=1)
    assert (list(store), len(store)) == ([b"p0", b"p1", b"p2"], 3)
    store.clear()
    assert (list(store), len(store)) == ([], 0)


async def test_nobody_but_the_pipeline_changes_a_row(store):
    with pytest.raises(TypeError, match="changed by the pipeline only"):
        store[b"p1"] = b""
    with pytest.raises(TypeError, match="removed by the pipeline only"):
        del store[b"p1"]


# Writing.


async def test_a_step_is_written_in_one_batch_its_checkpoint_ahead_of_its_rows(table, publisher):
    partition = table.store.partition(2)
    rows = [("p1", b"row of p1"), ("p3", b"row of p3")]
    checkpoint = Checkpoint(epoch=1, step=4, archived=Archived("open", 44))
    await table.write(partition, checkpoint, rows)
    ((topic, number, records),) = publisher.sent
    assert (topic, number) == (CHANGELOG, 2)
    assert [(record.key, record.value) for record in records] == [
        (checkpoints.KEY, checkpoint.encode()),
        (b"p1", b"row of p1"),
        (b"p3", b"row of p3"),
    ]
    assert table.store.persisted_offset(tp(2)) == 2
    assert partition.written == checkpoint


async def test_what_was_written_is_what_a_recovery_finds(table, publisher):
    partition = table.store.partition(0)
    checkpoint = Checkpoint(epoch=3, step=9, lineage="ab", applied={"fhir": Applied(9, 2)})
    row = row_bytes("Zoë|1", readings=7, epoch=3, step=9)
    await table.write(partition, checkpoint, [("Zoë|1", row)])
    recovered = OwnedPartition(0)
    recovered.apply(publisher.records(CHANGELOG))
    assert recovered.checkpoint == checkpoint
    assert dict(recovered.patients.copied(np.array([0]))) == {"Zoë|1": row}


async def test_a_patient_is_found_in_the_partition_that_has_the_row(table):
    counted(table.store.partition(0), "p0", readings=1)
    counted(table.store.partition(1), "p1", readings=5)
    patients, position = table.find("p1")
    assert patients.rows[position]["counters"][0] == 5
    assert table.find("nobody") is None


# Faust's part of it.


async def test_a_start_recovers_at_once_and_waits_for_no_agent(monkeypatch):
    tables, done = Tables(faust_app()), []

    def noted(name: str) -> Any:
        async def step(*_: object) -> None:
            done.append(name)

        return step

    monkeypatch.setattr(tables, "sleep", noted("slept"))
    monkeypatch.setattr(tables, "_update_channels", noted("channels"))
    monkeypatch.setattr(tables.recovery, "start", noted("recovery"))
    await tables.on_start()
    assert done == ["channels", "recovery"]


async def test_a_recovery_that_is_told_to_stop_at_its_end_raises_nothing(monkeypatch):
    async def stopped(*_: object) -> None:
        raise ServiceStopped

    monkeypatch.setattr(Recovery, "on_recovery_completed", stopped)
    await Tables(faust_app()).recovery.on_recovery_completed()
