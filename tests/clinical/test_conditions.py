"""Conditions: how they are read, and what may be known of a reading."""

import doctest

import numpy as np
import pytest

from bpstream.clinical import conditions
from bpstream.clinical.conditions import PRESSURES, Atom, Measures, parse

S140 = Atom("systolic", ">", 140.0)
D90 = Atom("diastolic", ">", 90.0)
M55 = Atom("mean", "<", 55.0)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("systolic > 140", ((S140,),)),
        ("  systolic>140  ", ((S140,),)),
        ("systolic > 140.0 and diastolic > 90", ((S140, D90),)),
        ("systolic > 140 or mean < 55", ((S140,), (M55,))),
        ("mean < 55 or systolic > 140 and diastolic > 90", ((M55,), (S140, D90))),
        ("artefact >= 1", ((Atom("artefact", ">=", 1.0),),)),
        ("mean <= 92.5", ((Atom("mean", "<=", 92.5),),)),
    ],
)
def test_and_binds_closer_than_or(text, condition):
    assert parse(text) == condition


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is no comparison; `systolic > 140` would do"),
        ("systolic", "'systolic' is no comparison"),
        ("systolic > 140 and", "'' is no comparison"),
        ("(systolic > 140", "'(systolic > 140' is no comparison"),
        ("systolic above 140", "'systolic above 140' is no comparison"),
        ("sistolic > 140", "'sistolic' is no measure; did you mean systolic?"),
        ("pulse > 140", "'pulse' is no measure; systolic, diastolic, mean, artefact, deviation"),
        ("systolic => 140", "'=>' is no operator; <, <=, > or >= would do"),
        ("systolic == 140", "'==' is no operator; <, <="),
        ("systolic != 140", "'!=' is no operator; <, <="),
        ("systolic > high", "'high' is no number; 140 or 92.5 would do"),
        ("systolic > nan", "'nan' is no number"),
        ("systolic > 1e9", "'1e9' is no number"),
        ("systolic > 140mmHg", "'140mmHg' is no number"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_would_do(text, reason):
    with pytest.raises(ValueError, match="is no") as refused:
        parse(text)
    assert reason in str(refused.value)


def test_the_pressures_of_an_artefact_are_unknown():
    pressures = [np.array([120.0, 70.0]), np.array([80.0, 90.0]), np.array([93.0, 83.0])]
    measures = Measures.exact(*pressures, np.array([False, True]))
    for pressure in PRESSURES:
        assert np.isnan(measures.low[pressure]).tolist() == [False, True]
    assert measures.low["artefact"].tolist() == [0.0, 1.0]
    assert measures.low["systolic"] is measures.high["systolic"]


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(conditions).failed == 0
