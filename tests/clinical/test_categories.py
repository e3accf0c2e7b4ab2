"""Categories, severities, mean and pulse pressure, at their published thresholds."""

import doctest

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bpstream.clinical import categories
from bpstream.clinical.categories import (
    CATEGORY_NAMES,
    SEVERITY_NAMES,
    Category,
    Severity,
    categorize,
    mean_arterial_pressure,
    pulse_pressure,
    severity,
)

NAN = float("nan")
pressure = st.floats(0, 400)
pressure_or_none = pressure | st.just(NAN)


def each(function, *values):
    return function(*(np.array([float(value)]) for value in values))[0]


def category_of(systolic, diastolic):
    return CATEGORY_NAMES[int(each(categorize, systolic, diastolic))]


def severity_of(systolic, diastolic, mean=NAN):
    return SEVERITY_NAMES[each(severity, systolic, diastolic, mean)]


@pytest.mark.parametrize(
    ("systolic", "diastolic", "category"),
    [
        (119, 79, "normal"),
        (119.9, 79.9, "normal"),
        (50, 30, "normal"),
        (120, 79, "elevated"),
        (129, 79, "elevated"),
        (129.9, 79.9, "elevated"),
        (130, 79, "stage_1"),
        (139, 89, "stage_1"),
        (119, 80, "stage_1"),
        (125, 80, "stage_1"),
        (140, 79, "stage_2"),
        (119, 90, "stage_2"),
        (180, 120, "stage_2"),
        (180.1, 60, "severe"),
        (119, 120.1, "severe"),
        (181, 121, "severe"),
    ],
)
def test_a_pressure_on_a_boundary_has_its_published_category(systolic, diastolic, category):
    assert category_of(systolic, diastolic) == category


@pytest.mark.parametrize(
    ("systolic", "diastolic", "category"),
    [
        (NAN, NAN, None),
        (119, NAN, "normal"),
        (125, NAN, "elevated"),
        (181, NAN, "severe"),
        (NAN, 79, "normal"),
        (NAN, 80, "stage_1"),
        (NAN, 121, "severe"),
    ],
)
def test_a_missing_pressure_leaves_the_category_to_the_other(systolic, diastolic, category):
    assert category_of(systolic, diastolic) == category


@given(pressure_or_none, pressure_or_none)
def test_a_category_is_the_worse_of_its_two_pressures_categories(systolic, diastolic):
    alone = each(categorize, systolic, NAN), each(categorize, NAN, diastolic)
    assert each(categorize, systolic, diastolic) == max(alone)


@given(pressure, pressure_or_none, st.floats(0, 100))
def test_a_higher_systolic_pressure_never_has_a_lower_category(systolic, diastolic, more):
    lower, higher = (each(categorize, s, diastolic) for s in (systolic, systolic + more))
    assert lower <= higher


@pytest.mark.parametrize(
    ("systolic", "diastolic", "mean", "expected"),
    [
        (120, 80, 93, "none"),
        (140, 90, 107, "none"),
        (90, 60, 70, "none"),
        (120, 59, 79, "low"),
        (141, 80, 100, "medium"),
        (120, 91, 101, "medium"),
        (141, 55, 84, "medium"),
        (159, 99, 119, "medium"),
        (160, 80, 107, "high"),
        (120, 100, 107, "high"),
        (89, 65, 73, "high"),
        (80, 60, 67, "high"),
        (179, 119, 139, "high"),
        (100, 60, 55, "none"),
        (180, 80, 113, "critical"),
        (120, 120, 120, "critical"),
        (79, 65, 70, "critical"),
        (100, 60, 54.9, "critical"),
    ],
)
def test_a_reading_on_a_boundary_has_its_severity(systolic, diastolic, mean, expected):
    assert severity_of(systolic, diastolic, mean) == expected


@pytest.mark.parametrize(
    ("systolic", "diastolic", "mean", "expected"),
    [
        (NAN, NAN, NAN, "none"),
        (NAN, 59, NAN, "low"),
        (79, NAN, NAN, "critical"),
        (NAN, NAN, 54, "critical"),
    ],
)
def test_severity_judges_what_was_measured(systolic, diastolic, mean, expected):
    assert severity_of(systolic, diastolic, mean) == expected


@given(pressure_or_none, pressure_or_none, pressure_or_none)
def test_a_missing_pressure_never_makes_a_reading_more_severe(systolic, diastolic, mean):
    full = each(severity, systolic, diastolic, mean)
    assert each(severity, NAN, diastolic, mean) <= full
    assert each(severity, systolic, NAN, mean) <= full
    assert each(severity, systolic, diastolic, NAN) <= full


def test_categories_and_severities_are_ordered():
    assert Category.NORMAL < Category.ELEVATED < Category.STAGE_1 < Category.STAGE_2
    assert Category.STAGE_2 < Category.SEVERE
    assert Severity.NONE < Severity.LOW < Severity.MEDIUM < Severity.HIGH < Severity.CRITICAL


@pytest.mark.parametrize(
    ("systolic", "diastolic", "measured", "mean"),
    [
        (120, 90, NAN, 100),
        (120, 90, 97, 97),
        (NAN, 90, 97, 97),
        (NAN, 90, NAN, NAN),
        (120, NAN, NAN, NAN),
    ],
)
def test_a_measured_mean_is_preferred_to_the_formula(systolic, diastolic, measured, mean):
    found = each(mean_arterial_pressure, systolic, diastolic, measured)
    assert found == pytest.approx(mean, nan_ok=True)


@given(pressure, pressure)
def test_a_computed_mean_lies_between_the_two_pressures(systolic, diastolic):
    assume(systolic >= diastolic)
    mean = each(mean_arterial_pressure, systolic, diastolic, NAN)
    assert diastolic - 1e-9 <= mean <= systolic + 1e-9


@pytest.mark.parametrize(
    ("systolic", "diastolic", "expected"),
    [(120, 80, 40), (80, 120, -40), (NAN, 80, NAN), (120, NAN, NAN)],
)
def test_pulse_pressure_needs_both_pressures(systolic, diastolic, expected):
    assert each(pulse_pressure, systolic, diastolic) == pytest.approx(expected, nan_ok=True)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(categories).failed == 0
