"""Rows of CSV and Parquet as Observations."""

import gzip
import tracemalloc
from collections import deque
from datetime import datetime

import pyarrow
import pytest
from pyarrow import parquet

from bpstream.ingest.files import File, Kind
from bpstream.ingest.tables import Tables
from bpstream.reading import Series
from tests.fhir.messages import Row, parse, rows
from tests.ingest.readers import START, messages_of, problems_of

HEADER = "patient_id,t_minutes,source,sbp,dbp,mbp,hr,age,sex,icu_type\n"


def readings_of(path, **options) -> list[Row]:
    values = [message.value for message in messages_of(path, **options)]
    return rows(parse(*values).readings)


def a_csv(tmp_path, *lines, header=HEADER, name="a.csv"):
    path = tmp_path / name
    content = (header + "".join(f"{line}\n" for line in lines)).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_row_is_the_reading_it_tells(tmp_path, name):
    path = a_csv(tmp_path, "132650,23,NIBP,145.0,86.0,100.0,122.0,83,F,3", name=name)
    (reading,) = readings_of(path)
    assert reading.patient_id == "132650"
    assert reading.details.original_time == "2024-01-01T00:23:00+00:00"
    assert (reading.systolic, reading.diastolic, reading.mean) == (145, 86, 100)
    assert (reading.series, reading.flags) == (Series.CUFF, [])
    (message,) = messages_of(path)
    assert (message.key, message.done, message.read) == ("132650", 1, path.stat().st_size)


@pytest.mark.parametrize(
    ("row", "pressures", "series"),
    [
        ("1,0,ART,120,80,93", (120, 80, 93), Series.ARTERIAL),
        ("1,0,nibp,120,80,", (120, 80, None), Series.CUFF),
        ("1,0,,120,,NaN", (120, None, None), Series.UNKNOWN),
        ("1,0,,,NA,91.5", (None, None, 91.5), Series.UNKNOWN),
    ],
)
def test_what_was_not_measured_is_left_out(tmp_path, row, pressures, series):
    (found,) = readings_of(a_csv(tmp_path, row, header="patient_id,t_minutes,source,sbp,dbp,mbp\n"))
    assert ((found.systolic, found.diastolic, found.mean), found.series) == (pressures, series)


@pytest.mark.parametrize(
    ("stamp", "original", "flags"),
    [
        ("2026-01-02T03:04:05+01:00", "2026-01-02T03:04:05+01:00", []),
        ("2026-01-02 03:04:05Z", "2026-01-02 03:04:05Z", []),
        ("2026-01-02 03:04:05", "2026-01-02 03:04:05", ["no_zone"]),
        ("2026-01-02", "2026-01-02", ["coarse_time"]),
    ],
)
def test_a_timestamp_is_told_as_it_stands(tmp_path, stamp, original, flags):
    path = a_csv(tmp_path, f"p1,{stamp},120,80", header="Patient_ID, Timestamp ,SBP,DBP\n")
    (found,) = readings_of(path)
    assert (found.details.original_time, found.flags) == (original, flags)


def test_a_row_that_is_read_again_is_the_same_reading_and_another_row_another(tmp_path):
    lines = ["1,5,ART,120,80,93", "1,5,ART,121,80,93", "1,5,NIBP,120,80,93", "1,6,ART,120,80,93"]
    path = a_csv(tmp_path, *lines, lines[0], header="patient_id,t_minutes,source,sbp,dbp,mbp\n")
    ids = [each.document_id for each in readings_of(path)]
    assert len(set(ids)) == 4
    assert ids[0] == ids[-1]
    assert ids == [each.document_id for each in readings_of(path)]


@pytest.mark.parametrize(("source", "left"), [("", 3), ("ART", 1), ("NIBP", 2)])
def test_the_rows_of_one_source_may_be_asked_for(tmp_path, source, left):
    path = a_csv(tmp_path, *(f"1,{n},{s},120,80,," for n, s in enumerate(["NIBP", "ART", "NIBP"])))
    assert len(messages_of(path, source=source)) == left


