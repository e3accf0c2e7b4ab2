"""Values: absent ones, units, numbers, ranges, comparators and other types."""

from typing import Any

import pytest

from tests.fhir.messages import (
    SNOMED,
    UCUM,
    a_single,
    an_observation,
    component,
    concept,
    in_short,
    mmhg,
    the_fault,
    the_reading,
)

UNKNOWN = concept("unknown", system="http://terminology.hl7.org/CodeSystem/data-absent-reason")
ABSENT = {"dataAbsentReason": UNKNOWN}
ABSENCE = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
BY_EXTENSION = {"extension": [{"url": ABSENCE, "valueCode": "unknown"}]}
SYSTOLIC, DIASTOLIC = component("8480-6", 120), component("8462-4", 80)
VALUE = "Observation.component[0].valueQuantity"


def with_systolic(**quantity: object) -> dict[str, Any]:
    """An Observation with changes to the Quantity of its systolic pressure."""
    changed = {name: each for name, each in (mmhg(120) | quantity).items() if each is not None}
    return an_observation(component=[SYSTOLIC | {"valueQuantity": changed}, DIASTOLIC])


# Row 7: absent values


@pytest.mark.parametrize(
    ("components", "pressures", "flags"),
    [
        ([SYSTOLIC, {"code": concept("8462-4"), **ABSENT}], (120, None, None), ["partial"]),
        ([{"code": concept("8480-6"), **ABSENT}, DIASTOLIC], (None, 80, None), ["partial"]),
        ([SYSTOLIC, DIASTOLIC, {"code": concept("8478-0"), **ABSENT}], (120, 80, None), []),
        ([SYSTOLIC, DIASTOLIC, {"code": concept("8478-0")}], (120, 80, None), []),
        ([SYSTOLIC], (120, None, None), ["partial"]),
        ([DIASTOLIC], (None, 80, None), ["partial"]),
        ([component("8478-0", 93)], (None, None, 93), ["partial"]),
        ([SYSTOLIC | ABSENT, DIASTOLIC], (None, 80, None), ["partial"]),
    ],
)
def test_what_is_there_is_read_and_what_is_absent_spoils_nothing(
    components: list[object], pressures: tuple[float | None, ...], flags: list[str]
) -> None:
    found = the_reading(an_observation(component=components))
    assert (found.systolic, found.diastolic, found.mean) == pressures
    assert found.flags == flags


@pytest.mark.parametrize(
    "changes",
    [
        {"component": None, **ABSENT},
        {"component": [], **ABSENT},
        {"component": [{"code": concept("8480-6"), **ABSENT}]},
        {"component": [{"code": concept(code), **ABSENT} for code in ("8480-6", "8462-4")]},
        {"component": [{"code": concept("8480-6"), **BY_EXTENSION}]},
        {"component": [{"code": concept("8480-6"), "valueQuantity": BY_EXTENSION}]},
        {"component": [{"code": concept("8480-6"), "valueQuantity": {"_value": BY_EXTENSION}}]},
    ],
)
def test_a_reading_of_which_all_is_absent_is_ignored(changes: dict[str, Any]) -> None:
    assert in_short(an_observation(**changes)) == "absent"


def test_an_extension_of_another_kind_does_not_say_why() -> None:
    bare = {"code": concept("8480-6"), "valueQuantity": {"extension": [{"url": "x"}, 7]}}
    assert in_short(an_observation(component=[bare])) == "no_value"


# Row 9: units


@pytest.mark.parametrize(
    ("value", "code", "mmhg_wanted"),
    [
        (120, "mm[Hg]", 120),
        (16, "kPa", 120.00992),
        (18.7, "kPa", 140.261594),
        (145, "cm[H2O]", 106.656055),
    ],
)
def test_the_code_of_ucum_decides_on_the_unit(value: float, code: str, mmhg_wanted: float) -> None:
    for unit in ("mmHg", "kPa", None):
        found = the_reading(with_systolic(value=value, code=code, unit=unit))
        assert found.systolic == pytest.approx(mmhg_wanted, abs=1e-9)
        assert found.flags == []


@pytest.mark.parametrize(
    "unit",
    [
        *("mmHg", "mm Hg", "mm/Hg", "mm-Hg", "MMHG", "MM[HG]", " mmhg ", "mm. Hg", "Torr"),
        *("millimeters of mercury", "Millimeter Quecksilbersäule"),
    ],
)
def test_a_unit_in_words_is_accepted_and_flagged(unit: str) -> None:
    for changes in (
        {"unit": unit, "code": None, "system": None},
        {"unit": None, "code": unit, "system": None},
        {"unit": unit, "code": "259018001", "system": SNOMED},
        {"unit": unit, "code": None},
        {"code": unit},
        {"code": unit, "unit": "kPa"},
    ):
        assert the_reading(with_systolic(**changes)).flags == ["unit_from_text"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"unit": None, "code": None, "system": None}, ("no_unit", f"{VALUE}.unit")),
        ({"unit": "", "code": " ", "system": UCUM}, ("no_unit", f"{VALUE}.unit")),
        ({"unit": 7, "code": None}, ("no_unit", f"{VALUE}.unit")),
        ({"unit": "kPa", "code": None}, ("unsupported_unit", f"{VALUE}.unit")),
        ({"unit": "mmHg/s", "code": None}, ("unsupported_unit", f"{VALUE}.unit")),
        ({"unit": "mmHg" + " " * 99 + "/s", "code": None}, ("unsupported_unit", f"{VALUE}.unit")),
        ({"unit": "mmHg", "code": "%"}, ("unsupported_unit", f"{VALUE}.code")),
        ({"unit": "mmHg", "code": "kpa"}, ("unsupported_unit", f"{VALUE}.code")),
        ({"unit": "mmHg", "code": "m[Hg]"}, ("unsupported_unit", f"{VALUE}.code")),
    ],
)
def test_a_number_of_another_unit_or_none_is_rejected(
    changes: dict[str, Any], fault: tuple[str, str]
) -> None:
    assert the_fault(with_systolic(**changes)) == fault


