"""Readings from files: every type of column, and what is left out."""

import gzip

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bpstream.errors import FileError
from bpstream.training.readings import STEPS, load

HEAD = "patient_id,t_minutes,source,sbp,dbp,mbp"


def a_csv(folder, *lines, head=HEAD, name="readings.csv"):
    path = folder / name
    path.write_text("\n".join((head, *lines)) + "\n")
    return path


def a_parquet(path, **columns):
    parquet.write_table(pa.table(columns), path)
    return path


def rows_of(series):
    """(patient id, minute, source, systolic, diastolic), to compare."""
    columns = (
        series.patient_ids[series.patient],
        *(series.t_minutes, series.source, series.systolic, series.diastolic),
    )
    return [*zip(*(column.tolist() for column in columns), strict=True)]


def test_readings_come_by_patient_and_time(tmp_path):
    lines = ["b,30,NIBP,120,80,", "a,20,NIBP,110,70,85.5", "a,10,NIBP,100,60,75", "b,5,ART,99,50,"]
    series = load(a_csv(tmp_path, *lines))
    assert rows_of(series) == [
        ("a", 10, "NIBP", 100, 60),
        ("a", 20, "NIBP", 110, 70),
        ("b", 30, "NIBP", 120, 80),
    ]
    assert series.mean_arterial_pressure[2] == pytest.approx(280 / 3)
    assert series.patient_ids.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "minutes"), [("NIBP", [10, 30]), ("ART", [10, 20]), ("all", [10, 10, 20, 30, 40])]
)
def test_a_source_is_chosen(tmp_path, source, minutes):
    lines = ["a,10,NIBP,120,80,", "a,10,art,125,75,", "a,20,ART,125,75,", "a,30,nibp,120,80,"]
    series = load(a_csv(tmp_path, *lines, "a,40,Doppler,120,80,"), source=source)
    assert series.t_minutes.tolist() == minutes
    if source != "all":
        assert set(series.source) == {source}


def test_what_is_left_out_is_counted_by_reason(tmp_path):
    lines = [
        *(",10,NIBP,120,80,", "a,,NIBP,120,80,", "a,inf,NIBP,120,80,"),
        *("a,10,ART,120,80,", "a,10,,120,80,"),
        *("a,20,NIBP,,80,", "a,20,NIBP,120,,90", "a,20,NIBP,,,"),
        *("a,30,NIBP,39,25,", "a,40,NIBP,80,120,"),
        *("a,50,NIBP,120,80,", "a,50,NIBP,121,80,"),
        "a,60,NIBP,130,80,",
    ]
    series = load(a_csv(tmp_path, *lines))
    assert series.left_out == {
        "without patient or time": 3,
        "of another source": 2,
        "incomplete": 3,
        "implausible": 2,
        "repeated": 1,
    }
    # The later row of the same minute is the correction.
    assert series.systolic.tolist() == [121, 130]
    assert len(series) + sum(series.left_out.values()) == len(lines)


def test_the_source_may_be_missing_and_other_columns_are_left_alone(tmp_path):
    head = " DBP,note,SBP ,T_Minutes,Patient_ID"
    series = load(a_csv(tmp_path, "80,well,120,5,a", head=head), source="ART")
    assert rows_of(series) == [("a", 5, "ART", 120, 80)]
    assert set(load(a_csv(tmp_path, "80,well,120,5,a", head=head), source="all").source) == {""}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([7, 12], pa.int8()), ["12", "7"]),
        (pa.array([7, 12], pa.uint64()), ["12", "7"]),
        (pa.array([7.0, 12.0]), ["12", "7"]),
        (pa.array([7.5, 12.0]), ["12", "7.5"]),
        (pa.array(["007", " 12 "]), ["007", "12"]),
        (pa.array(["007", "12"], pa.large_string()), ["007", "12"]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pa.array([None, 12]), ["12"]),
        (pa.array([np.nan, 12.0]), ["12"]),
        (pa.array([None, "12"]), ["12"]),
    ],
    ids=str,
)
def test_a_patients_id_may_be_of_any_type(tmp_path, ids, expected):
    path = a_parquet(tmp_path / "a.parquet", patient_id=ids, t_minutes=[1, 2], sbp=[120, 130])
    table = parquet.read_table(path).append_column("dbp", [[80.0, 85.0]])
    parquet.write_table(table, path)
    assert load(path).patient_ids.tolist() == expected