@pytest.mark.parametrize(("done", "left"), [(0, 3), (2, 1), (3, 0), (9, 0)])
def test_rows_that_are_done_are_left_out(tmp_path, done, left):
    path = a_csv(tmp_path, *(f"1,{minute},ART,120,80,," for minute in range(3)))
    assert [message.done for message in messages_of(path, done=done)] == [1, 2, 3][3 - left :]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1,x,ART,120,80,93", "t_minutes is 'x', and no number"),
        ("1,inf,ART,120,80,93", "t_minutes is 'inf'"),
        ("1,1e300,ART,120,80,93", "farther than times go"),
        ("1,,ART,120,80,93", "neither timestamp nor t_minutes"),
        ("1,0,ART,high,80,93", "sbp is 'high'"),
        ("1,0,ART,,,", "none of sbp, dbp, mbp"),
        (",0,ART,120,80,93", "patient_id is empty"),
        ("1,0,CUFF,120,80,93", "source is 'CUFF': NIBP or ART would do"),
        ("1,0,ART", "3 cells are fewer"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_by_its_line_and_the_others_go_on(tmp_path, row, why):
    good = "1,0,ART,120,80,93"
    header = "patient_id,t_minutes,source,sbp,dbp,mbp\n"
    path = a_csv(tmp_path, good, row, good, header=header)
    (problem,) = problems_of(path)
    assert (problem.line, problem.ends) == (3, False)
    assert why in problem.what
    assert len(messages_of(path)) == 2


@pytest.mark.parametrize(
    "header",
    ["", "\n", "patient_id,sbp\n", "t_minutes,sbp\n", "patient_id,t_minutes,hr\n"],
)
def test_a_table_without_the_columns_is_told_with_those_that_would_do(tmp_path, header):
    (problem,) = problems_of(a_csv(tmp_path, "1,2,3", header=header))
    assert problem.ends
    assert "patient_id, timestamp or t_minutes, and sbp, dbp, mbp" in problem.what


def test_what_is_no_csv_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER.encode() + b"1,2,ART,120,80,93,\xff\xfe\n")
    (problem,) = problems_of(path)
    assert problem.ends
    assert "no CSV in UTF-8" in problem.what


def test_a_large_table_is_read_in_little_memory(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(HEADER + f"132650,23,NIBP,145.0,86.0,100.0,{'x' * 5000}\n" * 2000)
    items = Tables(start=START).items(File(path, Kind.CSV))
    tracemalloc.start()
    try:
        (last,) = deque(items, maxlen=1)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert last.done == 2000


# Parquet.


def a_parquet(path, **columns):
    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet_gives_the_readings_that_csv_gives(tmp_path):
    columns = {
        "patient_id": [132650, 132650, 7],
        "t_minutes": [0, 5, 9],
        "source": ["ART", "NIBP", None],
        "sbp": [120.5, None, 90.0],
        "dbp": [80.0, None, float("nan")],
        "mbp": [None, 91.0, None],
        "hr": [70, 71, 72],
    }
    table = a_parquet(tmp_path / "a.parquet", **columns)
    lines = ["132650,0,ART,120.5,80,", "132650,5,NIBP,,,91", "7,9,,90,,"]
    written = a_csv(tmp_path, *lines, header="patient_id,t_minutes,source,sbp,dbp,mbp\n")
    assert readings_of(table) == readings_of(written)
    assert [message.done for message in messages_of(table, done=1)] == [2, 3]
    assert messages_of(table)[-1].read == table.stat().st_size


def test_a_time_of_parquets_own_is_a_timestamp(tmp_path):
    at = datetime.fromisoformat("2026-01-02T03:04:05+00:00")
    table = a_parquet(tmp_path / "a.parquet", patient_id=["p1"], timestamp=[at], sbp=[120])
    (found,) = readings_of(table)
    assert found.details.original_time == "2026-01-02T03:04:05+00:00"


def test_what_is_no_parquet_is_told(tmp_path):
    path = a_parquet(tmp_path / "a.parquet", patient_id=["p1"], timestamp=["2026"], sbp=[120])
    path.write_bytes(b"PAR1" + path.read_bytes()[50:])
    (problem,) = problems_of(path)
    assert problem.ends
    assert "no Parquet that can be read" in problem.what
