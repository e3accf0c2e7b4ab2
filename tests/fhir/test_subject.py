"""Subjects: one canonical patient key, or a dead letter (row 16)."""

from typing import Any

import pytest

from tests.fhir.messages import (
    Row,
    a_bundle,
    an_observation,
    fates,
    parse,
    the_fault,
    the_reading,
)

URN = "urn:uuid:7c1b1e5a-0000-4000-8000-000000000001"
BASE = "https://fhir.example/r4"
CONTAINED = [
    {"resourceType": "Patient", "id": "nameless"},
    {"resourceType": "Group", "id": "group", "identifier": [{"value": "7"}]},
    {
        "resourceType": "Patient",
        "id": "pat1",
        "identifier": [{"system": "s"}, {"system": "s", "value": "v"}],
    },
    {"resourceType": "Patient", "id": "#old", "identifier": {"value": "v2"}},
]


def of(subject: object) -> dict[str, Any]:
    return an_observation(subject=subject, contained=CONTAINED)


@pytest.mark.parametrize(
    ("subject", "key"),
    [
        ({"reference": "Patient/123"}, "123"),
        ({"reference": "Patient/123/_history/4"}, "123"),
        ({"reference": " Patient/123 "}, "123"),
        ({"reference": "Patient/123", "type": "Patient"}, "123"),
        ({"reference": "Patient/123", "identifier": {"value": "v"}}, "123"),
        ({"reference": "Patient/Ä_1"}, "Ä_1"),
        ({"reference": f"{BASE}/Patient/123"}, f"{BASE}/Patient/123"),
        ({"reference": f"{BASE}/Patient/123/_history/4"}, f"{BASE}/Patient/123"),
        ({"reference": URN}, URN),
        ({"reference": "urn:oid:1.2.3"}, "urn:oid:1.2.3"),
        ({"reference": "#pat1"}, "s|v"),
        ({"reference": "#old"}, "|v2"),
        ({"reference": f"{BASE}/Patient?identifier=s%7Cv"}, "s|v"),
        ({"identifier": {"system": "s", "value": "v"}}, "s|v"),
        ({"identifier": {"value": "v"}}, "|v"),
        ({"identifier": {"system": "s", "value": "v"}, "display": "Somebody"}, "s|v"),
        ({"reference": "Patient?identifier=s|v"}, "s|v"),
        ({"reference": "Patient?active=true&identifier=http%3A%2F%2Fs%7Cv"}, "http://s|v"),
        ({"reference": "Patient?identifier=v"}, "|v"),
        (
            {
                "type": "http://hl7.org/fhir/StructureDefinition/Patient",
                "identifier": {"value": "v"},
            },
            "|v",
        ),
    ],
    ids=repr,
)
def test_a_patient_has_one_key_however_it_is_named(subject: object, key: str) -> None:
    assert the_reading(of(subject)).patient_id == key


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (None, "no_subject"),
        ({}, "no_subject"),
        ("Patient/123", "no_subject"),
        ({"display": "Somebody"}, "no_subject"),
        ({"reference": ""}, "no_subject"),
        ({"reference": 7}, "no_subject"),
        ({"identifier": {"system": "s"}}, "no_subject"),
        ({"reference": "Group/1"}, "invalid_subject"),
        ({"reference": "Device/1"}, "invalid_subject"),
        ({"reference": "Location/1"}, "invalid_subject"),
        ({"reference": f"{BASE}/Group/1"}, "invalid_subject"),
        ({"reference": "https://Patient/1"}, "invalid_subject"),
        ({"type": "Group", "identifier": {"value": "v"}}, "invalid_subject"),
        ({"reference": "Patient/1", "type": "Device"}, "invalid_subject"),
        ({"reference": "Patient/"}, "invalid_subject"),
        ({"reference": "Patient/123/Observation/4"}, "invalid_subject"),
        ({"reference": "Patient/123#part"}, "invalid_subject"),
        ({"reference": f"{BASE}/Patient/123#part"}, "invalid_subject"),
        ({"reference": "patient/123"}, "invalid_subject"),
        ({"reference": "RelatedPerson/1"}, "invalid_subject"),
        ({"reference": "Patient?identifier=s|v,s|w"}, "invalid_subject"),
        ({"reference": "Patient"}, "invalid_subject"),
        ({"reference": "123"}, "invalid_subject"),
        ({"reference": "#nobody"}, "invalid_subject"),
        ({"reference": "#"}, "invalid_subject"),
        ({"reference": "#nameless"}, "invalid_subject"),
        ({"reference": "#group"}, "invalid_subject"),
        ({"reference": "Patient?name=x"}, "invalid_subject"),
        ({"reference": "Patient?identifier="}, "invalid_subject"),
        ({"reference": "Patient?identifier=s|"}, "invalid_subject"),
        ({"reference": "Group?identifier=s|v"}, "invalid_subject"),
    ],
    ids=repr,
)
def test_what_names_no_patient_is_rejected_and_never_shared(subject: object, reason: str) -> None:
    assert the_fault(of(subject))[0] == reason


@pytest.mark.parametrize(
    ("focus", "is_about_another"),
    [
        ("Patient/p2", True),
        (f"{BASE}/Patient/p2", True),
        ("RelatedPerson/mother", True),
        ("Group/twins", True),
        ("Patient/p1", False),
        ("Patient/p1/_history/3", False),
        (f"{BASE}/Patient/p1", False),
        ("Device/pump", False),
        ("Encounter/e1", False),
        (None, False),
    ],
)
def test_a_pressure_of_somebody_else_than_the_subject_is_rejected(
    focus: str | None, is_about_another: bool
) -> None:
    observation = an_observation(focus=[{"reference": focus}])
    if is_about_another:
        expected = ("invalid_subject", "Observation.focus")
        assert the_fault(observation, fhir_base=BASE) == expected
    else:
        assert the_reading(observation, fhir_base=BASE).patient_id == "p1"


