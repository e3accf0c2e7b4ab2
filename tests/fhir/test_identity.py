"""Identity: which document a reading is, and which version of it (rows 8 and 20)."""

from typing import Any

import pytest

from bpstream.reading import Retraction
from tests.fhir.messages import SNOMED, an_observation, at, component, the_fate, the_reading

FIRST = the_reading(an_observation())
NAMELESS = the_reading(an_observation(id=None))
IDENTIFIED = {"id": None, "identifier": [{"system": "s"}, {"system": "s", "value": "v"}]}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "amended", "meta": {"versionId": "2"}},
        {"effectiveDateTime": "2026-01-28T00:00:00Z"},
        {"component": [component("8480-6", 121)]},
        {"subject": {"reference": "Patient/p1/_history/2"}},
        {"identifier": [{"value": "another"}]},
    ],
    ids=repr,
)
def test_a_reading_of_one_id_is_one_document(changes: dict[str, Any]) -> None:
    assert the_reading(an_observation(**changes)).document_id == FIRST.document_id


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "o2"},
        {"subject": {"reference": "Patient/p2"}},
        {"meta": {"source": "ward"}},
        {"id": None},
        IDENTIFIED,
        {"id": None, "identifier": [{"value": "o1"}]},
    ],
    ids=repr,
)
def test_another_id_patient_or_source_is_another_document(changes: dict[str, Any]) -> None:
    assert the_reading(an_observation(**changes)).document_id != FIRST.document_id


def test_the_source_of_the_observation_outweighs_the_configured_one() -> None:
    named = the_reading(an_observation(meta={"source": "ward"}), source="other")
    assert named.document_id == the_reading(an_observation(), source="ward").document_id
    assert named.document_id != FIRST.document_id


@pytest.mark.parametrize(
    ("first", "second"), [("#Abc1", "#Xyz2"), ("urn:ward#Abc1", "urn:ward#Xyz2"), ("#Abc1", None)]
)
def test_the_request_that_hapi_names_in_the_source_is_no_part_of_it(
    first: str, second: str | None
) -> None:
    one, other = (
        the_reading(an_observation(meta={"source": source}), source="ours")
        for source in (first, second)
    )
    assert one.document_id == other.document_id


def test_parts_of_an_identity_cannot_run_into_one_another() -> None:
    one = the_reading(an_observation(subject={"identifier": {"value": "a\nb"}}), source="c")
    other = the_reading(an_observation(subject={"identifier": {"value": "a"}}), source="b\nc")
    assert one.document_id != other.document_id


def test_without_an_id_the_identifier_names_the_reading() -> None:
    once, again = (
        the_reading(an_observation(systolic, **IDENTIFIED)).document_id for systolic in (120, 130)
    )
    assert once == again != NAMELESS.document_id


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"status": "amended"}, True),
        ({"effectiveDateTime": "2026-01-29T22:32:51.619300+01:00"}, True),
        ({"performer": [{"reference": "Practitioner/d"}]}, True),
        ({"effectiveDateTime": "2026-01-29T21:32:51Z"}, False),
        ({"subject": {"reference": "Patient/p2"}}, False),
        ({"device": {"reference": "Device/m1"}}, False),
        ({"component": [component("8480-6", 120)]}, False),
        ({"component": [component("8480-6", 120.1), component("8462-4", 80)]}, False),
        (
            {
                "component": [
                    component("271649006", 120, system=SNOMED),
                    component("8462-4", 80),
                ]
            },
            False,
        ),
    ],
    ids=repr,
)
def test_without_any_name_the_content_is_the_identity(changes: dict[str, Any], same: bool) -> None:
    found = the_reading(an_observation(**({"id": None} | changes)))
    assert (found.document_id == NAMELESS.document_id) == same


def test_a_resend_without_a_time_of_its_own_is_the_same_reading() -> None:
    timeless = an_observation(id=None, effectiveDateTime=None)
    once, again = the_reading(timeless), the_reading(timeless, arrived_at=at("2026-02-01"))
    assert once.taken_at != again.taken_at
    assert once.document_id == again.document_id


@pytest.mark.parametrize(
    ("meta", "version"),
    [
        ({"versionId": "3"}, 3),
        ({"versionId": 3}, 3),
        ({"versionId": "3", "lastUpdated": "2026-01-29T21:32:51Z"}, 3),
        ({"versionId": "9" * 18}, 10**18 - 1),
        ({"versionId": "9" * 19}, 0),
        ({"versionId": -1}, 0),
        ({"versionId": True}, 0),
        ({"versionId": "abc", "lastUpdated": "1970-01-01T00:00:01Z"}, 1_000_000),
        ({"lastUpdated": "2026-01-29T21:32:51.5Z"}, at("2026-01-29T21:32:51.5")),
        ({"lastUpdated": "1960-01-01"}, 0),
        ({"lastUpdated": "soon"}, 0),
        ({}, 0),
        (None, 0),
        ("x", 0),
    ],
)
def test_the_version_is_the_versionid_else_when_it_was_updated(meta: object, version: int) -> None:
    assert the_reading(an_observation(meta=meta)).version == version
    retracted = the_fate(an_observation(meta=meta, status="entered-in-error"))
    assert isinstance(retracted, Retraction)
    assert retracted.version == version


@pytest.mark.parametrize(("status", "number"), [("final", 0), ("amended", 1), ("corrected", 1)])
def test_an_amendment_that_tells_no_version_comes_after_what_it_amends(
    status: str, number: int
) -> None:
    assert the_reading(an_observation(status=status)).version == number
