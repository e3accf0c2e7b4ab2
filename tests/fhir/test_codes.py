"""Codes: which pressure an Observation and its components are of, and how it was taken."""

from typing import Any

import pytest

from bpstream.fhir.codes import Pressure, meaning
from bpstream.reading import Kind, Series
from tests.fhir.messages import (
    LOINC,
    MDC,
    SNOMED,
    a_single,
    an_observation,
    component,
    concept,
    in_short,
    mmhg,
    the_fault,
    the_reading,
)

# Row 1: the panel


@pytest.mark.parametrize(
    "code",
    [
        concept("85354-9"),
        concept("55284-4"),
        concept("35094-2"),
        concept("75367002", system=SNOMED),
        concept("150020", system=MDC),
        {"text": "Blood Pressure"},
        {"text": "  blood   PRESSURE "},
        {"text": "Something nobody knows"},
        concept("bp", system="http://local.example"),
        {"coding": [*concept("bp", system="x")["coding"], *concept("85354-9")["coding"]]},
        {"coding": concept("85354-9")["coding"][0]},
        [concept("85354-9")],
        concept("163035008", system=SNOMED),
        concept("85354-9") | {"text": "Blood pressure in atrial fibrillation, ventilated"},
        None,
    ],
    ids=repr,
)
def test_a_panel_is_told_by_any_of_its_codings_or_by_its_components(code: object) -> None:
    found = the_reading(an_observation(code=code))
    assert (found.systolic, found.diastolic) == (120, 80)


@pytest.mark.parametrize(
    "code",
    [
        concept("8867-4"),
        concept("85354-9", system="http://local.example"),
        {"coding": [{"code": "85354-9"}]},
        {"coding": [{"system": LOINC, "display": "Blood pressure"}]},
        {"coding": [{"system": LOINC, "code": "8867-4"}], "text": "Blood Pressure"},
        {"text": "Heart rate"},
        "85354-9",
        [],
    ],
    ids=repr,
)
def test_what_names_no_blood_pressure_is_ignored(code: object) -> None:
    rate = [{"code": concept("8867-4"), "valueQuantity": {"value": 61, "unit": "/min"}}]
    assert in_short(an_observation(code=code, component=rate)) == "not_blood_pressure"


# Row 2: the components


@pytest.mark.parametrize(
    ("system", "codes", "series"),
    [
        (LOINC, "8480-6 8462-4 8478-0", Series.UNKNOWN),
        (LOINC, "76534-7 76535-4 76536-2", Series.CUFF),
        (LOINC, "76215-3 76213-8 76214-6", Series.ARTERIAL),
        (SNOMED, "271649006 271650006 6797001", Series.UNKNOWN),
        (SNOMED, "251071003 251073000 251074006", Series.ARTERIAL),
        (MDC, "150017 150018 150019", Series.UNKNOWN),
        (MDC, "150021 150022 150023", Series.CUFF),
        (MDC, "150033 150034 150035", Series.ARTERIAL),
        (MDC, "150037 150038 150039", Series.ARTERIAL),
        ("urn:oid:2.16.840.1.113883.6.1", "8480-6 8462-4 8478-0", Series.UNKNOWN),
        ("http://loinc.org/", "8480-6 8462-4 8478-0", Series.UNKNOWN),
        ("HTTPS://www.LOINC.org", "8480-6 8462-4 8478-0", Series.UNKNOWN),
        (f"{SNOMED}/900000000000207008", "271649006 271650006 6797001", Series.UNKNOWN),
        (f"{SNOMED}/11000274103/version/20240515", "271649006 271650006 6797001", Series.UNKNOWN),
        ("urn:oid:2.16.840.1.113883.6.24", "150021 150022 150023", Series.CUFF),
    ],
)
def test_a_component_is_told_by_its_code_in_any_system(
    system: str, codes: str, series: Series
) -> None:
    values = dict(zip(codes.split(), (120, 80, 93), strict=True))
    components = [component(code, value, system=system) for code, value in values.items()]
    found = the_reading(an_observation(component=components))
    assert (found.systolic, found.diastolic, found.mean, found.series) == (120, 80, 93, series)
    assert ("invasive" in found.flags) == (series is Series.ARTERIAL)


