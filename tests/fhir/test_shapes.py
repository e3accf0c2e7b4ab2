"""Shapes: a message that is another one with other values is read by them, and read alike."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.fhir.build import observation, original_observation
from bpstream.fhir.plain import PlainReader
from bpstream.fhir.shapes import Shapes
from bpstream.reading import Readings
from tests.fhir.messages import (
    ARRIVED,
    TAKEN,
    THOROUGHLY,
    an_observation,
    component,
    damaged,
    read_tolerantly,
    rows,
)
from tests.fhir.test_plain import BUILDERS, IDS, NOW, TIME_FORMS, plain_messages
from tests.loops import needs_the_loops

pytestmark = needs_the_loops

VALUES = ("observation-1", "patient-1", "by-1", TAKEN, "121.0", "81.0")
"""Of `a_message`, as they stand in it."""
NUMBERS = (
    *("120", "120.0", "120.5", "30.000001", "0.5", "0120", "00", "1e2", "1.2E2", "-120", "+120"),
    *("120.", ".5", "", "1 20", '"120"', "120,0", "null", "351", "9.99", "NaN", "120.0.0"),
    *("119.999999999999", "119.9999999999999", "100000000000000", "1000000000000000"),
)


def a_message(build: Any = observation, **changes: Any) -> bytes:
    told = {
        "observation_id": "observation-1",
        "patient_id": "patient-1",
        "practitioner_id": "by-1",
        "taken_at": TAKEN,
        "systolic": 121.0,
        "diastolic": 81.0,
    }
    return build(**told | changes)


def dumped(observation: dict[str, Any], separators: tuple[str, str] = (",", ":")) -> bytes:
    return json.dumps(observation, separators=separators).encode()


class Reader:
    """The fast path, which has read some messages before."""

    def __init__(self, *before: bytes) -> None:
        self.reader = PlainReader(source="", fhir_base="", max_skew=600.0)
        for message in before:
            self.read(message)

    def read(self, *messages: bytes | None) -> tuple[Readings, list[int]]:
        return self.reader.read(messages, np.full(len(messages), ARRIVED, np.int64))

    def fits(self, *messages: bytes | None) -> list[int]:
        """The positions of messages of known shapes."""
        parts, _ = self.reader._shapes.read(messages)
        return sorted(int(at) for part in parts for at in part.at)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("by", [None, "PRAC-01"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_what_is_written_like_a_message_before_is_of_its_shape(build, by, separators):
    first, second = (
        dumped(json.loads(a_message(build, practitioner_id=by, **told)), separators)
        for told in ({}, {"observation_id": "2", "patient_id": "p.2", "systolic": 99})
    )
    reader = Reader(first)
    assert reader.fits(first, second) == [0, 1]
    readings, left = reader.read(second, first)
    assert not left
    assert rows(readings) == [read_tolerantly(second), read_tolerantly(first)]


@THOROUGHLY
@given(plain_messages(), st.data())
def test_a_damaged_message_is_read_as_the_tolerant_reader_does_or_left_to_it(message, data):
    reader = Reader(message)
    broken = damaged(message, data)
    readings, left = reader.read(broken)
    assert rows(readings) == ([] if left else [read_tolerantly(broken)])


@THOROUGHLY
@given(st.data())
def test_so_is_one_with_any_other_values(data):
    anything = IDS | st.text(max_size=70) | st.sampled_from([*NUMBERS, *VALUES])
    broken = a_message()
    for value in VALUES:
        if data.draw(st.booleans()):
            broken = broken.replace(value.encode(), data.draw(anything).encode(), 1)
    readings, left = Reader(a_message()).read(broken)
    assert rows(readings) == ([] if left else [read_tolerantly(broken)])


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_what_json_says_it_is(number):
    reader, message = Reader(a_message()), a_message().replace(b"121.0", number.encode())
    readings, left = reader.read(message)
    assert rows(readings) == ([] if left else [read_tolerantly(message)])


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        *[("0", True), ("120", True), ("120.0", True), ("0.5", True), ("119.999999999999", True)],
        *[("119.9999999999999", False), ("00", False), ("0120", False), ("120.", False)],
        *[(".5", False), ("", False), ("-120", False), ("1e2", False), ("1.2.3", False)],
    ],
)
def test_numbers_without_sign_and_exponent_are_of_the_shape(number, fits):
    message = a_message().replace(b"121.0", number.encode())
    assert Reader(a_message()).fits(message) == ([0] if fits else [])


@given(st.integers(0, 10**15 - 1), st.integers(0, 14))
def test_every_decimal_of_fifteen_digits_is_the_nearest_double(digits, behind):
    number = f"{digits:015d}"
    whole, behind_point = number[: 15 - behind].lstrip("0") or "0", number[15 - behind :]
    number = f"{whole}.{behind_point}" if behind_point else whole
    shapes = Shapes()
    shapes.learn(a_message(), in_words=False)
    (part,), _ = shapes.read([a_message().replace(b"121.0", number.encode())])
    assert part.systolic.tolist() == [float(number)]


@pytest.mark.parametrize("precision_and_zone", TIME_FORMS)
def test_times_may_be_of_any_form(precision_and_zone):
    precision, zone = precision_and_zone
    message = a_message(taken_at=f"{NOW.replace(tzinfo=None).isoformat(timespec=precision)}{zone}")
    reader = Reader(a_message())
    assert reader.fits(message) == [0]
    readings, left = reader.read(message)
    assert rows(readings) == ([] if left else [read_tolerantly(message)])


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "amended"},
        {"id": "x" * 65},
        {"id": ""},
        {"subject": {"reference": "Patient/"}},
        {"subject": {"reference": "Patient/p/_history/1"}},
        {"subject": {"reference": "Group/p1"}},
        {"effectiveDateTime": "2026\\u002d01-29T21:32:51Z"},
        {"component": [component("8462-4", 80), component("8480-6", 120)]},
        {"focus": []},
    ],
    ids=repr,
)
def test_what_differs_in_more_than_values_is_of_another_shape(changes):
    plain = dumped(an_observation())
    other = dumped(an_observation(**changes)).replace(rb"\\u", rb"\u")
    reader = Reader(plain)
    assert reader.fits(plain, other, plain, plain[:-1], plain + b" ", b"", None) == [0, 2]


@pytest.mark.parametrize(
    "message",
    [
        json.dumps(an_observation(), indent=2).encode(),
        json.dumps(an_observation(), separators=(" ,", ":")).encode(),
        dumped(an_observation()).replace(b'{"resource', b'{"id":"o0","resource'),
        dumped(an_observation()).replace(b"Observation", b"\\u004fbservation"),
        a_message().replace(b'"unit":"mmHg"', b'"unit":"\x7ftime\x7f"'),
        dumped(an_observation(status="amended")),
    ],
    ids=["indented", "spaced", "a name twice", "escaped", "marked", "as servers keep it"],
)
def test_what_no_library_writes_has_no_shape_and_is_read_all_the_same(message):
    reader = Reader(message)
    assert reader.fits(message) == []
    assert rows(reader.read(message)[0]) == [read_tolerantly(message)]


def test_a_feed_of_several_writers_is_read_in_order():
    writers = [
        a_message(),
        a_message(original_observation),
        a_message(practitioner_id=None),
        dumped(an_observation()),
    ]
    others = [dumped(an_observation(status="amended")), None, b"{", b"[]"]
    reader, feed = Reader(*writers), [*others, *writers, *writers[::-1], *others]
    assert reader.fits(*feed) == list(range(4, 12))
    readings, left = reader.read(*feed)
    assert [each.message for each in readings.origin] == [0, *range(4, 12), 12]
    assert rows(readings) == [read_tolerantly(feed[each.message]) for each in readings.origin]
    assert left == [1, 2, 3, 13, 14, 15]


def test_the_shape_that_fits_least_makes_room_for_a_new_one():
    writers = [
        dumped(dict(sorted(an_observation().items(), key=lambda item: (item[0] != name, item[0]))))
        for name in ("id", "status", "subject", "component", "code")
    ]
    reader = Reader(*writers[:4])
    reader.read(*writers[1:4])
    reader.read(writers[4])
    assert reader.fits(*writers) == [1, 2, 3, 4]
    reader.read(writers[0])
    assert reader.fits(writers[0], writers[4]) == [0]


def test_nothing_is_learned_where_the_loops_were_not_compiled():
    reader = PlainReader(source="", fhir_base="", max_skew=600.0, loops=None)
    for _ in range(2):
        readings, left = reader.read([a_message()], np.full(1, ARRIVED, np.int64))
        assert (rows(readings), left) == ([read_tolerantly(a_message())], [])
    assert reader._shapes._known == []