# Row 10: numbers and ranges


@pytest.mark.parametrize(
    ("value", "read", "flags"),
    [
        (140.0000001, 140.0000001, []),
        (1.4e2, 140, []),
        ("140.0000001", 140.0000001, ["number_from_text"]),
        (" 140 ", 140, ["number_from_text"]),
        ("+1.4E2", 140, ["number_from_text"]),
    ],
)
def test_a_number_is_read_in_full(value: object, read: float, flags: list[str]) -> None:
    found = the_reading(an_observation(value))
    assert (found.systolic, found.flags) == (read, flags)


@pytest.mark.parametrize(
    "value",
    ["", " ", "120/80", "120,5", "0x78", "1_20", "١٢٠", "NaN", "inf", "1e999", True, [120], {}],
)
def test_what_is_no_number_is_rejected(value: object) -> None:
    assert the_fault(an_observation(value)) == ("invalid_number", f"{VALUE}.value")


@pytest.mark.parametrize(
    ("pressure", "value", "fate"),
    [
        ("8480-6", 30, "reading"),
        ("8480-6", 29.999, "out_of_range"),
        ("8480-6", 350, "reading"),
        ("8480-6", 350.001, "out_of_range"),
        ("8462-4", 10, "reading"),
        ("8462-4", 9.999, "out_of_range"),
        ("8462-4", 250, "reading"),
        ("8462-4", 250.001, "out_of_range"),
        ("8478-0", 10, "reading"),
        ("8478-0", 350, "reading"),
        ("8478-0", 350.001, "out_of_range"),
        ("8480-6", 0, "out_of_range"),
        ("8480-6", -0.0, "out_of_range"),
        ("8480-6", -120, "out_of_range"),
        ("8480-6", 10**400, "invalid_number"),
    ],
)
def test_a_pressure_no_patient_has_is_rejected(pressure: str, value: float, fate: str) -> None:
    assert in_short(a_single(pressure, value)) == fate


def test_one_impossible_pressure_rejects_the_reading() -> None:
    fault = the_fault(an_observation(120, 0))
    assert fault == ("out_of_range", "Observation.component[1].valueQuantity.value")


@pytest.mark.parametrize(
    ("systolic", "diastolic", "flags"),
    [(80, 80, ["implausible"]), (80, 80.1, ["implausible"]), (80.1, 80, []), (90, 120, None)],
)
def test_a_systolic_at_or_below_the_diastolic_is_kept_unswapped_and_flagged(
    systolic: float, diastolic: float, flags: list[str] | None
) -> None:
    found = the_reading(an_observation(systolic, diastolic))
    assert (found.systolic, found.diastolic) == (systolic, diastolic)
    assert found.flags == (["implausible"] if flags is None else flags)


# Row 11: comparators


@pytest.mark.parametrize("comparator", ["<", "<=", ">=", ">"])
def test_a_comparator_is_flagged_and_kept(comparator: str) -> None:
    found = the_reading(with_systolic(value=260, comparator=comparator))
    assert (found.systolic, found.flags) == (260, ["comparator"])
    assert found.details.comparators == (comparator, "", "")


def test_the_comparator_of_a_mean_bounds_neither_pressure() -> None:
    mean = component("8478-0", 93) | {"valueQuantity": mmhg(93) | {"comparator": "<"}}
    found = the_reading(an_observation(component=[SYSTOLIC, DIASTOLIC, mean]))
    assert (found.flags, found.details.comparators) == (["comparator"], ("", "", "<"))


def test_a_comparator_of_no_letters_is_none() -> None:
    assert the_reading(with_systolic(comparator="")) == the_reading(an_observation())


@pytest.mark.parametrize("comparator", ["ad", "~", "≥", " ", 5, ["<"]])
def test_a_comparator_nobody_knows_is_rejected(comparator: object) -> None:
    fault = the_fault(with_systolic(comparator=comparator))
    assert fault == ("unsupported_value", f"{VALUE}.comparator")


# Row 12: other types


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"component": None, "valueString": "120/80"}, "Observation.valueString"),
        ({"component": None, "valueQuantity": mmhg(120)}, "Observation.valueQuantity"),
        (
            {"component": [{"code": concept("8480-6"), "valueInteger": 120}]},
            "Observation.component[0].valueInteger",
        ),
        (
            {"component": [SYSTOLIC | {"valueString": "120"}]},
            "Observation.component[0].valueString",
        ),
    ],
)
def test_a_value_of_another_type_is_rejected(changes: dict[str, Any], path: str) -> None:
    assert the_fault(an_observation(**changes)) == ("unsupported_value", path)
