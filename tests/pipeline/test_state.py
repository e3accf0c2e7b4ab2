"""A patient's state: what is counted, what is last, and which readings are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.checkpoint import epoch_of
from bpstream.patients import RECENT, counters_of
from tests.pipeline.histories import deliveries, histories, unhurried
from tests.pipeline.messages import Taken, at, chunk, messages
from tests.pipeline.oracle import assert_is_as_told, states_of
from tests.pipeline.owner import Owner, patients_a_step


def row_after(*readings):
    owner = Owner()
    owner.take(chunk(messages(*readings, minute=60)))
    return owner.partition.patients.row("p1")


@unhurried
@given(histories(), deliveries, st.integers(1, 4))
def test_any_history_in_any_chunks_and_steps_gives_the_oracles_state_and_documents(
    history, cuts, most
):
    owner, held = Owner(), history.messages
    with patients_a_step(most):
        for cut in cuts:
            owner.take(chunk(held[: cut.size]))
            held = held[cut.size :]
        owner.take(chunk(held))
    assert_is_as_told(owner, history.oracle)


@unhurried
@given(histories(patients=1, most=20, returning=False))
def test_one_patient_with_many_readings_in_a_step_has_the_oracles_state(history):
    owner = Owner()
    assert len(owner.take(chunk(history.messages))) == 1
    assert states_of(owner.partition.patients) == history.oracle.states()


@pytest.mark.parametrize(
    ("systolic", "diastolic", "counted"),
    [
        (120, 80, {}),
        (140, 90, {}),
        (90, 60, {}),
        (141, 80, {"hypertension": 1, "hypertension_systolic": 1}),
        (120, 91, {"hypertension": 1, "hypertension_diastolic": 1}),
        (89, 60, {"hypotension": 1, "hypotension_systolic": 1}),
        (120, 59, {"hypotension": 1, "hypotension_diastolic": 1}),
        (
            141,
            59,
            {"hypertension": 1, "hypertension_systolic": 1, "hypotension_diastolic": 1},
        ),
        (141, None, {"hypertension": 1, "hypertension_systolic": 1}),
        (None, 59, {"hypotension": 1, "hypotension_diastolic": 1}),
    ],
)
def test_a_reading_is_counted_once_by_its_type_and_once_by_each_of_its_tags(
    systolic, diastolic, counted
):
    counters = counters_of(row_after(Taken("o", systolic=systolic, diastolic=diastolic)))
    anomalies = {"anomalies": 1} if counted else {}
    assert {name: n for name, n in counters.items() if n} == {
        "readings": 1,
        **anomalies,
        **counted,
    }


@pytest.mark.parametrize(
    ("minutes", "last"),
    [((1, 2, 3), 2), ((3, 2, 1), 0), ((1, 3, 2), 1), ((2, 2, 1), 1)],
)
def test_the_last_reading_is_the_newest_by_the_time_it_was_taken(minutes, last):
    readings = [Taken(f"o{n}", minute=minute) for n, minute in enumerate(minutes)]
    identity = int(readings[last].document_id[:16], 16)
    assert row_after(*readings)["last"]["identity"] == identity


def test_a_late_reading_of_a_later_chunk_is_counted_and_never_becomes_the_last():
    owner = Owner()
    newer, older = Taken("newer", minute=30, systolic=120), Taken("older", systolic=150)
    owner.take(chunk(messages(newer, minute=30)))
    risk = owner.partition.patients.row("p1")["risk"]
    owner.take(chunk([each._replace(offset=1) for each in messages(older, minute=31)]))
    row = owner.partition.patients.row("p1")
    assert row["last"]["taken_at"] == at(30)
    assert row["risk"] == risk
    assert counters_of(row)["anomalies"] == 1


def test_the_risk_is_that_of_the_newest_reading():
    # The model is a line through systolic 120, whose risk is one half.
    assert row_after(Taken("a", minute=2, systolic=120), Taken("b", systolic=80))["risk"] == 0.5


@pytest.mark.parametrize("count", [1, RECENT - 1, RECENT, RECENT + 1, 3 * RECENT + 5])
def test_the_last_readings_stand_in_a_ring_in_the_order_of_their_arrival(count):
    row = row_after(*(Taken(f"o{n}", minute=n % 3, systolic=100 + n % 40) for n in range(count)))
    slots = {n % RECENT: 100 + n % 40 for n in range(count)}
    kept = {slot: each["systolic"] for slot, each in enumerate(row["recent"]) if each["identity"]}
    assert kept == slots
    assert row["next"] == count % RECENT


def test_an_aggregate_is_kept_but_neither_counted_nor_the_last():
    row = row_after(Taken("spot", minute=1), Taken("mean", minute=2, systolic=190, aggregate=True))
    assert counters_of(row)["readings"] == 1
    assert counters_of(row)["anomalies"] == 0
    assert row["last"]["taken_at"] == at(1)
    assert row["next"] == 2


def test_a_row_tells_where_its_last_message_stood_and_which_owner_wrote_it():
    owner = Owner()
    owner.partition.checkpoint.epoch = 7
    owner.take(chunk(messages(Taken("a"), Taken("b"), Taken("c", "p2")), partition=3))
    row = owner.partition.patients.row("p1")
    assert (row["partition"], row["offset"]) == (3, 1)
    assert epoch_of(int(row["stamp"])) == 7