def test_an_id_in_a_csv_stays_as_it_is_written(tmp_path):
    path = a_csv(tmp_path, "007,1,NIBP,120,80,", "7,1,NIBP,121,80,")
    assert load(path).patient_ids.tolist() == ["007", "7"]


def test_numbers_may_be_integers_floats_decimals_or_text(tmp_path):
    path = a_parquet(
        tmp_path / "a.parquet",
        patient_id=["a", "a"],
        t_minutes=pa.array([1, 2], pa.decimal128(5, 1)),
        sbp=["120", "121.5"],
        dbp=pa.array([80.33, 81], pa.float32()),
    )
    series = load(path)
    assert series.systolic.tolist() == [120, 121.5]
    assert series.diastolic.tolist() == [80.33, 81]  # and not 80.33000183


def test_a_packed_csv_and_a_plain_one_give_the_same(tmp_path):
    plain = a_csv(tmp_path, "a,1,NIBP,120,80,", "b,1,NIBP,121,81,90")
    packed = tmp_path / "readings.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert rows_of(load(packed)) == rows_of(load(plain))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"patient_id,t_minutes,sbp\na,1,120\n", "no column dbp; its columns are patient"),
        ("a.csv", b"", "Empty CSV"),
        ("a.csv", HEAD.encode() + b"\n", "no readings of source NIBP: of 0 rows none"),
        ("a.csv", HEAD.encode() + b"\na,1,NIBP,high,80,\n", "column sbp is string"),
        ("a.csv", HEAD.encode() + b"\na,1,NIBP\n", "no CSV that can be read"),
        ("a.csv", HEAD.encode() + b"\n\xff\xfe,1,NIBP,120,80,\n", "no CSV that can be read"),
        (
            "a.csv",
            HEAD.encode() + b"\na,1,ART,120,80,\n",
            "no readings of source NIBP: its sources are ART; of 1 rows 1 of another source",
        ),
        ("a.csv", HEAD.encode() + b"\na,1,NIBP,80,120,\n", "1 implausible"),
        ("a.csv.gz", b"patient_id", "cannot be read"),
        ("a.parquet", b"patient_id,t_minutes", "no Parquet that can be read"),
        ("a.parquet", b"", "no Parquet that can be read"),
        ("a.xlsx", b"", "of no kind that is read: .csv, .csv.gz, .parquet would do"),
        ("missing.csv", None, "cannot be read"),
        ("missing.parquet", None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_by_name_with_what_it_holds(
    tmp_path, name, content, told
):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError, match="^" + str(path)) as caught:
        load(path)
    assert told in str(caught.value)


def test_progress_names_every_step_in_order(tmp_path):
    steps = []
    load(a_csv(tmp_path, "a,1,NIBP,120,80,"), progress=steps.append)
    assert tuple(steps) == STEPS


LINES = [
    *("a,3,NIBP,120,80,", "a,1,ART,121,81,", "a,2,NIBP,122,82,", "a,90,NIBP,123,83,"),
    *("b,3,NIBP,120,80,", "b,1,ART,121,81,", "b,2,NIBP,122,82,", "b,95,NIBP,99,60,"),
    *("c,1,NIBP,120.5,80,", "c,1,ART,120,80,"),
]


@settings(max_examples=25)
@given(st.permutations(LINES))
def test_the_order_of_the_rows_changes_nothing(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("rows")
    first, second = (load(a_csv(folder, *each), source="all") for each in (LINES, lines))
    assert rows_of(first) == rows_of(second)


def test_some_of_the_patients_are_a_series_of_their_own(tmp_path):
    series = load(a_csv(tmp_path, *LINES), source="all")
    part = series.of(np.array([True, False, True]))
    assert rows_of(part) == [row for row in rows_of(series) if row[0] != "b"]
    assert part.patient_ids.tolist() == ["a", "c"]
