"""Fingerprints: a patient is known in another file, and one that only resembles it is not."""

import gzip

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from bpstream.training.fingerprints import fingerprints, known, people
from bpstream.training.readings import load
from tests.training.series import OPEN, SAMPLE, a_series, needs_sample

PATIENT = (
    *(("a", 10, 120, 80), ("a", 70, 101.3, 60), ("a", 130, 110, 70), ("a", 190, 115, 75)),
    *(("a", 5, 118, 66, "ART"), ("a", 15, 121, 68, "ART"), ("a", 25, 119, 67, "ART")),
)
SERIES = a_series(*PATIENT)
HEAD = "patient_id,t_minutes,source,sbp,dbp"


def is_known(*rows):
    (found,) = known(a_series(*rows), fingerprints(SERIES))
    return found


def test_a_patient_has_a_fingerprint_of_each_source():
    assert len(set(fingerprints(SERIES).tolist())) == len(fingerprints(SERIES)) == 2


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (PATIENT, True),
        ([("another id", *row[1:]) for row in PATIENT], True),
        (PATIENT[:4], True),
        (PATIENT[4:], True),
        (PATIENT[:3], True),
        (PATIENT[:2], False),
        (PATIENT[1:4], False),
        ([("a", row[1] + 1.5, *row[2:]) for row in PATIENT], True),
        ([("a", row[1] * 2, *row[2:]) for row in PATIENT], False),
        ([("a", row[1], row[2] + 1, *row[3:]) for row in PATIENT], False),
        ([("a", row[1], row[2], row[3] + 1, *row[4:]) for row in PATIENT], False),
        ([*PATIENT[:3], ("a", 150, 99, 50)], True),
    ],
    ids=[
        *("itself", "another id", "one source", "the other source", "its beginning"),
        *("less than its beginning", "its end", "another start", "other gaps"),
        *("other systolic", "other diastolic", "another end"),
    ],
)
def test_a_patient_is_known_by_the_beginning_of_any_of_its_series(rows, expected):
    assert is_known(*rows) == expected


def test_a_fingerprint_does_not_depend_on_the_file_and_on_what_it_holds_beside(tmp_path):
    columns = {
        "patient_id": [1, 1, 1, 1],
        "t_minutes": [5, 7, 65, 65],
        "sbp": pa.array([120.0, None, 101.3, 101.3]),
        "dbp": [80.0, 60.0, 60.0, 60.0],
    }
    single = columns | {"sbp": pa.array([120, None, 101.3, 101.3], pa.float32())}
    for name, table in (("double", columns), ("single", single)):
        parquet.write_table(pa.table(table), tmp_path / f"{name}.parquet")
    body = f"{HEAD}\nz,4,ART,120,80\nz,5,NIBP,120,80\nz,6,NIBP,0,0\nz,65.0,nibp,101.30,60\n"
    (tmp_path / "text.csv").write_text(body)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(body.encode()))
    names = ("double.parquet", "single.parquet", "text.csv", "packed.csv.gz")
    found = [fingerprints(load(tmp_path / name)).tolist() for name in names]
    assert found == [found[0]] * 4
    assert len(found[0]) == 1


def test_single_readings_are_told_apart_by_their_times():
    single = a_series(("a", 10, 120, 80), ("b", 20, 120, 80), ("c", 10, 120, 81))
    assert len(np.unique(fingerprints(single))) == 3
    assert known(single, fingerprints(a_series(("z", 20, 120, 80)))).tolist() == [0, 1, 0]


@given(st.lists(st.lists(st.integers(0, 12), max_size=3, unique=True), min_size=1, max_size=12))
def test_ids_that_share_a_series_even_by_way_of_others_are_one_person(held):
    """`held` are the series of each id; one of a number is the same in all."""
    held = [each or [100 + at] for at, each in enumerate(held)]
    series = a_series(
        *(
            (f"{at:02}", number, 120, 80, f"source {place}")
            for at, each in enumerate(held)
            for place, number in enumerate(each)
        )
    )
    groups = []
    for each in held:
        joined = [group for group in groups if group & set(each)]
        groups = [group for group in groups if group not in joined]
        groups.append(set(each).union(*joined))
    expected = [next(at for at, group in enumerate(groups) if each[0] in group) for each in held]
    found = people(series)
    for at, person in enumerate(found):
        assert [other == person for other in found] == [other == expected[at] for other in expected]


@needs_sample
def test_the_sample_has_the_patients_of_the_whole_and_of_either_source_of_it():
    whole = load(OPEN, source="all")
    prints = fingerprints(whole)
    assert len(np.unique(people(whole))) == len(whole.patient_ids)
    samples = [load(SAMPLE, source=source) for source in ("NIBP", "ART", "all")]
    others = fingerprints(whole.of(~np.isin(whole.patient_ids, samples[-1].patient_ids)))
    for sample in samples:
        assert len(sample.patient_ids) > 200
        assert known(sample, prints).all()
        assert not known(sample, others).any()
