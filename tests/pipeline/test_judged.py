"""What is judged of a reading: what the rules and the model say, and where they say nothing."""

import json

import pytest

from tests.pipeline.messages import Taken, chunk, messages
from tests.pipeline.owner import Owner

READING = Taken("o", systolic=150, diastolic=95)
CHILD = {
    "contained": [{"resourceType": "Patient", "id": "p1", "birthDate": "2020-05-01"}],
}


def document_of(reading=READING, *, comparators=("", ""), **changes):
    """The document of a reading, changed as FHIR has it."""
    observation = reading.observation() | changes
    for component, comparator in zip(observation["component"], comparators, strict=False):
        if comparator:
            component["valueQuantity"]["comparator"] = comparator
    owner = Owner()
    owner.take(chunk(messages(json.dumps(observation).encode(), minute=1)))
    (document,) = owner.documents()
    return document


def test_a_reading_is_judged_by_the_rules_the_categories_and_the_model():
    document = document_of()
    assert document.anomaly_type == "hypertension"
    assert document.anomaly_details == ["hypertension_systolic", "hypertension_diastolic"]
    assert (document.category, document.severity) == ("stage_2", "medium")
    # The model is a line through systolic 120: 1 / (1 + exp(-3)).
    assert (document.ml_risk_score, document.ml_prediction) == (0.952574, 1)
    assert (document.mean_arterial_pressure, document.pulse_pressure) == (113.33, 55.0)


@pytest.mark.parametrize(
    ("reading", "flags"),
    [
        (READING._replace(systolic=None), ["partial"]),
        (READING._replace(diastolic=None), ["partial"]),
        (READING._replace(diastolic=150), ["implausible"]),
        (READING._replace(diastolic=151), ["implausible"]),
    ],
)
def test_the_model_does_not_score_a_partial_or_implausible_reading_but_the_rules_do(reading, flags):
    document = document_of(reading)
    assert document.flags == flags
    assert (document.ml_risk_score, document.ml_prediction, document.model) == (None,) * 3
    assert document.anomaly_type == "hypertension"


def test_a_partial_reading_has_neither_mean_nor_pulse_pressure():
    document = document_of(READING._replace(diastolic=None))
    assert (document.mean_arterial_pressure, document.pulse_pressure) == (None, None)
    assert (document.systolic_pressure, document.diastolic_pressure) == (150, None)


def test_no_rule_and_no_model_judges_an_aggregate():
    document = document_of(READING._replace(aggregate=True))
    assert document.kind == "aggregate"
    assert (document.anomaly_type, document.anomaly_details) == (None, [])
    assert (document.category, document.severity) == (None, "none")
    assert document.ml_risk_score is None


def test_no_rule_for_adults_and_no_model_judges_a_child():
    document = document_of(**CHILD)
    assert document.flags == ["child"]
    assert (document.anomaly_type, document.anomaly_details) == (None, [])
    assert (document.category, document.severity) == (None, "none")
    assert document.ml_risk_score is None


@pytest.mark.parametrize(
    ("systolic", "comparator", "tags"),
    [
        (140, ">", ["hypertension_systolic"]),
        (140, ">=", []),
        (141, ">=", ["hypertension_systolic"]),
        (150, "<", []),
        (150, "<=", []),
        (90, "<", ["hypotension_systolic"]),
        (90, "<=", []),
        (89, "<=", ["hypotension_systolic"]),
        (85, ">", []),
        (85, ">=", []),
        (95, "<", []),
    ],
)
def test_a_bound_is_tagged_only_where_it_is_certain(systolic, comparator, tags):
    reading = READING._replace(systolic=systolic, diastolic=80)
    document = document_of(reading, comparators=(comparator, ""))
    assert "comparator" in document.flags
    assert document.anomaly_details == tags
    if not tags:
        assert (document.category, document.severity) == (None, "none")
    assert document.ml_risk_score is None


def test_each_pressure_has_a_comparator_of_its_own():
    document = document_of(READING, comparators=("<", ">"))
    assert document.anomaly_details == ["hypertension_diastolic"]