def test_the_focus_is_resolved_as_the_subject_is() -> None:
    observation = an_observation(subject={"reference": URN}, focus=[{"reference": URN}])
    entries = [{"resource": observation}, a_patient()]
    assert parse(a_bundle(entry=entries)).readings.patient_id == ["p7"]
    entries += [a_patient(id="p8") | {"fullUrl": "urn:uuid:2"}]
    observation["focus"] = [{"reference": "urn:uuid:2"}]
    assert [each.path for each in parse(a_bundle(entry=entries)).rejected] == ["Observation.focus"]


@pytest.mark.parametrize("base", [BASE, f"{BASE}/"])
@pytest.mark.parametrize(
    ("reference", "key"),
    [
        (f"{BASE}/Patient/123", "123"),
        (f"{BASE}/Patient/123/_history/4", "123"),
        ("https://other.example/Patient/123", "https://other.example/Patient/123"),
        (f"{BASE}x/Patient/123", f"{BASE}x/Patient/123"),
    ],
)
def test_a_patient_below_the_own_base_has_its_id_for_a_key(
    base: str, reference: str, key: str
) -> None:
    found = the_reading(of({"reference": reference}), fhir_base=base)
    assert found.patient_id == key


def a_patient(**changes: Any) -> dict[str, Any]:
    return {"fullUrl": URN, "resource": {"resourceType": "Patient", "id": "p7"} | changes}


@pytest.mark.parametrize("patient_first", [True, False])
def test_a_urn_is_the_patient_of_its_bundle_wherever_that_stands(patient_first: bool) -> None:
    entries = [a_patient(), {"resource": of({"reference": URN})}]
    bundle = a_bundle(entry=entries if patient_first else entries[::-1])
    assert parse(bundle).readings.patient_id == ["p7"]


def test_a_urn_may_be_of_the_bundle_around() -> None:
    inner = a_bundle(a_bundle(of({"reference": URN})))
    assert parse(a_bundle(entry=[{"resource": inner}, a_patient()])).readings.patient_id == ["p7"]
    nearer = a_bundle(entry=[{"resource": inner}, a_patient(id="p8")])
    bundle = a_bundle(entry=[{"resource": nearer}, a_patient()])
    assert parse(bundle).readings.patient_id == ["p8"]


@pytest.mark.parametrize(
    "entry",
    [{}, {"fullUrl": URN}, a_patient(id=None), a_patient() | {"fullUrl": "urn:uuid:2"}],
    ids=repr,
)
def test_a_urn_that_leads_nowhere_is_the_key_itself(entry: dict[str, Any]) -> None:
    bundle = a_bundle(entry=[entry, {"resource": of({"reference": URN})}])
    assert parse(bundle).readings.patient_id == [URN]


def test_a_urn_that_is_no_patient_is_rejected() -> None:
    group = a_patient(resourceType="Group")
    bundle = a_bundle(entry=[group, {"resource": of({"reference": URN})}])
    assert [each.reason for each in parse(bundle).rejected] == ["invalid_subject"]


def test_practitioner_and_device_are_resolved_as_the_patient_is() -> None:
    named = {"subject": {"reference": URN}, "performer": [{"reference": "urn:uuid:2"}]}
    observation = an_observation(device={"reference": "urn:uuid:3"}, **named)
    others = [
        {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Practitioner", "id": "d1"}},
        {"fullUrl": "urn:uuid:3", "resource": {"resourceType": "Device", "id": "m1"}},
    ]
    bundle = a_bundle(entry=[{"resource": observation}, *others, a_patient()])
    (found,) = (fate for _, fate in fates(parse(bundle)) if isinstance(fate, Row))
    assert (found.details.practitioner_id, found.details.device) == ("d1", "m1")


@pytest.mark.parametrize(
    ("performer", "key"),
    [
        ([{"reference": "Practitioner/d1"}], "d1"),
        ([{"reference": "Patient/p1"}, {"reference": "Practitioner/d1"}], "d1"),
        ({"reference": "PractitionerRole/r1"}, "r1"),
        ([{"reference": "https://x.example/Practitioner/d1"}], "https://x.example/Practitioner/d1"),
        ([{"reference": "Patient/p1"}], None),
        ([{"reference": "#d"}], None),
        ([{"display": "Somebody"}], None),
        ([], None),
        ("d1", None),
    ],
    ids=repr,
)
def test_the_practitioner_is_the_first_performer_who_is_one(
    performer: object, key: str | None
) -> None:
    assert the_reading(an_observation(performer=performer)).details.practitioner_id == key


@pytest.mark.parametrize(
    ("device", "key"),
    [
        ({"reference": "Device/m1"}, "m1"),
        ({"reference": "DeviceMetric/m1"}, "m1"),
        ({"identifier": {"system": "s", "value": "v"}}, "s|v"),
        ({"display": "Cuff of ward 3"}, "Cuff of ward 3"),
        ({"display": "x" * 300}, "x" * 256),
        ({}, None),
        ("m1", None),
    ],
    ids=repr,
)
def test_a_device_is_kept_by_whatever_names_it(device: object, key: str | None) -> None:
    assert the_reading(an_observation(device=device)).details.device == key
