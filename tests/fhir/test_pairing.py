"""Pairs: systolic and diastolic Observations of one moment are one reading (row 6)."""

import json
from typing import Any

import pytest

from tests.fhir.messages import (
    Row,
    a_bundle,
    a_single,
    an_observation,
    component,
    concept,
    fates,
    parse,
    the_reading,
)

PATIENT = {"resourceType": "Patient", "id": "p1"}
SYSTOLIC, DIASTOLIC, MEAN = (
    a_single(code, value) for code, value in (("8480-6", 120), ("8462-4", 80), ("8478-0", 93))
)
LATER = {"effectiveDateTime": "2026-01-29T21:32:52Z"}


def readings(*resources: object) -> list[tuple[float | None, ...]]:
    found = (fate for _, fate in fates(parse(a_bundle(*resources))))
    return [(each.systolic, each.diastolic, each.mean) for each in found if isinstance(each, Row)]


@pytest.mark.parametrize("singles", [(SYSTOLIC, DIASTOLIC), (DIASTOLIC, PATIENT, SYSTOLIC)])
def test_a_systolic_and_a_diastolic_of_one_moment_are_one_reading(singles: tuple[object]) -> None:
    assert readings(*singles) == [(120, 80, None)]
    (found,) = (fate for _, fate in fates(parse(a_bundle(*singles))) if isinstance(fate, Row))
    assert found.document_id == the_reading(SYSTOLIC).document_id
    assert found.flags == []


def test_a_mean_of_that_moment_belongs_to_the_pair() -> None:
    assert readings(MEAN, SYSTOLIC, DIASTOLIC) == [(120, 80, 93)]


def test_a_pair_has_the_flags_of_both_and_the_higher_version() -> None:
    low = DIASTOLIC | {"status": "preliminary", "meta": {"versionId": "3"}}
    low["valueQuantity"] = DIASTOLIC["valueQuantity"] | {"value": 130, "comparator": "<"}
    ((_, found),) = fates(parse(a_bundle(SYSTOLIC, low)))
    assert isinstance(found, Row)
    assert found.flags == ["comparator", "unverified", "implausible"]
    assert (found.version, found.details.comparators) == (3, ("", "<", ""))


@pytest.mark.parametrize(
    "other",
    [
        DIASTOLIC | LATER,
        DIASTOLIC | {"subject": {"reference": "Patient/p2"}},
        DIASTOLIC | {"device": {"reference": "Device/m1"}},
        DIASTOLIC | {"code": concept("76213-8")},
        an_observation(id="half", component=[component("8462-4", 80)]),
    ],
    ids=["later", "another patient", "another device", "another series", "a panel of its own"],
)
def test_what_does_not_belong_together_is_not_paired(other: dict[str, Any]) -> None:
    assert readings(SYSTOLIC, other) == [(120, None, None), (None, 80, None)]


def test_where_two_might_belong_to_one_nothing_is_paired() -> None:
    again = DIASTOLIC | {"id": "again"}
    assert len(readings(SYSTOLIC, DIASTOLIC, again)) == 3


def test_singles_of_no_time_of_their_own_are_not_paired() -> None:
    timeless = [
        {name: each[name] for name in each if name != "effectiveDateTime"}
        for each in (SYSTOLIC, DIASTOLIC)
    ]
    assert len(readings(*timeless)) == 2


@pytest.mark.parametrize(
    "each_line", [(SYSTOLIC, DIASTOLIC), (a_bundle(SYSTOLIC), a_bundle(DIASTOLIC))]
)
def test_lines_are_not_paired(each_line: tuple[object, ...]) -> None:
    lines = b"\n".join(json.dumps(each).encode() for each in each_line)
    assert [each.systolic for _, each in fates(parse(lines)) if isinstance(each, Row)] == [
        120,
        None,
    ]
