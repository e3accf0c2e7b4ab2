"""Crashes: whatever is delivered again after one, the end is that of a single pass."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.patients import RECENT, STORED, counters_of
from bpstream.simulator import Simulator
from tests.pipeline.histories import Delivery, History, deliveries, histories, unhurried
from tests.pipeline.messages import NOON, Message, Taken, at, body, chunk, messages
from tests.pipeline.oracle import Oracle, assert_is_as_told
from tests.pipeline.owner import Owner, patients_a_step


def one_pass(held: Sequence[Message]) -> Owner:
    owner = Owner()
    owner.take(chunk(held))
    return owner


def deliver(owner: Owner, held: Sequence[Message], plan: Sequence[Delivery]) -> None:
    """Chunks and crashes as planned, then all that is left."""
    position = 0
    for size, crash_after, torn, back in plan:
        owner.take(chunk(held[position : position + size]), crash_after=crash_after, torn=torn)
        position = position + size if crash_after is None else max(0, position - back)
    owner.take(chunk(held[position:]))


def assert_ends_alike(owner: Owner, expected: Owner) -> None:
    """Every row, the progress, and every document as often: once; an alert may come again."""
    assert_same_rows(owner, expected)
    assert progress_of(owner) == progress_of(expected)
    assert sorted(owner.entries) == sorted(expected.entries)
    assert owner.shelves.held() == expected.shelves.held()
    assert owner.fates == expected.fates
    assert owner.alerts_once() == expected.alerts_once()
    places = [(each.document_id, each.version, each.body) for each in owner.entries]
    assert len(set(places)) == len(places)


def assert_same_rows(owner: Owner, expected: Owner) -> None:
    """The stored rows are equal, but for the step that wrote them.

    Sums are added in another order where chunks are cut elsewhere: their last digits differ.
    """
    rows, others = (
        {who: whole(row) for who, row in each.rows.items()} for each in (owner, expected)
    )
    assert rows.keys() == others.keys()
    for who, row in rows.items():
        other = others[who]
        for mine, its in (
            (row["row"]["history"]["sums"], other["row"]["history"]["sums"]),
            (row["arterial"]["sums"], other["arterial"]["sums"]),
        ):
            np.testing.assert_allclose(mine, its, rtol=1e-9, atol=1e-9)
            mine[...] = its
        np.testing.assert_allclose(row["row"]["warning"], other["row"]["warning"], rtol=1e-5)
        for changing in ("stamp", "warning"):
            row["row"][changing] = other["row"][changing]
        assert row.tobytes() == others[who].tobytes()


def whole(row: bytes) -> np.void:
    return np.frombuffer(bytearray(row.ljust(STORED.itemsize, b"\0")), STORED)[0]


def progress_of(owner: Owner) -> tuple[object, ...]:
    checkpoint = owner.partition.checkpoint
    return checkpoint.applied, checkpoint.rekeyed, checkpoint.looked_up


@unhurried
@given(histories(), deliveries, st.integers(1, 4))
def test_after_any_crashes_rows_and_documents_are_those_of_one_pass(history, plan, most):
    owner = Owner()
    with patients_a_step(most):
        deliver(owner, history.messages, plan)
    assert_ends_alike(owner, one_pass(history.messages))
    assert_is_as_told(owner, history.oracle)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_simulated_patients_end_alike_in_chunks_of_any_size_that_all_crash_once(size):
    stream = Simulator(patients=20, seed=7).stream(start=NOON, interval=60)
    held = [
        Message(number, message.value, at(number // 20))
        for number, message in enumerate(islice(stream, 600))
    ]
    owner = Owner()
    with patients_a_step(3, id_length=len("PAT-001")):
        for start in range(0, len(held), size):
            part = chunk(held[start : start + size])
            owner.take(part, crash_after=1)
            owner.take(part)
    assert_ends_alike(owner, one_pass(held))
    assert len(owner.entries) == 600


@st.composite
def ways_home(draw: st.DrawFn) -> History:
    """Re-keyed messages of two partitions, whose owners crashed and sent some of them again."""
    place = st.tuples(st.integers(0, 30), st.integers(0, 3))
    stand = {
        partition: sorted(draw(st.lists(place, unique=True, min_size=size)))
        for partition, size in ((3, draw(st.integers(0, 25))), (5, draw(st.integers(0, 25))))
    }
    turn = st.tuples(st.sampled_from([3, 5]), st.integers(0, 30), st.integers(0, 30))
    turns = [*draw(st.lists(turn, max_size=8)), (3, 0, 30), (5, 0, 30)]
    held, oracle = list[Message](), Oracle()
    position, reached = {3: 0, 5: 0}, {3: 0, 5: 0}
    for partition, back, count in turns:
        start = max(0, position[partition] - back)
        position[partition] = min(start + count, len(stand[partition]))
        for number in range(start, position[partition]):
            offset, entry = stand[partition][number]
            reading = Taken(f"{partition}-{number}", f"p{number % 3}", (7 * offset + entry) % 30)
            held.append(Message(2 * len(held), body(reading), at(30), (partition, offset, entry)))
            if number >= reached[partition]:
                oracle.apply(reading, arrived_at=at(30), stood=(partition, offset))
        reached[partition] = max(reached[partition], position[partition])
    return History(held, oracle)


@unhurried
@given(ways_home(), deliveries, st.integers(1, 3))
def test_what_was_sent_home_twice_is_counted_once_after_any_crashes(history, plan, most):
    owner = Owner()
    with patients_a_step(most):
        deliver(owner, history.messages, plan)
    assert_ends_alike(owner, one_pass(history.messages))
    assert_is_as_told(owner, history.oracle)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_way_home_sent_again_is_known_however_many_readings_came_between(size):
    count = 3 * RECENT
    sent = [
        Message(number, body(Taken(f"o{number}")), at(0), (3, number, 0)) for number in range(count)
    ]
    again = [message._replace(offset=count + message.offset) for message in sent]
    owner, held = Owner(), sent + again
    for start in range(0, len(held), size):
        owner.take(chunk(held[start : start + size]))
    assert counters_of(owner.partition.patients.row("p1"))["readings"] == count
    assert len(owner.entries) == count


def test_the_last_of_a_way_home_is_known_when_it_alone_is_sent_again():
    origins = [(3, 0, 0), *((5, number, 0) for number in range(RECENT + 1)), (3, 0, 0)]
    held = [
        Message(number, body(Taken(f"{origin}")), at(0), origin)
        for number, origin in enumerate(origins)
    ]
    for size in (1, len(held)):
        owner = Owner()
        for start in range(0, len(held), size):
            owner.take(chunk(held[start : start + size]))
        assert len(owner.entries) == RECENT + 2


@pytest.mark.parametrize("stored", range(5))
def test_a_message_whose_entries_are_split_over_steps_is_applied_once(stored):
    readings = [Taken(f"o{number}", f"p{number}") for number in range(10)]
    held = messages(Taken("before", "p0"), body(*readings), Taken("after", "p9"))
    owner = Owner()
    with patients_a_step(3):
        assert len(owner.take(chunk(held), crash_after=stored)) == stored
        batch = owner.read(chunk(held))
        assert len(batch.at_home) + len(owner.entries) == 12
        owner.take(chunk(held))
    assert_ends_alike(owner, one_pass(held))


def test_a_repeated_reading_at_the_end_of_a_stored_step_is_not_read_again():
    first = Taken("o1")
    others = [Taken(f"other-{number}") for number in range(RECENT)]
    held = messages(first, *others, first, Taken("p2's", "p2"))
    owner = Owner()
    with patients_a_step(1):
        owner.take(chunk(held), crash_after=1)
        owner.take(chunk(held))
    assert_ends_alike(owner, one_pass(held))


def test_a_redelivered_chunk_without_a_crash_has_no_effect():
    owner, held = Owner(), messages(Taken("a"), Taken("b", "p2"), b"rubbish", Taken("c"))
    owner.take(chunk(held))
    batch = owner.read(chunk(held))
    assert (len(batch.at_home), batch.rejected, batch.skipped) == (0, [], 4)
    owner.take(chunk(held[2:]))
    assert_ends_alike(owner, one_pass(held))


@pytest.mark.parametrize("stored", [0, 1])
def test_offsets_of_the_two_topics_are_kept_apart(stored):
    came = messages(Taken("a"))
    home = [Message(0, body(Taken("b", "p2")), at(0), (3, 0, 0))]
    owner = Owner()
    owner.take(chunk(came))
    owner.take(chunk(home), crash_after=stored)
    owner.take(chunk(came))
    owner.take(chunk(home))
    assert [entry.patient_id for entry in owner.entries] == ["p1", "p2"]
