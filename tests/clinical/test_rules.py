"""The rules, at their thresholds and against the words of the specification."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical import rules
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES, tag

NAN = float("nan")
pressures = st.floats(0, 400) | st.just(NAN)


def tag_of(systolic, diastolic):
    return int(tag(np.array([float(systolic)]), np.array([float(diastolic)]))[0])


@pytest.mark.parametrize(
    ("systolic", "diastolic", "names"),
    [
        (140, 90, ()),
        (90, 60, ()),
        (140.0000001, 90, ("hypertension_systolic",)),
        (141, 90, ("hypertension_systolic",)),
        (89, 60, ("hypotension_systolic",)),
        (89.9999999, 60, ("hypotension_systolic",)),
        (140, 91, ("hypertension_diastolic",)),
        (90, 59, ("hypotension_diastolic",)),
        (200, 55, ("hypertension_systolic", "hypotension_diastolic")),
        (85, 95, ("hypotension_systolic", "hypertension_diastolic")),
        (180, 120, ("hypertension_systolic", "hypertension_diastolic")),
        (70, 40, ("hypotension_systolic", "hypotension_diastolic")),
    ],
)
def test_only_a_pressure_beyond_a_threshold_is_tagged(systolic, diastolic, names):
    assert TAG_NAMES[tag_of(systolic, diastolic)] == names


@pytest.mark.parametrize(
    ("systolic", "diastolic", "names"),
    [
        (NAN, NAN, ()),
        (141, NAN, ("hypertension_systolic",)),
        (NAN, 59, ("hypotension_diastolic",)),
    ],
)
def test_a_pressure_that_was_not_measured_sets_no_tag(systolic, diastolic, names):
    assert TAG_NAMES[tag_of(systolic, diastolic)] == names


@pytest.mark.parametrize(
    ("systolic", "diastolic", "comparators", "names"),
    [
        (260, 80, (">", ""), ("hypertension_systolic",)),
        (140, 80, (">", ""), ("hypertension_systolic",)),
        (140, 80, (">=", ""), ()),
        (95, 80, ("<", ""), ()),
        (90, 80, ("<", ""), ("hypotension_systolic",)),
        (90, 80, ("<=", ""), ()),
        (85, 80, (">", ""), ()),
        (150, 80, ("<", ""), ()),
        (120, 60, ("", "<"), ("hypotension_diastolic",)),
        (120, 95, ("", ">="), ("hypertension_diastolic",)),
        (150, 95, (">", ""), ("hypertension_systolic", "hypertension_diastolic")),
        (NAN, 55, ("", ""), ("hypotension_diastolic",)),
    ],
)
def test_a_bound_is_tagged_only_where_it_is_certain(systolic, diastolic, comparators, names):
    found = rules.tag_of_bounds(float(systolic), float(diastolic), comparators)
    assert TAG_NAMES[found] == names


@pytest.mark.parametrize(
    ("systolic", "diastolic", "anomaly_type"),
    [
        (120, 80, "normal"),
        (141, 80, "hypertension"),
        (120, 91, "hypertension"),
        (89, 80, "hypotension"),
        (120, 59, "hypotension"),
        (200, 55, "hypertension"),
        (85, 95, "hypertension"),
    ],
)
def test_hypertension_goes_before_hypotension(systolic, diastolic, anomaly_type):
    assert ANOMALY_TYPES[tag_of(systolic, diastolic)] == anomaly_type


def test_every_value_of_the_tags_has_its_names_in_the_documents_order():
    assert len(TAG_NAMES) == len(ANOMALY_TYPES) == 16
    assert TAG_NAMES[15] == (
        "hypertension_systolic",
        "hypotension_systolic",
        "hypertension_diastolic",
        "hypotension_diastolic",
    )


@given(st.lists(st.tuples(pressures, pressures), max_size=20))
def test_a_batch_is_tagged_as_its_readings_are_one_by_one(readings):
    columns = np.array(readings, np.float64).reshape(-1, 2).T
    assert tag(*columns).tolist() == [tag_of(*reading) for reading in readings]


@given(pressures, pressures)
def test_a_reading_is_normal_exactly_when_both_pressures_are_in_range(systolic, diastolic):
    in_range = not (systolic > 140 or systolic < 90 or diastolic > 90 or diastolic < 60)
    assert (ANOMALY_TYPES[tag_of(systolic, diastolic)] == "normal") == in_range


def test_tags_take_one_byte_a_reading():
    assert tag(np.array([120.0]), np.array([80.0])).dtype == np.uint8


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(rules).failed == 0
