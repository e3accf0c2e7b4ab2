"""The rows: found by patient, copied to bytes and loaded from them, never moved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.alarm_rules import SLOTS
from bpstream.clinical.alerts import SLOT
from bpstream.clinical.history import ARTERIAL, HISTORY, SUMS
from bpstream.patients import (
    COUNTERS,
    LAYOUT,
    LONG_AGO,
    READING,
    RECENT,
    ROW,
    STORED,
    Patients,
    counters_of,
    stamp_of,
)

ids = st.text(min_size=1, max_size=5)


def at(*positions):
    return np.array(positions, np.intp)


@given(st.lists(st.lists(ids, max_size=10), max_size=10))
def test_a_patient_keeps_the_position_of_the_first_time(calls):
    patients, expected = Patients(), dict[str, int]()
    for called in calls:
        for patient_id in called:
            expected.setdefault(patient_id, len(expected))
        assert patients.positions(called).tolist() == [expected[each] for each in called]
    assert list(patients) == list(expected)
    assert len(patients) == len(patients.rows) == len(expected)
    assert patients.ids(at(*expected.values())) == list(expected)
    assert all(patient_id in patients for patient_id in expected)


def test_a_row_keeps_its_content_while_thousands_are_added():
    patients = Patients()
    for number in range(5000):
        (position,) = patients.positions([f"p{number}"])
        patients.rows["offset"][position] = number
        if number % 3 == 0:
            patients.histories[ARTERIAL]["at"][position] = number
    assert patients.rows["offset"].tolist() == list(range(5000))
    arterial = [number if number % 3 == 0 else 0 for number in range(5000)]
    assert patients.histories[ARTERIAL]["at"].tolist() == arterial


def test_a_patient_who_is_not_there_has_no_row():
    patients = Patients()
    assert patients.row("p1") is None
    assert "p1" not in patients
    assert None not in patients
    assert len(patients) == len(patients.rows) == 0


@pytest.mark.parametrize("count", [1, 256, 257, 1000])
def test_a_new_row_tells_that_nothing_was_applied(count):
    patients = Patients()
    patients.positions([f"p{number}" for number in range(count)])
    for row in patients.rows:
        assert row["layout"] == LAYOUT
        assert (row["partition"], row["offset"], row["stamp"]) == (-1, -1, 0)
        assert row["last"]["taken_at"] == LONG_AGO
        assert set(counters_of(row).values()) == {0}
        assert not row["recent"]["identity"].any()
        assert not row["alarms"]["state"].any()
        assert not row["history"]["sums"].any()
        assert not patients.histories[ARTERIAL]["sums"].any()
        assert np.isnan([row["risk"], *row["warning"]]).all()


def test_the_counters_are_told_by_name():
    patients = Patients()
    patients.positions(["p1"])
    patients.rows["counters"][0] = range(1, 9)
    assert counters_of(patients.row("p1")) == {
        "readings": 1,
        "anomalies": 2,
        "hypertension": 3,
        "hypotension": 4,
        "hypertension_systolic": 5,
        "hypotension_systolic": 6,
        "hypertension_diastolic": 7,
        "hypotension_diastolic": 8,
    }


no_line = bytes(HISTORY.itemsize)


def beginning_with(byte: int, size: int) -> st.SearchStrategy[bytes]:
    rest = st.binary(min_size=size - 1, max_size=size - 1)
    return rest.map(lambda rest: bytes([byte]) + rest)


contents = st.builds(
    bytes.__add__,
    beginning_with(LAYOUT, ROW.itemsize),
    st.just(no_line) | beginning_with(1, HISTORY.itemsize),
)


@given(st.lists(st.dictionaries(ids, contents, max_size=5), max_size=3))
def test_loaded_rows_are_copied_out_byte_for_byte_and_the_later_steps_count(loads):
    patients, expected = Patients(), dict[str, bytes]()
    for values in loads:
        earlier = [
            who
            for who in values
            if who in expected and stamp_of(expected[who]) > stamp_of(values[who])
        ]
        assert patients.load(values) == earlier
        expected |= {who: row for who, row in values.items() if who not in earlier}
    copied = dict(patients.copied(patients.positions(list(expected))))
    assert copied == {who: row.removesuffix(no_line) for who, row in expected.items()}
    again = Patients()
    again.load(copied)
    assert again.rows.tobytes() == patients.rows.tobytes()
    assert again.histories[ARTERIAL].tobytes() == patients.histories[ARTERIAL].tobytes()
    assert list(patients) == list(expected)


@pytest.mark.parametrize(
    ("held", "given", "kept"), [(5, 4, "held"), (5, 5, "given"), (5, 6, "given"), (0, 0, "given")]
)
def test_a_row_of_an_earlier_step_does_not_take_the_place_of_a_later_one(held, given, kept):
    patients = Patients()
    patients.load({"p1": a_row(held, offset=1)})
    assert patients.load({"p1": a_row(given, offset=2)}) == (["p1"] if kept == "held" else [])
    assert patients.row("p1")["offset"] == {"held": 1, "given": 2}[kept]


def a_row(stamp, *, offset):
    row = np.zeros(1, ROW)
    row["layout"], row["stamp"], row["offset"] = LAYOUT, stamp, offset
    return row.tobytes()


@pytest.mark.parametrize("stamp", [0, 1, 2**40, 2**64 - 1])
def test_a_rows_stamp_is_read_from_its_bytes(stamp):
    assert stamp_of(a_row(stamp, offset=0)) == stamp


def test_copied_bytes_do_not_change_with_the_row():
    patients = Patients()
    position = patients.positions(["p1"])
    before = patients.copied(position)
    held = list(before)
    patients.rows["offset"][position] = 41
    assert list(before) == held != list(patients.copied(position))


def test_rows_are_copied_in_the_order_asked_for():
    patients = Patients()
    patients.positions(["p1", "p2", "p3"])
    patients.rows["offset"] = [1, 2, 3]
    again = Patients()
    copied = list(patients.copied(at(2, 0, 2)))
    assert [who for who, _ in copied] == ["p3", "p1", "p3"]
    for position, (_, row) in enumerate(copied):
        again.load({str(position): row})
    assert again.rows["offset"].tolist() == [3, 1, 3]
    assert list(patients.copied(at())) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"", f"layout none and 0 bytes; .* reads layout 03 of at most {STORED.itemsize} bytes"),
        (b"\x03", "layout 03 and 1 bytes"),
        (b"\x02" + bytes(STORED.itemsize - 1), f"layout 02 and {STORED.itemsize} bytes"),
        (b"\x03" + bytes(STORED.itemsize), f"layout 03 and {STORED.itemsize + 1} bytes"),
    ],
)
def test_a_row_of_another_layout_has_no_stamp(value, told):
    with pytest.raises(ValueError, match=told):
        stamp_of(value)


def test_the_layout_is_that_of_the_rows_in_kafka():
    # Rows of LAYOUT 3 lie in changelogs: whoever changes this changes LAYOUT.
    assert (LAYOUT, RECENT, len(COUNTERS), SLOTS) == (3, 16, 8, 10)
    assert {name: (str(kind), offset) for name, (kind, offset) in READING.fields.items()} == {
        "identity": ("uint64", 0),
        "version": ("int64", 8),
        "taken_at": ("int64", 16),
        "systolic": ("float32", 24),
        "diastolic": ("float32", 28),
        "mean": ("float32", 32),
        "flags": ("uint16", 36),
        "tags": ("uint8", 38),
        "severity": ("int8", 39),
    }
    assert {name: offset for name, (_, offset) in ROW.fields.items()} == {
        "layout": 0,
        "stamp": 1,
        "counters": 9,
        "partition": 41,
        "offset": 45,
        "risk": 53,
        "warning": 57,
        "last": 69,
        "next": 109,
        "recent": 110,
        "alarms": 750,
        "history": 930,
    }
    assert {name: (str(kind), offset) for name, (kind, offset) in SLOT.fields.items()} == {
        "alert": ("uint64", 0),
        "since": ("uint32", 8),
        "mark": ("uint16", 12),
        "state": ("uint8", 14),
        "count": ("uint8", 15),
        "severity": ("int8", 16),
        "released": ("uint8", 17),
    }
    assert {name: (str(kind.base), offset) for name, (kind, offset) in HISTORY.fields.items()} == {
        "at": ("int64", 0),
        "sums": ("float64", 8),
    }
    assert len(SUMS) == 17
    assert ROW.itemsize == 750 + SLOTS * SLOT.itemsize + HISTORY.itemsize == 1074
    assert STORED.fields["arterial"] == (HISTORY, ROW.itemsize)
    assert STORED.itemsize == 1218
