"""The rows: found by patient, copied to bytes and loaded from them, never moved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.patients import (
    COUNTERS,
    LAYOUT,
    LONG_AGO,
    READING,
    RECENT,
    ROW,
    Patients,
    counters_of,
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
    assert patients.rows["offset"].tolist() == list(range(5000))


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
        assert (row["partition"], row["offset"], row["epoch"]) == (-1, -1, 0)
        assert row["last"]["taken_at"] == LONG_AGO
        assert set(counters_of(row).values()) == {0}
        assert not row["recent"]["identity"].any()


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


contents = st.binary(min_size=ROW.itemsize - 1, max_size=ROW.itemsize - 1).map(
    lambda rest: bytes([LAYOUT]) + rest
)


@given(st.dictionaries(ids, contents, max_size=5), st.dictionaries(ids, contents, max_size=5))
def test_loaded_rows_are_copied_out_byte_for_byte_and_the_later_ones_count(first, second):
    patients = Patients()
    patients.load(first)
    patients.load(second)
    names = list(first | second)
    copied = patients.copy_bytes(patients.positions(names))
    assert dict(zip(names, copied, strict=True)) == first | second
    assert list(patients) == names


def test_copied_bytes_do_not_change_with_the_row():
    patients = Patients()
    position = patients.positions(["p1"])
    (before,) = patients.copy_bytes(position)
    patients.rows["offset"][position] = 41
    (after,) = patients.copy_bytes(position)
    assert before != after


def test_rows_are_copied_in_the_order_asked_for():
    patients = Patients()
    patients.positions(["p1", "p2", "p3"])
    patients.rows["offset"] = [1, 2, 3]
    copied = np.frombuffer(b"".join(patients.copy_bytes(at(2, 0, 2))), ROW)
    assert copied["offset"].tolist() == [3, 1, 3]
    assert patients.copy_bytes(at()) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"", f"layout none and 0 bytes; this version reads layout 01 of {ROW.itemsize} bytes"),
        (b"\x01", "layout 01 and 1 bytes"),
        (b"\x02" + bytes(ROW.itemsize - 1), f"layout 02 and {ROW.itemsize} bytes"),
        (b"\x01" + bytes(ROW.itemsize), f"layout 01 and {ROW.itemsize + 1} bytes"),
    ],
)
def test_a_row_of_another_layout_is_refused_and_nothing_is_loaded(value, told):
    patients = Patients()
    good = b"\x01" + bytes(ROW.itemsize - 1)
    with pytest.raises(ValueError, match=told):
        patients.load({"p1": good, "p2": value})
    assert len(patients) == 0


def test_the_layout_is_that_of_the_rows_in_kafka():
    # Rows of LAYOUT 1 lie in changelogs: whoever changes this changes LAYOUT.
    assert (LAYOUT, RECENT, len(COUNTERS)) == (1, 16, 8)
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
        "epoch": 1,
        "counters": 5,
        "partition": 37,
        "offset": 41,
        "risk": 49,
        "last": 53,
        "next": 93,
        "recent": 94,
    }
    assert ROW.itemsize == 94 + RECENT * READING.itemsize == 734
