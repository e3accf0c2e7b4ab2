"""Home: whose readings this partition's state takes, and whose go on to another."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pipeline.histories import histories, unhurried
from tests.pipeline.messages import (
    RETRACTED,
    RUBBISH,
    Message,
    Taken,
    a_pipeline,
    at,
    body,
    chunk,
    messages,
)
from tests.pipeline.owner import Owner


def home_of(patient_ids: list[str]) -> list[int]:
    """Patients p0, p2 … are at home in partition 0, the others in partition 1."""
    return [int(patient_id[1:]) % 2 for patient_id in patient_ids]


def owner_of(number):
    return Owner(a_pipeline(home=home_of), number=number)


def places(batch):
    """Where each reading and retraction of a batch stood: at home, and away."""
    return tuple(
        sorted([*(at[:2] for at in readings.origin), *(each.origin[:2] for each in retractions)])
        for readings, retractions in (
            (batch.at_home, batch.retractions),
            (batch.away, batch.retractions_away),
        )
    )


@unhurried
@given(histories(patients=4), st.integers(0, 1))
def test_every_reading_and_every_retraction_is_either_at_home_or_away(history, number):
    held = chunk(history.messages)
    batch = owner_of(number).read(held)
    here = [*batch.at_home.patient_id, *(each.patient_id for each in batch.retractions)]
    away = [*batch.away.patient_id, *(each.patient_id for each in batch.retractions_away)]
    assert {*home_of(here)} <= {number}
    assert {*home_of(away)} <= {1 - number}
    at_home, elsewhere = places(batch)
    assert (sorted(at_home + elsewhere), []) == places(Owner().read(held))


@unhurried
@given(histories(patients=4))
def test_readings_away_leave_no_trace_in_the_state(history):
    owner = owner_of(1)
    owner.take(chunk(history.messages))
    assert {*home_of(owner.partition.patients)} <= {1}
    assert {*home_of([entry.patient_id for entry in owner.entries])} <= {1}


@pytest.mark.parametrize(
    ("number", "at_home", "away"), [(0, ["p0", "p2"], ["p1", "p3"]), (7, [], ["p0", "p1"])]
)
def test_the_entries_of_one_bundle_part_ways(number, at_home, away):
    patients = sorted(at_home + away)
    held = messages(body(*(Taken(f"o-{who}", who) for who in patients)))
    batch = owner_of(number).read(chunk(held))
    assert batch.at_home.patient_id == at_home
    assert batch.away.patient_id == away
    assert all(origin.body for origin in batch.away.origin)


def test_a_rekeyed_chunk_is_at_home_as_a_whole():
    held = [Message(n, body(Taken(f"o{n}", f"p{n}")), at(0), (1, n, 0)) for n in range(4)]
    batch = owner_of(0).read(chunk(held))
    assert batch.at_home.patient_id == ["p0", "p1", "p2", "p3"]
    assert len(batch.away) == 0


def test_a_document_of_a_rekeyed_reading_has_its_original_coordinates():
    owner = owner_of(0)
    owner.take(chunk([Message(90, body(Taken("o", "p0")), at(0), (1, 41, 2))]))
    (document,) = owner.documents()
    assert (document.kafka.partition, document.kafka.offset) == (1, 41)


def test_whose_state_is_here_is_at_home_without_asking_again():
    asked = []

    def home(patient_ids):
        asked.extend(patient_ids)
        return [0] * len(patient_ids)

    owner = Owner(a_pipeline(home=home))
    owner.take(chunk(messages(Taken("a"))))
    owner.take(chunk([each._replace(offset=1) for each in messages(Taken("b"))]))
    assert asked == ["p1"]
    assert len(owner.entries) == 2


def test_a_retraction_of_a_rekeyed_chunk_is_at_home():
    held = [Message(0, body(Taken("o", "p1", status=RETRACTED)), at(0), (1, 3, 0))]
    assert places(owner_of(0).read(chunk(held))) == ([(0, 0)], [])


def test_every_input_of_a_chunk_is_in_one_place():
    pulse = {**Taken("x").observation(), "code": {"text": "Pulse"}, "component": []}
    held = messages(
        Taken("a", "p0"),
        Taken("b", "p1"),
        RUBBISH,
        Taken("w", "p0", status=RETRACTED),
        Taken("w", "p1", status=RETRACTED),
        json.dumps(pulse).encode(),
    )
    batch = owner_of(0).read(chunk(held))
    assert [
        [origin.message for origin in batch.at_home.origin],
        [origin.message for origin in batch.away.origin],
        [each.origin.message for each in batch.rejected],
        [each.origin.message for each in batch.retractions],
        [each.origin.message for each in batch.retractions_away],
        [each.origin.message for each in batch.ignored],
    ] == [[0], [1], [2], [3], [4], [5]]
