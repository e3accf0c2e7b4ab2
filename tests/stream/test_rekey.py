"""The way home: a reading tells where it stood first, wherever it goes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.chunk import Chunk
from bpstream.pipeline import Batch
from bpstream.reading import Details, Origin, Reading, Readings
from bpstream.stream.rekey import chunk_of, homeward, rekeyed_chunk_of
from tests.stream.helpers import EPOCH_OF_TESTS, fetched

TOPIC = "blood_pressure_fhir"

origins = st.builds(
    Origin,
    message=st.integers(0, 4),
    entry=st.integers(0, 2**31 - 1),
    path=st.sampled_from(["", "Bundle.entry[3].resource", "line 7"]),
    body=st.none() | st.binary(max_size=20),
)


def sent_home(chunk: Chunk, away: list[Origin]) -> list[Any]:
    """Readings of `p0`, `p1` … at `away`, as they come out of the re-keyed topic."""
    readings = [
        Reading(patient_id=f"p{n}", taken_at=0, document_id="0" * 32, details=Details(""))
        for n in range(len(away))
    ]
    nothing = Readings.of([], [])
    batch = Batch(chunk, nothing, Readings.of(away, readings), [], [], [], 0)
    return [
        fetched(
            number,
            record.value,
            topic="rekeyed",
            key=record.key,
            headers=record.headers,
            timestamp=record.timestamp or 0,
        )
        for number, record in enumerate(homeward(batch))
    ]


def an_input_chunk(partition: int = 3, first: int = 40) -> Chunk:
    return chunk_of(
        [
            fetched(
                first + n,
                b"message %d" % n,
                topic=TOPIC,
                partition=partition,
                key=b"another key",
                timestamp=EPOCH_OF_TESTS + n,
            )
            for n in range(5)
        ]
    )


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


@given(
    away=st.lists(origins, min_size=1, max_size=6),
    partition=st.integers(0, 2**31 - 1),
    first=st.integers(0, 10**18 - 10),
)
def test_wherever_a_reading_stood_first_is_known_at_home(away, partition, first):
    chunk = an_input_chunk(partition, first)
    home = rekeyed_chunk_of(sent_home(chunk, away), topic=TOPIC)
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
        for record in sent_home(chunk_of([fetched(0, topic=topic)]), [Origin(0)])
    ]
    mixed = [ours[0], *theirs, ours[1]]
    kept = rekeyed_chunk_of([replace(r, offset=n) for n, r in enumerate(mixed)], topic=TOPIC)
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
    chunk = rekeyed_chunk_of([fetched(0, topic="rekeyed", headers=headers)], topic=TOPIC)
    assert len(chunk) == 0
    assert chunk.origins.offset.dtype == np.int64
