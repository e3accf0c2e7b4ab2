"""Readings as FHIR again: what is exported is valid, and read as what it was."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.fhir.codes import Pressure
from bpstream.fhir.export import FLAG_SYSTEM, READING_SYSTEM, Interpretation, Kept, searchset
from bpstream.reading import Flag, Ignored, Series
from tests.fhir.messages import ARRIVED, LOINC, THOROUGHLY, UCUM, at, parse, rows, the_fate

TAKEN_AT = at("2026-01-29T21:32:51.619300")
S, D, M = Pressure


def a_reading(pressures: Mapping[Pressure, float] | None = None, **changes: Any) -> Kept:
    """A plain reading, but for `changes`."""
    every: dict[str, Any] = {
        "identity": "0123456789abcdef",
        "version": 0,
        "taken_at": TAKEN_AT,
        "pressures": {S: 176.5, D: 84.0} if pressures is None else pressures,
        "interpretations": {S: Interpretation.HIGH, D: Interpretation.NORMAL},
        "flags": Flag(0),
    }
    return Kept(**(every | changes))


def exported(*readings: Kept, patient_id: str = "p1") -> Any:
    """The Bundle as a client reads it."""
    return json.loads(json.dumps(searchset(patient_id, readings)))


def the_observation(reading: Kept, **options: str) -> Any:
    (entry,) = exported(reading, **options)["entry"]
    return entry["resource"]


def codes(concept: Any) -> list[str]:
    return [each["code"] for each in concept["coding"]]


def test_a_reading_is_an_observation_of_the_blood_pressure_profile():
    def loinc(code: str) -> dict[str, Any]:
        return {"coding": [{"system": LOINC, "code": code}]}

    def interpreted(code: str) -> list[Any]:
        system = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
        return [{"coding": [{"system": system, "code": code}]}]

    unit = {"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}
    category = "http://terminology.hl7.org/CodeSystem/observation-category"
    assert the_observation(a_reading(version=3)) == {
        "resourceType": "Observation",
        "id": "0123456789abcdef",
        "meta": {
            "profile": ["http://hl7.org/fhir/StructureDefinition/bp"],
            "versionId": "3",
        },
        "identifier": [{"system": READING_SYSTEM, "value": "0123456789abcdef"}],
        "status": "final",
        "category": [{"coding": [{"system": category, "code": "vital-signs"}]}],
        "code": loinc("85354-9"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-01-29T21:32:51.619300Z",
        "component": [
            {
                "code": loinc("8480-6"),
                "valueQuantity": {"value": 176.5, **unit},
                "interpretation": interpreted("H"),
            },
            {
                "code": loinc("8462-4"),
                "valueQuantity": {"value": 84.0, **unit},
                "interpretation": interpreted("N"),
            },
        ],
    }


def test_a_searchset_counts_its_entries_and_names_each_once():
    readings = [a_reading(identity=f"{n:016x}") for n in range(3)]
    bundle = exported(*readings)
    assert (bundle["resourceType"], bundle["type"], bundle["total"]) == ("Bundle", "searchset", 3)
    assert [each["resource"]["id"] for each in bundle["entry"]] == [r.identity for r in readings]
    assert {each["search"]["mode"] for each in bundle["entry"]} == {"match"}
    urls = [each["fullUrl"] for each in bundle["entry"]]
    assert len(set(urls)) == 3
    assert all(re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", u) for u in urls)
    assert urls == [each["fullUrl"] for each in exported(*readings)["entry"]]


def test_a_searchset_of_nothing_has_no_empty_list():
    assert exported() == {"resourceType": "Bundle", "type": "searchset", "total": 0}


@pytest.mark.parametrize(
    ("pressures", "absent"),
    [
        ({S: 120.0, D: 80.0}, []),
        ({S: 120.0, D: 80.0, M: 95.0}, []),
        ({S: 120.0}, ["8462-4"]),
        ({D: 80.0}, ["8480-6"]),
        ({M: 95.0}, ["8480-6", "8462-4"]),
    ],
)
def test_a_pressure_that_was_not_measured_says_so(pressures, absent):
    components = the_observation(a_reading(pressures, interpretations={}))["component"]
    unknown = {
        each["code"]["coding"][0]["code"]: codes(each["dataAbsentReason"])
        for each in components
        if "valueQuantity" not in each
    }
    assert unknown == {code: ["unknown"] for code in absent}
    assert ("8478-0" in json.dumps(components)) == (M in pressures)
    assert not any("interpretation" in each for each in components)


@pytest.mark.parametrize("code", Interpretation)
def test_an_interpretation_stands_at_its_own_pressure(code):
    found = the_observation(a_reading(interpretations={D: code}))["component"]
    assert "interpretation" not in found[0]
    assert [codes(each) for each in found[1]["interpretation"]] == [[str(code)]]


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        (Flag(0), "final"),
        (Flag.LATE, "final"),
        (Flag.UNVERIFIED, "preliminary"),
        (Flag.STATUS_UNKNOWN, "unknown"),
    ],
)
def test_only_what_was_final_is_told_as_final(flags, status):
    assert the_observation(a_reading(flags=flags))["status"] == status


def test_every_flag_is_a_tag():
    tags = the_observation(a_reading(flags=~Flag(0)))["meta"]["tag"]
    assert [each["code"] for each in tags if each["system"] == FLAG_SYSTEM] == (~Flag(0)).names()


def test_what_is_but_a_bound_is_told_to_people_and_no_number_of_it_to_machines():
    reading = a_reading({S: 260.0, M: 90.0}, flags=Flag.COMPARATOR | Flag.PARTIAL)
    observation = the_observation(reading)
    assert "valueQuantity" not in json.dumps(observation)
    found = [codes(each["dataAbsentReason"]) for each in observation["component"]]
    assert found == [["unsupported"], ["unknown"]]
    assert observation["note"][0]["text"].startswith("Recorded as 260/? mmHg")
    assert observation["component"][0]["interpretation"]
    fate = the_fate(observation)
    assert isinstance(fate, Ignored)
    assert fate.reason == "absent"


@pytest.mark.parametrize(
    ("key", "subject"),
    [
        ("p1", {"reference": "Patient/p1"}),
        ("http://h.example/fhir/Patient/1", {"reference": "http://h.example/fhir/Patient/1"}),
        (
            "urn:uuid:7a2fb2d4-70f3-4a9c-8d0e-0f1f3c9f6d11",
            {"reference": "urn:uuid:7a2fb2d4-70f3-4a9c-8d0e-0f1f3c9f6d11"},
        ),
        (
            "http://h.example/mrn|77",
            {
                "type": "Patient",
                "identifier": {"system": "http://h.example/mrn", "value": "77"},
            },
        ),
        (
            "urn:oid:1.2.3|7|7",
            {"type": "Patient", "identifier": {"system": "urn:oid:1.2.3", "value": "7|7"}},
        ),
        ("|77", {"type": "Patient", "identifier": {"value": "77"}}),
    ],
)
def test_a_subject_is_named_as_its_key_was_made(key, subject):
    assert the_observation(a_reading(), patient_id=key)["subject"] == subject
    (row,) = rows(parse(exported(a_reading(), patient_id=key)).readings)
    assert row.patient_id == key


NAMES = st.text("abcXYZ0123456789-.", min_size=1, max_size=64)
SUBJECTS = st.one_of(
    NAMES.map(lambda name: {"reference": f"Patient/{name}"}),
    NAMES.map(lambda name: {"reference": f"https://h.example/r4/Patient/{name}"}),
    st.uuids().map(lambda name: {"reference": name.urn}),
    st.tuples(NAMES, st.text(min_size=1)).map(
        lambda both: {"identifier": {"system": f"urn:{both[0]}", "value": both[1]}}
    ),
    st.text(min_size=1).map(lambda text: {"reference": f"Patient/{text}"}),
)
PRESSURES = st.fixed_dictionaries(
    {}, optional={S: st.floats(30, 350), D: st.floats(10, 250), M: st.floats(10, 350)}
).filter(bool)


@THOROUGHLY
@given(SUBJECTS)
def test_a_key_that_was_read_is_read_again(subject):
    read = parse({"resourceType": "Observation", "status": "final", "subject": subject} | AN_HOUR)
    for key in read.readings.patient_id:
        assert parse(exported(a_reading(), patient_id=key)).readings.patient_id == [key]


AN_HOUR = {
    name: the_observation(a_reading())[name] for name in ("code", "component", "effectiveDateTime")
}


@THOROUGHLY
@given(
    st.lists(
        st.tuples(
            PRESSURES,
            st.integers(at("1900-01-01T00:00:00"), ARRIVED),
            st.integers(0, 10**18 - 1),
            st.sampled_from([Flag(0), Flag.LATE, Flag.UNVERIFIED, Flag.TEST_DATA, Flag.INVASIVE]),
        ),
        max_size=16,
    )
)
def test_what_is_exported_is_read_as_it_was(taken):
    readings = [
        a_reading(p, identity=f"{n:016x}", taken_at=when, version=version, flags=flags)
        for n, (p, when, version, flags) in enumerate(taken)
    ]
    parsed = parse(exported(*readings))
    assert not parsed.rejected
    assert not parsed.retractions
    for found, reading in zip(rows(parsed.readings), readings, strict=True):
        assert found.patient_id == "p1"
        assert found.taken_at == reading.taken_at
        assert found.version == reading.version
        measured = {S: found.systolic, D: found.diastolic, M: found.mean}
        assert {k: v for k, v in measured.items() if v is not None} == reading.pressures
        kept = reading.flags & (Flag.UNVERIFIED | Flag.TEST_DATA | Flag.INVASIVE)
        assert set(kept.names()) <= set(found.flags)
        assert (found.series is Series.ARTERIAL) == (Flag.INVASIVE in reading.flags)