@pytest.mark.parametrize(
    ("system", "systolic", "diastolic"),
    [
        (LOINC, "8459-0", "8453-3"),
        (LOINC, "8460-8", "8454-1"),
        (LOINC, "8461-6", "8455-8"),
        (SNOMED, "407554009", "407555005"),
        (SNOMED, "407556006", "407557002"),
        (SNOMED, "72313002", "1091811000000102"),
        (SNOMED, "1162737008", "1162735000"),
        (MDC, 150017, 150018),
    ],
)
def test_a_pressure_is_one_in_any_posture_and_its_code_may_be_a_number(
    system: str, systolic: Any, diastolic: Any
) -> None:
    pair = [(systolic, 120), (diastolic, 80)]
    components = [component(code, value, system=system) for code, value in pair]
    found = the_reading(an_observation(component=components))
    assert (found.systolic, found.diastolic) == (120, 80)
    single = an_observation(**component(systolic, 120, system=system) | {"component": None})
    assert the_reading(single).flags == ["partial"]


def test_systems_that_only_look_alike_are_others() -> None:
    for system in ("http://loinc.org.example", "http://loinc.org/vs", f"{SNOMED}/x", "loinc"):
        components = [component("8480-6", 120, system=system)]
        assert in_short(an_observation(component=components)) == "no_value"


@pytest.mark.parametrize(
    ("text", "pressure"),
    [
        ("Systolic Blood Pressure", Pressure.SYSTOLIC),
        ("systolic blood pressure", Pressure.SYSTOLIC),
        ("Diastolic Blood Pressure", Pressure.DIASTOLIC),
        ("Mean blood pressure", Pressure.MEAN),
        ("Systolic", None),
        ("Systolic Blood Pressure of the twin", None),
    ],
)
def test_words_count_where_there_is_no_coding(text: str, pressure: Pressure | None) -> None:
    assert meaning({"text": text}).pressures == ({pressure} if pressure else set())
    assert not meaning({"text": text, "coding": [{"system": "x", "code": "y"}]}).pressures


def test_which_coding_matched_is_kept() -> None:
    both = {"coding": [{"system": "x", "code": "y"}, *concept("8480-6")["coding"]]}
    assert meaning(both).coding == "http://loinc.org|8480-6"


def test_a_display_never_decides() -> None:
    swapped = [component("8480-6", 120), component("8462-4", 80)]
    swapped[0]["code"]["coding"][0]["display"] = "Diastolic Blood Pressure"
    assert the_reading(an_observation(component=swapped)).systolic == 120


# Row 3: the order


def test_a_component_is_found_wherever_it_stands() -> None:
    count = {"code": concept("8867-4"), "valueQuantity": {"value": 61, "unit": "/min"}}
    components = [component("8462-4", 80), count, component("8478-0", 93), component("8480-6", 120)]
    found = the_reading(an_observation(component=components))
    assert (found.systolic, found.diastolic, found.mean) == (120, 80, 93)


# Row 4: other vessels

PULMONARY = concept("76284-9")


@pytest.mark.parametrize(
    "changes",
    [
        {"code": PULMONARY},
        {"code": {"coding": [*concept("85354-9")["coding"], *PULMONARY["coding"]]}},
        {"code": concept("250767002", system=SNOMED)},
        {"code": concept("150044", system=MDC)},
        {"code": {"text": "Pulmonary artery pressure"}},
        {"code": concept("85354-9") | {"text": "Rechtsventrikulärer Druck"}},
        {"code": {"coding": [{"system": "x", "code": "y", "display": "Left atrial pressure"}]}},
        {"bodySite": concept("81040000", system=SNOMED)},
        {"bodySite": {"text": "Right ventricle"}},
        {"bodySite": [concept("81040000", system=SNOMED)]},
        {"bodySite": concept("244383003", system=SNOMED)},
        {"code": [PULMONARY]},
        {"code": concept(150044, system=MDC)},  # type: ignore[arg-type]
        {"code": concept("250767002", system=f"{SNOMED}/11000274103")},
        {"code": {"text": "Rechtsatrialer Druck"}},
        {"code": {"text": "PAP"}},
        {"code": {"text": "mPAP, invasive"}},
        {"code": {"coding": [{"system": "x", "code": "y", "display": "MDC_PRESS_BLD_ART_PULM"}]}},
        {"code": {"coding": [{"system": "x", "code": "y", "display": "PCWP"}]}},
        {"code": {"text": "CVP (mean)"}},
        {"code": {"text": "ZVD"}},
        {"code": {"text": "RVSP by echo"}},
        {"component": [component("8480-6", 18), component("8440-0", 8)]},
        {"component": [component("8480-6", 18), {"code": {"text": "Pulmonary diastolic"}}]},
        {"status": "entered-in-error", "code": PULMONARY},
        {"status": None, "code": PULMONARY},
    ],
    ids=repr,
)
def test_the_pressure_of_another_vessel_is_never_hypotension(changes: dict[str, Any]) -> None:
    assert in_short(an_observation(18, 8, **changes)) == "other_vessel"


