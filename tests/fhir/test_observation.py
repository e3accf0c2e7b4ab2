"""One Observation: its status, and what surrounds its values (rows 8, 18, 19 and 23)."""

from typing import Any

import pytest

from bpstream.reading import AMENDS, Retraction
from tests.fhir.messages import (
    Row,
    a_bundle,
    a_single,
    an_observation,
    component,
    concept,
    fates,
    in_short,
    mmhg,
    parse,
    the_fate,
    the_fault,
    the_reading,
)

# Row 8: status


@pytest.mark.parametrize(
    ("status", "fate", "flags"),
    [
        ("final", "reading", []),
        ("amended", "reading", []),
        ("corrected", "reading", []),
        ("preliminary", "reading", ["unverified"]),
        ("unknown", "reading", ["status_unknown"]),
        ("registered", "no_result", None),
        ("cancelled", "no_result", None),
        ("entered-in-error", "retraction", None),
        (None, "no_status", None),
        ("", "no_status", None),
        (" ", "invalid_status", None),
        ("Final", "invalid_status", None),
        ("done", "invalid_status", None),
        (["final"], "invalid_status", None),
    ],
)
def test_the_status_decides(status: object, fate: str, flags: list[str] | None) -> None:
    observation = an_observation(status=status)
    assert in_short(observation) == fate
    if isinstance(status, str) and status.strip():
        assert in_short(observation | {"status": f" {status} "}) == fate
    if flags is not None:
        assert the_reading(observation).flags == flags


@pytest.mark.parametrize(
    ("status", "amends"), [("final", False), ("amended", True), ("corrected", True)]
)
def test_the_status_tells_that_an_earlier_version_may_be_known(status: str, amends: bool) -> None:
    systolic, diastolic = (a_single(code, 80, status=status) for code in ("8480-6", "8462-4"))
    for value in (an_observation(status=status), a_bundle(systolic, diastolic)):
        (flags,) = parse(value).readings.flags.tolist()
        assert bool(flags & AMENDS) == amends


def test_a_status_without_a_result_needs_no_values() -> None:
    assert in_short(an_observation(status="registered", component=None)) == "no_result"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"component": None},
        {"component": [component("8480-6", 0)]},
        {"code": None, "component": None},
        {"effectiveDateTime": None},
    ],
    ids=repr,
)
def test_a_retraction_names_the_reading_by_its_id_whatever_is_left(changes: dict[str, Any]) -> None:
    found = the_fate(an_observation(status="entered-in-error", **changes))
    assert isinstance(found, Retraction)
    assert (found.patient_id, found.document_id) == (
        "p1",
        the_reading(an_observation()).document_id,
    )


def test_a_retraction_without_an_id_names_the_reading_by_its_content() -> None:
    reading = the_reading(an_observation(id=None))
    found = the_fate(an_observation(id=None, status="entered-in-error"))
    assert isinstance(found, Retraction)
    assert found.document_id == reading.document_id


def test_a_retraction_that_names_nothing_is_rejected() -> None:
    nothing = an_observation(id=None, status="entered-in-error", component=None)
    assert in_short(nothing) == "no_value"
    assert in_short(an_observation(status="entered-in-error", subject=None)) == "no_subject"


def test_a_series_is_retracted_sample_by_sample() -> None:
    sampled = {"origin": mmhg(0), "period": 1000, "data": "120 E 122"}
    series = an_observation(component=[{"code": concept("8480-6"), "valueSampledData": sampled}])
    readings = [each for _, each in fates(parse(series))]
    withdrawn = [each for _, each in fates(parse(series | {"status": "entered-in-error"}))]
    assert [each.document_id for each in readings if isinstance(each, Row)] == [
        each.document_id for each in withdrawn if isinstance(each, Retraction)
    ]
    assert len(withdrawn) == 2


# Row 18: slips of DSTU2 and STU3, and category


@pytest.mark.parametrize(
    "changes",
    [
        {"interpretation": concept("L")},
        {"category": concept("vital-signs")},
        {"category": [{"text": "Laboratory"}]},
        {"category": "vital-signs"},
        {"category": None},
        {"performer": {"reference": "Practitioner/d"}},
        {"comments": "STU3", "related": [{"type": "has-member"}], "context": {"reference": "x"}},
        {"identifier": {"system": "s", "value": "v"}},
        {"unknownProperty": {"deep": [[{}]]}},
        {"extension": [], "note": [], "hasMember": []},
    ],
    ids=repr,
)
def test_slips_around_the_values_change_nothing(changes: dict[str, Any]) -> None:
    found = the_reading(an_observation(**changes))
    assert (found.systolic, found.diastolic, found.flags) == (120, 80, [])


def test_a_single_component_that_is_no_list_is_read() -> None:
    assert the_reading(an_observation(component=component("8480-6", 120))).systolic == 120


# Row 19: modifiers


@pytest.mark.parametrize(
    ("observation", "path"),
    [
        (an_observation(modifierExtension=[{"url": "x"}]), "Observation.modifierExtension"),
        (an_observation(implicitRules="http://x"), "Observation.implicitRules"),
        (
            an_observation(component=[component("8480-6", 120) | {"modifierExtension": [{}]}]),
            "Observation.component[0].modifierExtension",
        ),
        (
            a_single("8480-6", 120, modifierExtension=[{}], status="entered-in-error"),
            "Observation.modifierExtension",
        ),
    ],
)
def test_what_a_modifier_may_turn_round_is_not_used(observation: dict[str, Any], path: str) -> None:
    assert the_fault(observation) == ("unknown_modifier", path)


def test_an_empty_modifier_modifies_nothing() -> None:
    assert in_short(an_observation(modifierExtension=[], implicitRules="")) == "reading"


# Row 23: the sender's own judgement


def test_reference_ranges_and_interpretations_are_not_read() -> None:
    judged = {"interpretation": [concept("HH")], "referenceRange": [{"low": mmhg(45)}]}
    components = [component("8480-6", 120) | judged, component("8462-4", 80) | judged]
    found = the_reading(an_observation(component=components, **judged))
    assert found == the_reading(an_observation())
