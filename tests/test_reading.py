"""Readings in columns: made of readings, taken apart and merged in the order they came."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.reading import Details, Flag, Kind, Origin, Reading, Readings, Series

readings = st.builds(
    Reading,
    patient_id=st.text(max_size=3),
    taken_at=st.integers(-(2**63), 2**63 - 1),
    systolic=st.floats(0, 400) | st.just(float("nan")),
    diastolic=st.floats(0, 400) | st.just(float("nan")),
    mean=st.floats(0, 400) | st.just(float("nan")),
    flags=st.integers(0, 2**16 - 1).map(Flag),
    kind=st.sampled_from(Kind),
    series=st.sampled_from(Series),
    document_id=st.text("0123456789abcdef", min_size=32, max_size=32),
    version=st.integers(0, 2**63 - 1),
    details=st.builds(
        Details,
        original_time=st.text(max_size=3),
        observation_id=st.none() | st.text(max_size=3),
        practitioner_id=st.none() | st.text(max_size=3),
        device=st.none() | st.just("cuff-7"),
    ),
)
BARE = Reading(patient_id="p1", taken_at=0, document_id="0" * 32, details=Details(""))
COLUMNS = [name for name in Reading.__struct_fields__ if name != "details"]
places = st.tuples(st.integers(0, 5), st.integers(0, 5))


def columns(placed):
    """Readings of a dictionary from place to reading, in the order of the places."""
    order = sorted(placed)
    found = Readings.of([Origin(*place) for place in order], [placed[place] for place in order])
    # As the fast path does, which knows of no devices.
    found.details = {at: each for at, each in found.details.items() if each.device}
    return found


def plain(value):
    """A value as it can be compared: NaN is None."""
    return None if value != value else value


def rows(found):
    """The columns as rows, one for each reading."""
    named = [getattr(found, name) for name in ("origin", *COLUMNS)]
    held = [*named, [found.details_of(at) for at in range(len(found))]]
    lists = [each.tolist() if isinstance(each, np.ndarray) else each for each in held]
    return [tuple(map(plain, row)) for row in zip(*lists, strict=True)]


def expected(placed):
    """The rows of a dictionary from place to reading, in the order of the places."""
    names = (*COLUMNS, "details")
    return [
        (Origin(*place), *(plain(getattr(placed[place], name)) for name in names))
        for place in sorted(placed)
    ]


@given(st.dictionaries(places, readings))
def test_columns_hold_every_reading_beside_its_origin(placed):
    found = columns(placed)
    assert len(found) == len(placed)
    assert rows(found) == expected(placed)


@given(st.dictionaries(places, readings), st.data())
def test_readings_are_taken_in_the_order_asked_for(placed, data):
    every = columns(placed)
    at = data.draw(st.lists(st.integers(0, len(every) - 1)) if placed else st.just([]))
    taken = every.take(np.array(at, np.intp))
    assert rows(taken) == [expected(placed)[position] for position in at]


@given(st.dictionaries(places, readings), st.data())
def test_a_part_of_them_is_told_apart_from_the_whole(placed, data):
    every = columns(placed)
    start = data.draw(st.integers(0, len(every)))
    end = data.draw(st.integers(start, len(every)))
    part = every.part(start, end)
    assert rows(part) == expected(placed)[start:end]
    if part is not every:
        part.flags |= np.uint32(1 << 20)
        assert rows(every) == expected(placed)


@given(st.dictionaries(places, readings), st.data())
def test_merged_readings_stand_in_the_order_of_message_and_entry(placed, data):
    first = {place for place in sorted(placed) if data.draw(st.booleans())}
    merged = Readings.merge(
        columns({place: placed[place] for place in first}),
        columns({place: placed[place] for place in placed.keys() - first}),
    )
    assert rows(merged) == expected(placed)


def test_the_types_of_the_columns_do_not_depend_on_what_is_in_them():
    empty, one = columns({}), columns({(0, 0): BARE})
    for name in (each.name for each in fields(Readings)):
        kinds = [getattr(getattr(each, name), "dtype", list) for each in (empty, one)]
        assert kinds[0] == kinds[1], name


def test_a_reading_has_no_pressure_that_it_was_not_given():
    assert all(np.isnan([BARE.systolic, BARE.diastolic, BARE.mean]))


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (Flag(0), []),
        (Flag.LATE, ["late"]),
        (Flag.BAD_ID | Flag.UNIT_FROM_TEXT, ["unit_from_text", "bad_id"]),
    ],
)
def test_flags_are_named_in_the_order_of_their_definition(flags, names):
    assert flags.names() == names


def test_every_flag_has_its_documented_name_and_fits_a_row():
    every = Flag(2**16 - 1)
    assert every.names() == [
        "unit_from_text",
        "number_from_text",
        "comparator",
        "no_zone",
        "coarse_time",
        "time_from_issued",
        "time_from_arrival",
        "late",
        "unverified",
        "status_unknown",
        "implausible",
        "partial",
        "child",
        "test_data",
        "invasive",
        "bad_id",
    ]
    assert max(Flag) == Flag.BAD_ID