@pytest.mark.parametrize(
    "site", ["Right arm", "Left radial artery", "patriarch", "Aorta", "papa's arm", "on CPAP"]
)
def test_a_systemic_body_site_is_kept(site: str) -> None:
    assert the_reading(an_observation(bodySite={"text": site})).details.body_site == site


# Row 5: aggregates


@pytest.mark.parametrize(
    ("panel", "systolic", "diastolic"),
    [
        ("96607-7", "96608-5", "96609-3"),
        ("97844-5", "8490-5", "8472-3"),
        ("96607-7", "8480-6", "8462-4"),
        ("85354-9", "96608-5", "96609-3"),
        ("85354-9", "8490-5", "8472-3"),
    ],
)
def test_an_average_is_an_aggregate_with_its_period(
    panel: str, systolic: str, diastolic: str
) -> None:
    period = {"start": "2026-01-28T21:00:00Z", "end": "2026-01-29T21:00:00Z"}
    found = the_reading(
        an_observation(
            code=concept(panel),
            component=[component(systolic, 130), component(diastolic, 85)],
            effectiveDateTime=None,
            effectivePeriod=period,
        )
    )
    assert found.kind is Kind.AGGREGATE
    assert found.details.period == (period["start"], period["end"])


def test_a_reading_over_a_period_is_no_aggregate() -> None:
    period = {"start": "2026-01-29T21:00:00Z", "end": "2026-01-29T21:00:45Z"}
    found = the_reading(an_observation(effectiveDateTime=None, effectivePeriod=period))
    assert (found.kind, found.details.period) == (Kind.READING, None)


# Row 6: singles and shells


@pytest.mark.parametrize(
    ("code", "pressures"),
    [
        ("8480-6", (120, None, None)),
        ("8462-4", (None, 120, None)),
        ("8478-0", (None, None, 120)),
    ],
)
def test_one_pressure_alone_is_a_partial_reading(
    code: str, pressures: tuple[float | None, ...]
) -> None:
    found = the_reading(a_single(code, 120))
    assert (found.systolic, found.diastolic, found.mean) == pressures
    assert found.flags == ["partial"]


@pytest.mark.parametrize(
    ("members", "fate"),
    [
        ({"hasMember": [{"reference": "Observation/1"}]}, "absent"),
        ({"hasMember": {"reference": "Observation/1"}}, "absent"),
        ({"related": [{"type": "has-member", "target": {"reference": "Observation/1"}}]}, "absent"),
        ({"related": [{"type": "derived-from"}]}, "no_value"),
    ],
)
def test_a_panel_whose_values_are_elsewhere_is_ignored(members: dict[str, Any], fate: str) -> None:
    assert in_short(an_observation(component=None, **members)) == fate


@pytest.mark.parametrize("component", [None, []])
def test_a_panel_with_no_values_and_no_word_on_why_is_rejected(component: object) -> None:
    fault = the_fault(an_observation(component=component))
    assert fault == ("no_value", "Observation.component")


# Row 10: a pressure named twice


@pytest.mark.parametrize(
    ("components", "path"),
    [
        ([component("8480-6", 120), component("8480-6", 120)], "Observation.component[1].code"),
        (
            [component("8480-6", 120), component("271649006", 121, system=SNOMED)],
            "Observation.component[1].code",
        ),
        (
            [{"code": concept("8480-6", "8462-4"), "valueQuantity": mmhg(120)}],
            "Observation.component[0].code",
        ),
    ],
)
def test_a_pressure_given_twice_is_rejected(components: list[object], path: str) -> None:
    observation = an_observation(component=components)
    assert the_fault(observation) == ("ambiguous_component", path)


def test_a_single_with_a_component_of_the_same_pressure_is_rejected() -> None:
    both = a_single("8480-6", 120, component=[component("8480-6", 121)])
    assert the_fault(both) == ("ambiguous_component", "Observation.code")


# Row 22: invasive and cuff


@pytest.mark.parametrize(
    ("method", "series", "flags"),
    [
        ("10179008", Series.ARTERIAL, ["invasive"]),
        ("22762002", Series.CUFF, []),
        ("37931006", Series.CUFF, []),
        ("999999", Series.UNKNOWN, []),
    ],
)
def test_the_method_tells_how_a_pressure_was_taken(
    method: str, series: Series, flags: list[str]
) -> None:
    found = the_reading(an_observation(method=concept(method, system=SNOMED)))
    assert (found.series, found.flags) == (series, flags)
