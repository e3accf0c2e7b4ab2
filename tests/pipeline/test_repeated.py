"""A reading that comes again: it is in the state once, and in no second document."""

from dataclasses import replace

import pytest

from bpstream.chunk import Kept
from bpstream.patients import RECENT, counters_of
from tests.pipeline.messages import TOPIC, Taken, at, body, chunk, messages
from tests.pipeline.owner import Owner, patients_a_step

FIRST = Taken("o1", systolic=150)
OTHERS = [Taken(f"other-{number}") for number in range(RECENT - 1)]


def apart(values, *, size, patients_in_step=100):
    """The owner after `values`, a message each, in chunks of `size`, and its steps."""
    owner, held, steps = Owner(), messages(*values), []
    with patients_a_step(patients_in_step):
        for start in range(0, len(held), size):
            steps += owner.take(chunk(held[start : start + size]))
    return owner, steps


@pytest.mark.parametrize(
    ("size", "patients_in_step"),
    [(100, 100), (100, 1), (1, 100), (2, 100)],
    ids=["in one step", "over steps", "over chunks", "over larger chunks"],
)
@pytest.mark.parametrize("between", [0, 1, RECENT - 1])
def test_a_repeated_reading_has_no_effect(between, size, patients_in_step):
    values = [FIRST, *OTHERS[:between], Taken("p2's", "p2"), FIRST]
    owner, steps = apart(values, size=size, patients_in_step=patients_in_step)
    row = owner.partition.patients.row("p1")
    assert counters_of(row)["readings"] == 1 + between
    assert counters_of(row)["anomalies"] == 1
    assert row["next"] == (1 + between) % RECENT
    assert row["offset"] == between
    assert sum(step.repeated for step in steps) == 1
    assert [entry.document_id for entry in owner.entries].count(FIRST.document_id) == 1


def test_a_repeated_reading_has_no_effect_however_far_it_is_apart_in_one_step():
    owner, _ = apart([FIRST, *OTHERS, Taken("one more"), FIRST], size=100)
    assert counters_of(owner.partition.patients.row("p1"))["readings"] == RECENT + 1


def test_a_reading_is_repeated_within_one_message_as_well():
    _, (step,) = apart([body(FIRST, FIRST, Taken("o2"))], size=1)
    assert [entry.document_id for entry in step.entries] == [
        FIRST.document_id,
        Taken("o2").document_id,
    ]
    assert step.repeated == 1


BEGAN = at(30)


@pytest.mark.parametrize(
    ("lineage", "archived_at", "counted"),
    [
        ("ours", BEGAN, False),
        ("ours", BEGAN + 1, False),
        ("ours", BEGAN - 1, True),  # by a state that was before this one
        ("another", BEGAN + 1, True),
    ],
)
def test_an_archived_reading_counts_again_only_for_a_state_that_has_not_counted_it(
    lineage, archived_at, counted
):
    owner = Owner()
    owner.partition.checkpoint.lineage, owner.partition.checkpoint.since = "ours", BEGAN
    owner.take(chunk(messages(FIRST, *OTHERS, Taken("one more"))))
    again = chunk(messages(Taken("p2's", "p2"), FIRST, Taken("new")))
    again.offset += RECENT + 1
    again.archived = {1: Kept(lineage, archived_at)}
    batch = owner.read(again)
    assert batch.counted == (not counted)
    owner.take(again)
    readings = counters_of(owner.partition.patients.row("p1"))["readings"]
    assert readings == RECENT + 2 + counted
    assert counters_of(owner.partition.patients.row("p2"))["readings"] == 1
    assert owner.partition.checkpoint.applied[TOPIC].offset == RECENT + 3


@pytest.mark.parametrize("size", [1, 100], ids=["over chunks", "in one step"])
@pytest.mark.parametrize(
    ("versions", "passed"),
    [
        ((0, 1), [0, 1]),
        ((1, 0), [1]),
        ((1, 1), [1]),
        ((1, 2, 1), [1, 2]),
        ((2, 1, 3, 2, 3), [2, 3]),
    ],
)
def test_only_a_higher_version_of_a_reading_passes(versions, passed, size):
    owner, _ = apart([FIRST._replace(version=version) for version in versions], size=size)
    assert [entry.version for entry in owner.entries] == passed


@pytest.mark.parametrize("size", [1, 100], ids=["over chunks", "in one step"])
def test_equal_ids_of_two_patients_are_two_readings(size):
    owner, _ = apart([FIRST, FIRST._replace(patient="p2")], size=size)
    assert [entry.patient_id for entry in owner.entries] == ["p1", "p2"]


def test_a_step_of_nothing_but_repeated_readings_changes_no_row():
    _, (_, step) = apart([FIRST, FIRST], size=1)
    assert (step.entries, step.origins, list(step.rows)) == ([], [], [])


@pytest.mark.parametrize(("systolic", "indexed"), [(150, 1), (120, 0)])
def test_a_dead_letter_that_is_sent_again_goes_to_the_index_although_its_reading_is_known(
    systolic, indexed
):
    reading, owner = Taken("o1", systolic=systolic), Owner()
    owner.take(chunk(messages(reading)))
    again = replace(chunk(messages(Taken("o2"), reading)[1:]), retried=frozenset({0}))
    (step,) = owner.take(again)
    assert [entry.document_id for entry in step.to_index] == [reading.document_id] * indexed
    assert (step.to_archive, step.repeated, list(step.rows)) == ([], 1, [])
    assert counters_of(owner.partition.patients.row("p1"))["readings"] == 1
