"""The way home: a reading tells where it stood first, wherever it goes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.batch import Batch
from bpstream.chunk import Chunk, Kept
from bpstream.reading import Details, Origin, Reading, Readings, Retraction
from bpstream.stream.rekey import archived, chunk_of, going_home, homeward, rekeyed_chunk_of
from tests.stream.helpers import EPOCH_OF_TESTS, fetched, together

TOPIC = "blood_pressure_fhir"

origins = st.builds(
    Origin,
    message=st.integers(0, 4),
    entry=st.integers(0, 2**31 - 1),
    path=st.sampled_from(["", "Bundle.entry[3].resource", "line 7"]),
    body=st.none() | st.binary(max_size=20),
)


def sorted_by_place(origins: list[Origin]) -> list[Origin]:
    """In the order a chunk has them."""
    return sorted(origins, key=lambda at: at[:2])


def a_batch(chunk: Chunk, away: list[Origin], retracted: list[Origin]) -> Batch:
    """Readings of `p0`, `p1` … at `away`, and retractions of `r0`, `r1` … at `retracted`."""
    readings = [
        Reading(patient_id=f"p{n}", taken_at=0, document_id="0" * 32, details=Details(""))
        for n in range(len(away))
    ]
    return Batch(
        chunk,
        at_home=Readings.of([], []),
        away=Readings.of(away, readings),
        rejected=[],
        retractions=[],
        retractions_away=[Retraction(at, f"r{n}", "0" * 32, 0) for n, at in enumerate(retracted)],
        ignored=[],
        skipped=0,
        counted=0,
        tolerant=0,
    )


def sent_home(chunk: Chunk, away: list[Origin], retracted: Sequence[Origin] = ()) -> list[Any]:
    """What `a_batch` sends home, as it comes out of the re-keyed topic."""
    return [
        fetched(
            number,
            record.value,
            topic="rekeyed",
            key=record.key,
            headers=record.headers,
            timestamp=record.timestamp or 0,
        )
        for number, record in enumerate(homeward(a_batch(chunk, away, list(retracted))))
    ]


def an_input_chunk(partition: int = 3, first: int = 40) -> Chunk:
    records = (
        fetched(
            first + n,
            b"message %d" % n,
            topic=TOPIC,
            partition=partition,
            key=b"another key",
            timestamp=EPOCH_OF_TESTS + n,
        )
        for n in range(5)
    )
    return chunk_of(together(*records))


def test_fetched_records_are_a_chunk_that_stands_where_it_was_fetched():
    chunk = an_input_chunk(partition=3, first=40)
    assert chunk.values[1] == b"message 1"
    assert chunk.keys[1] == b"another key"
    assert chunk.arrived_at[1] == (EPOCH_OF_TESTS + 1) * 1000
    assert chunk.origins.partition.tolist() == [3] * 5
    assert chunk.offset.tolist() == chunk.origins.offset.tolist() == [40, 41, 42, 43, 44]
    assert not chunk.rekeyed


def test_a_reading_goes_home_under_its_patients_key_with_the_bytes_it_came_in():
    whole, entry = Origin(1), Origin(2, 7, "Bundle.entry[7].resource", b"entry 7")
    first, second = sent_home(an_input_chunk(), [whole, entry])
    assert (first.key, first.value) == (b"p0", b"message 1")
    assert (second.key, second.value) == (b"p1", b"entry 7")
    assert first.timestamp == EPOCH_OF_TESTS + 1


def test_a_retraction_goes_home_under_its_patients_key_in_its_turn():
    places = [Origin(0), Origin(2, 1, "Bundle.entry[1]"), Origin(2, 5, "Bundle.entry[5]")]
    entry = Origin(2, 3, "Bundle.entry[3]", b"a DELETE")
    records = sent_home(an_input_chunk(), places, [Origin(1), entry])
    assert [record.key for record in records] == [b"p0", b"r0", b"p1", b"r1", b"p2"]
    assert records[1].value == b"message 1"
    home = rekeyed_chunk_of(together(*records), topic=TOPIC)
    assert (home.values[3], home.paths[3]) == (b"a DELETE", "Bundle.entry[3]")
    assert (int(home.origins.offset[3]), int(home.origins.entry[3])) == (42, 3)


def test_who_is_told_to_go_home_is_told_in_the_order_of_the_records():
    first, second, third = Origin(0), Origin(1), Origin(4, 2)
    batch = a_batch(an_input_chunk(), [first, third], [second])
    assert going_home(batch) == [(first, "p0"), (second, "r0"), (third, "p1")]
    assert [record.key for record in homeward(batch)] == [b"p0", b"r0", b"p1"]


@given(
    away=st.lists(origins, min_size=1, max_size=6).map(sorted_by_place),
    partition=st.integers(0, 2**31 - 1),
    first=st.integers(0, 10**18 - 10),
)
def test_wherever_a_reading_stood_first_is_known_at_home(away, partition, first):
    chunk = an_input_chunk(partition, first)
    home = rekeyed_chunk_of(together(*sent_home(chunk, away)), topic=TOPIC)
    assert home.rekeyed
    assert home.origins.partition.tolist() == [partition] * len(away)
    assert home.origins.offset.tolist() == [first + at.message for at in away]
    assert home.origins.entry.tolist() == [at.entry for at in away]
    assert list(home.paths) == [at.path for at in away]
    assert home.arrived_at.tolist() == [int(chunk.arrived_at[at.message]) for at in away]
    assert home.offset.tolist() == list(range(len(away)))


def test_what_other_apps_sent_home_is_left_out():
    ours = sent_home(an_input_chunk(), [Origin(0), Origin(1)])
    theirs = [
        record
        for topic in ("blood_pressure_fhir.test", "blood_pressure", "another:blood_pressure_fhir")
        for record in sent_home(chunk_of(together(fetched(0, topic=topic))), [Origin(0)])
    ]
    mixed = [ours[0], *theirs, ours[1]]
    numbered = together(*(replace(record, offset=n) for n, record in enumerate(mixed)))
    kept = rekeyed_chunk_of(numbered, topic=TOPIC)
    assert list(kept.values) == [b"message 0", b"message 1"]
    assert kept.offset.tolist() == [0, 4]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("origin", b"")],
        [("origin", b"\xff\xfe")],
        [("origin", None)],
        [("origin", b"blood_pressure_fhir")],
        [("origin", b"blood_pressure_fhir:0:1")],
        [("origin", b"blood_pressure_fhir:a:b:c:d")],
        [("origin", b"blood_pressure_fhir:0:1:2:" + b"9" * 30)],
    ],
)
def test_what_nobody_sent_home_does_not_stop_the_worker(headers):
    chunk = rekeyed_chunk_of(together(fetched(0, topic="rekeyed", headers=headers)), topic=TOPIC)
    assert len(chunk) == 0
    assert chunk.origins.offset.dtype == np.int64


def test_that_it_was_archived_and_when_goes_along():
    told = [
        archived("b7e0:1-x", 1769722371619300),
        ("archived", b"no time"),
        ("archived", b":7"),
        ("archived", b"\xff:7"),
        ("archived", None),
        ("retried", b""),
    ]
    records = [fetched(n, topic=TOPIC, headers=[each]) for n, each in enumerate(told)]
    first = chunk_of(together(*records, fetched(9, topic=TOPIC)))
    away = [Origin(n) for n in range(7)]
    home = rekeyed_chunk_of(together(*sent_home(first, away)), topic=TOPIC)
    expected = {0: Kept("b7e0:1-x", 1769722371619300), 3: Kept("\ufffd", 7)}
    assert (first.archived, home.archived) == (expected, expected)
    assert home.take(np.array([2, 3])).archived == {1: Kept("\ufffd", 7)}


def test_the_original_key_and_that_it_was_a_dead_letter_go_along():
    records = [
        fetched(0, b"first", topic=TOPIC, key=b"ward 7", headers=[("retried", b"0:1:0")]),
        fetched(1, b"second", topic=TOPIC, key=None),
    ]
    chunk = chunk_of(together(*records))
    home = rekeyed_chunk_of(together(*sent_home(chunk, [Origin(0), Origin(1)])), topic=TOPIC)
    assert home.keys == [b"ward 7", None]
    assert chunk.retried == home.retried == {0}
