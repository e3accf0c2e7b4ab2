"""Documents from columns: field by field, null for what is missing, times in one form."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.categories import UNCATEGORIZED, Category, Severity
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.early_warning import MOST_REASONS, Reason, Reasons
from bpstream.clinical.rules import Tag
from bpstream.document import Document, iso
from bpstream.encoding import Judged, encode
from bpstream.reading import Details, Flag, Kind, Origin, Reading, Readings, Series
from tests.pipeline.messages import a_model

NAN = float("nan")
MODEL = a_model(name="line", version="7")

KNOWN = Reading(
    patient_id="PAT-003",
    taken_at=1769722371619300,
    systolic=176.5,
    diastolic=88.0,
    mean=NAN,
    flags=Flag.LATE | Flag.UNIT_FROM_TEXT,
    kind=Kind.READING,
    series=Series.CUFF,
    document_id="0123456789abcdef" * 2,
    version=3,
    details=Details(
        "2026-01-29T22:32:51.6193+01:00",
        observation_id="o1",
        practitioner_id="PRAC-01",
        device="cuff-7",
        body_site="left arm",
        security_labels=("R", "PSY"),
        comparators=(">=", "", ""),
        source="urn:ward-7",
        identifier="urn:acc|77",
    ),
)
HIGH = {
    "judged": True,
    "tags": Tag.HYPERTENSION_SYSTOLIC,
    "category": Category.STAGE_2,
    "severity": Severity.HIGH,
    "mean": 117.5,
    "pulse": 88.5,
    "risk": 0.97123456789,
    "warning": (0.1, 0.2, 0.00000449),
    "reasons": [Reason("severe", "systolic", 176.5, 1.25)],
}
NOTHING = {
    "tags": 0,
    "judged": True,
    "category": UNCATEGORIZED,
    "severity": Severity.NONE,
    "mean": NAN,
    "pulse": NAN,
    "risk": NAN,
    "warning": (NAN, NAN, NAN),
    "reasons": [],
}
NO_REASON = Reason("severe", "systolic", 0.0, -1.0)
BARE = Reading(patient_id="p", taken_at=0, document_id="f" * 32, details=Details(""))


def entries_of(*rows):
    """The entries of (reading, what is judged of it), from offset 41 on."""
    readings, judged = zip(*rows, strict=True)
    n = len(rows)
    types = {"judged": np.bool_, "tags": np.uint8, "category": np.int8, "severity": np.int8}
    columns = {
        name: np.array([each[name] for each in judged], types.get(name, np.float64))
        for name in HIGH
        if name not in {"warning", "reasons"}
    }
    columns["warning"] = np.array([each["warning"] for each in judged]).T
    columns["reasons"] = reasons_of([each["reasons"] for each in judged])
    return encode(
        Readings.of([Origin(position) for position in range(n)], readings),
        Judged(**columns, deviation=np.full(n, np.nan)),
        topic="blood_pressure_fhir",
        partition=np.full(n, 2, np.int32),
        offset=np.arange(41, 41 + n),
        model=MODEL,
        now=1769722372000000,
    )


def reasons_of(listed):
    """In columns, where a reading that has fewer than it may have is filled up with none."""
    told = [
        (at, [*reasons, *[NO_REASON] * (MOST_REASONS - len(reasons))])
        for at, reasons in enumerate(listed)
        if reasons
    ]
    at, filled = zip(*told, strict=True) if told else ((), ())
    shape = len(at), MOST_REASONS
    flat = [each for reasons in filled for each in reasons]
    return Reasons(
        np.array(at, np.intp),
        np.array([TARGETS.index(reasons[0].target) for reasons in filled], np.intp),
        np.array([FEATURES.index(each.feature) for each in flat], np.intp).reshape(shape),
        np.array([each.value for each in flat], np.float64).reshape(shape),
        np.array([each.contribution for each in flat], np.float64).reshape(shape),
    )


def document_of(reading=KNOWN, **judged):
    (entry,) = entries_of((reading, HIGH | judged))
    return json.loads(entry.body)


def with_(**changes):
    return msgspec.structs.replace(KNOWN, **changes)


def test_a_known_reading_has_exactly_this_document():
    assert document_of() == {
        "timestamp": "2026-01-29T21:32:51.619300Z",
        "patient_id": "PAT-003",
        "systolic_pressure": 176.5,
        "diastolic_pressure": 88.0,
        "anomaly_type": "hypertension",
        "anomaly_details": ["hypertension_systolic"],
        "ml_risk_score": 0.971235,
        "@timestamp": "2026-01-29T21:32:51.619300Z",
        "ml_prediction": 1,
        "mean_arterial_pressure": 117.5,
        "pulse_pressure": 88.5,
        "category": "stage_2",
        "severity": "high",
        "kind": "reading",
        "series": "cuff",
        "flags": ["unit_from_text", "late"],
        "document_id": "0123456789abcdef0123456789abcdef",
        "version": 3,
        "kafka": {"topic": "blood_pressure_fhir", "partition": 2, "offset": 41},
        "original_time": "2026-01-29T22:32:51.6193+01:00",
        "ingested_at": "2026-01-29T21:32:52.000000Z",
        "observation_id": "o1",
        "practitioner_id": "PRAC-01",
        "model": {"name": "line", "version": "7"},
        "early_warning": {"hypotension": 0.1, "low_map": 0.2, "severe": 0.000004},
        "early_warning_reasons": [
            {"target": "severe", "feature": "systolic", "value": 176.5, "contribution": 1.25}
        ],
        "device": "cuff-7",
        "body_site": "left arm",
        "security_labels": ["R", "PSY"],
        "comparators": {"systolic": ">="},
        "source": "urn:ward-7",
        "identifier": "urn:acc|77",
    }


def test_what_is_missing_is_null_or_left_out_and_the_original_seven_are_always_there():
    (entry,) = entries_of((BARE, NOTHING))
    assert json.loads(entry.body) == {
        "timestamp": "1970-01-01T00:00:00.000000Z",
        "patient_id": "p",
        "systolic_pressure": None,
        "diastolic_pressure": None,
        "anomaly_type": "normal",
        "anomaly_details": [],
        "ml_risk_score": None,
        "@timestamp": "1970-01-01T00:00:00.000000Z",
        "ml_prediction": None,
        "mean_arterial_pressure": None,
        "pulse_pressure": None,
        "category": None,
        "severity": "none",
        "kind": "reading",
        "series": "unknown",
        "flags": [],
        "document_id": "f" * 32,
        "version": 0,
        "kafka": {"topic": "blood_pressure_fhir", "partition": 2, "offset": 41},
        "original_time": "",
        "ingested_at": "2026-01-29T21:32:52.000000Z",
    }


def test_an_aggregate_has_a_period_and_no_anomaly_type():
    details = msgspec.structs.replace(KNOWN.details, period=("2026-01-28", "2026-01-29"))
    document = document_of(with_(kind=Kind.AGGREGATE, details=details), judged=False, tags=0)
    assert document["kind"] == "aggregate"
    assert document["period"] == ["2026-01-28", "2026-01-29"]
    assert (document["anomaly_type"], document["anomaly_details"]) == (None, [])


@pytest.mark.parametrize(
    ("risk", "score", "prediction"),
    [
        (0.0, 0.0, 0),
        (0.4999994, 0.499999, 0),
        (0.4999996, 0.5, 1),
        (0.5, 0.5, 1),
        (1.0, 1.0, 1),
        (NAN, None, None),
    ],
)
def test_the_prediction_is_that_of_the_score_that_stands_beside_it(risk, score, prediction):
    document = document_of(risk=risk)
    assert (document["ml_risk_score"], document["ml_prediction"]) == (score, prediction)
    assert ("model" in document) == (score is not None)


@pytest.mark.parametrize(
    ("tags", "kind", "details"),
    [
        (0, "normal", []),
        (Tag.HYPERTENSION_SYSTOLIC, "hypertension", ["hypertension_systolic"]),
        (Tag.HYPOTENSION_DIASTOLIC, "hypotension", ["hypotension_diastolic"]),
        (
            Tag.HYPERTENSION_SYSTOLIC | Tag.HYPOTENSION_DIASTOLIC,
            "hypertension",
            ["hypertension_systolic", "hypotension_diastolic"],
        ),
    ],
)
def test_the_tags_are_told_by_name_and_by_type(tags, kind, details):
    document = document_of(tags=tags)
    assert (document["anomaly_type"], document["anomaly_details"]) == (kind, details)


@pytest.mark.parametrize(
    ("mean", "pulse", "written"),
    [
        (93.33333333, 40.0, (93.33, 40.0)),
        (100.126, -3.456, (100.13, -3.46)),
        (NAN, NAN, (None, None)),
    ],
)
def test_computed_pressures_are_written_to_a_hundredth_of_mmhg(mean, pulse, written):
    document = document_of(mean=mean, pulse=pulse)
    assert (document["mean_arterial_pressure"], document["pulse_pressure"]) == written


def test_what_a_sink_must_know_stands_beside_the_body():
    (entry,) = entries_of((KNOWN, HIGH))
    assert entry[:5] == (KNOWN.document_id, 3, "PAT-003", "PRAC-01", KNOWN.taken_at)


@pytest.mark.parametrize("text", ["\n", "\r\n", "\u2028", "\0", '"', "\\", "é漢🩺", "</script>"])
def test_a_document_is_one_line_whatever_is_in_it(text):
    (entry,) = entries_of((with_(patient_id=text), HIGH))
    assert len(entry.body.split(b"\n")) == 1
    assert json.loads(entry.body)["patient_id"] == text


readings = st.builds(
    Reading,
    patient_id=st.text(min_size=1, max_size=5),
    taken_at=st.integers(-2208988800_000_000, 4102444800_000_000),
    systolic=st.floats(30, 350) | st.just(NAN),
    diastolic=st.floats(10, 250) | st.just(NAN),
    flags=st.integers(0, 2**16 - 1).map(Flag),
    kind=st.sampled_from(Kind),
    series=st.sampled_from(Series),
    document_id=st.text("0123456789abcdef", min_size=32, max_size=32),
    version=st.integers(0, 2**63 - 1),
    details=st.builds(
        Details,
        original_time=st.text(max_size=5),
        observation_id=st.none() | st.text(max_size=5),
        practitioner_id=st.none() | st.text(max_size=5),
        device=st.none() | st.text(min_size=1, max_size=3),
        security_labels=st.lists(st.text(max_size=3), max_size=2).map(tuple),
        period=st.none() | st.tuples(st.text(max_size=3), st.text(max_size=3)),
        comparators=st.none() | st.just(("<", "", ">=")),
    ),
)


said = st.builds(
    lambda target, why: [Reason(target, *each) for each in why],
    st.sampled_from(TARGETS),
    st.lists(
        st.tuples(st.sampled_from(FEATURES), st.floats(-9, 350), st.floats(0.001, 9)),
        max_size=MOST_REASONS,
    ),
)


@given(st.lists(said, min_size=1, max_size=8))
def test_every_document_tells_its_own_reasons(given_):
    entries = entries_of(*((KNOWN, HIGH | {"reasons": reasons}) for reasons in given_))
    for entry, reasons in zip(entries, given_, strict=True):
        found = msgspec.json.decode(entry.body, type=Document)
        assert list(found.early_warning_reasons) == reasons


@given(st.lists(st.tuples(readings, said), min_size=1, max_size=8))
def test_a_line_is_what_msgspec_makes_of_the_document(given_):
    rows = [(reading, HIGH | {"reasons": reasons}) for reading, reasons in given_]
    for entry in entries_of(*rows):
        again = msgspec.json.encode(msgspec.json.decode(entry.body, type=Document))
        # Pairs, because the order counts too.
        found, expected = (json.loads(each, object_pairs_hook=list) for each in (entry.body, again))
        assert found == expected


@given(st.lists(readings, min_size=1, max_size=8))
def test_every_document_decodes_to_its_reading(given_):
    entries = entries_of(*((reading, HIGH) for reading in given_))
    for position, (entry, reading) in enumerate(zip(entries, given_, strict=True)):
        found = msgspec.json.decode(entry.body, type=Document)
        assert found.timestamp == found.at_timestamp == iso(reading.taken_at)
        assert found.kafka.offset == 41 + position
        assert found.patient_id == entry.patient_id == reading.patient_id
        assert found.document_id == entry.document_id == reading.document_id
        assert found.version == entry.version == reading.version
        assert found.flags == reading.flags.names()
        assert found.kind == reading.kind.name.lower()
        assert found.series == reading.series.name.lower()
        assert found.observation_id == reading.details.observation_id
        assert tuple(found.security_labels) == reading.details.security_labels
        for pressure, value in (
            (found.systolic_pressure, reading.systolic),
            (found.diastolic_pressure, reading.diastolic),
        ):
            assert pressure == (None if value != value else value)


def test_no_readings_are_no_documents():
    empty = Readings.of([], [])
    columns = {name: np.zeros(0, np.int8) for name in ("judged", "tags", "category", "severity")}
    judged = Judged(
        **columns,
        mean=np.zeros(0),
        pulse=np.zeros(0),
        risk=np.zeros(0),
        warning=np.zeros((3, 0)),
        reasons=Reasons.none(),
        deviation=np.zeros(0),
    )
    nowhere = np.zeros(0, np.int64)
    assert (
        encode(empty, judged, topic="t", partition=nowhere, offset=nowhere, model=MODEL, now=0)
        == []
    )


def test_the_model_is_named_by_its_own_name():
    other = replace(MODEL, name="curve", version="8")
    readings = Readings.of([Origin(0)], [KNOWN])
    one = np.array([0])
    none, why = np.full((3, 1), NAN), Reasons.none()
    judged = Judged(one, one, one, one, one + 90.0, one + 40.0, one + 0.5, none, why, one)
    (entry,) = encode(readings, judged, topic="t", partition=one, offset=one, model=other, now=0)
    assert json.loads(entry.body)["model"] == {"name": "curve", "version": "8"}
