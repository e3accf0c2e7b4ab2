"""The document: its fields, which of them are always there, and its times."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.document import (
    Coordinates,
    Document,
    EarlyWarning,
    Found,
    Line,
    ModelName,
    Removal,
    iso,
    latest,
    month_of,
    tombstone,
)

MIN_TIME, MAX_TIME = datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ALWAYS = {
    "timestamp": "2026-01-29T21:32:51.619300Z",
    "patient_id": "PAT-003",
    "systolic_pressure": None,
    "diastolic_pressure": None,
    "anomaly_type": None,
    "anomaly_details": [],
    "ml_risk_score": None,
    "@timestamp": "2026-01-29T21:32:51.619300Z",
    "ml_prediction": None,
    "mean_arterial_pressure": None,
    "pulse_pressure": None,
    "category": None,
    "severity": "none",
    "kind": "reading",
    "series": "unknown",
    "flags": [],
    "document_id": "0" * 32,
    "version": 0,
    "kafka": {"topic": "blood_pressure_fhir", "partition": 2, "offset": 41},
    "original_time": "",
    "ingested_at": "2026-01-29T21:32:52.000000Z",
}
SOMETIMES = {
    "observation_id": "o1",
    "practitioner_id": "PRAC-01",
    "model": {"name": "bp_logreg", "version": "1"},
    "early_warning": {"hypotension": 0.1, "low_map": 0.2, "severe": 0.3},
    "early_warning_reasons": [
        {"target": "severe", "feature": "systolic", "value": 171.0, "contribution": 1.25}
    ],
    "device": "cuff-7",
    "body_site": "left arm",
    "security_labels": ["R"],
    "period": ["2026-01-28", "2026-01-29"],
    "comparators": {"systolic": ">", "mean": "<="},
    "source": "urn:ward-7",
    "identifier": "urn:acc|77",
}


def decoded(fields):
    return msgspec.json.decode(json.dumps(fields), type=Document)


def encoded(document):
    return json.loads(msgspec.json.encode(document))


@pytest.mark.parametrize("fields", [ALWAYS, ALWAYS | SOMETIMES])
def test_a_document_is_encoded_as_it_was_decoded(fields):
    assert encoded(decoded(fields)) == fields


def test_the_fields_are_those_of_the_contract_in_their_order():
    names = list(encoded(decoded(ALWAYS | SOMETIMES)))
    assert names == [*ALWAYS, *SOMETIMES]
    assert names[:7] == [
        "timestamp",
        "patient_id",
        "systolic_pressure",
        "diastolic_pressure",
        "anomaly_type",
        "anomaly_details",
        "ml_risk_score",
    ]


@pytest.mark.parametrize("missing", ALWAYS)
def test_a_document_without_one_of_its_fields_is_none(missing):
    with pytest.raises(msgspec.ValidationError, match=missing):
        decoded({name: value for name, value in ALWAYS.items() if name != missing})


def test_its_parts_are_values():
    document = decoded(ALWAYS | SOMETIMES)
    assert document.kafka == Coordinates("blood_pressure_fhir", 2, 41)
    assert document.model == ModelName("bp_logreg", "1")
    assert document.early_warning == EarlyWarning(0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1769722371619300, "2026-01-29T21:32:51.619300Z"),
        (951782400000000, "2000-02-29T00:00:00.000000Z"),
        (-2208988800000000, "1900-01-01T00:00:00.000000Z"),
    ],
)
def test_a_time_is_written_in_utc_to_the_microsecond(microseconds, text):
    assert iso(microseconds) == text


MOMENTS = st.datetimes(
    MIN_TIME.replace(tzinfo=None), MAX_TIME.replace(tzinfo=None), timezones=st.just(UTC)
)


@given(MOMENTS)
def test_a_written_time_is_the_time_to_the_microsecond(moment):
    assert datetime.fromisoformat(iso((moment - EPOCH) // timedelta(microseconds=1))) == moment


@pytest.mark.parametrize(
    ("time", "month"),
    [
        ("2026-01-31T23:59:59.999999Z", "2026.01"),
        ("2026-02-01T00:00:00.000000Z", "2026.02"),
        ("2010-01-01T00:00:00.000000Z", "2010.01"),
        ("2009-12-31T23:59:59.999999Z", "old"),
        ("1969-12-31T23:59:59.999999Z", "old"),
        ("1900-01-01T00:00:00.000000Z", "old"),
    ],
)
def test_a_reading_is_indexed_by_its_month_in_utc_and_before_2010_as_old(time, month):
    since_1970 = datetime.fromisoformat(time) - EPOCH
    assert month_of(since_1970 // timedelta(microseconds=1)) == month


@given(MOMENTS)
def test_what_is_found_of_a_document_is_what_it_says(moment):
    taken_at = (moment - EPOCH) // timedelta(microseconds=1)
    changes = {
        "timestamp": iso(taken_at),
        "anomaly_details": ["hypotension_systolic", "hypotension_diastolic"],
        "kind": "aggregate",
        "version": 7,
    }
    body = json.dumps(ALWAYS | SOMETIMES | changes)
    line = msgspec.json.decode(body, type=Line)
    tags = ("hypotension_systolic", "hypotension_diastolic")
    assert line.found == Found("0" * 32, 7, "PAT-003", taken_at, tags, "aggregate")
    assert not line.retracted


def test_a_tombstone_names_what_it_removes_and_when():
    assert json.loads(tombstone(Removal("0f3a" * 8, 3, 'PAT "é"', 1), 1769722371619300)) == {
        "retracted": True,
        "document_id": "0f3a" * 8,
        "version": 3,
        "patient_id": 'PAT "é"',
        "timestamp": "1970-01-01T00:00:00.000001Z",
        "retracted_at": "2026-01-29T21:32:51.619300Z",
    }


def test_a_reader_of_the_archive_tells_a_tombstone_from_a_document():
    line = msgspec.json.decode(tombstone(Removal("0f3a" * 8, 3, "p", 1), 2), type=Line)
    assert (line.retracted, line.document_id, line.version) == (True, "0f3a" * 8, 3)


def test_of_a_document_found_twice_the_higher_version_counts_and_of_equal_ones_the_first():
    def found(name, version, taken_at=0):
        return Found(name, version, "p", taken_at, (), "reading")

    several = [found("a", 1), found("b", 2, 5), found("a", 3), found("b", 2, 6), found("a", 2)]
    assert latest(several) == [found("a", 3), found("b", 2, 5)]
