"""Conditions: how they are read, and what they make of exact, bounded and unknown values."""

import doctest

import numpy as np
import pytest

from bpstream.clinical import conditions
from bpstream.clinical.conditions import MEASURES, Atom, Measures, clears, first, parse

NAN, INF = float("nan"), float("inf")

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


def verdict(text, deadband=0.0, **values):
    """What a condition makes of a reading; a value is exact or (low, high), or unknown."""
    low, high = {}, {}
    for name in MEASURES:
        value = values.get(name, NAN)
        ends = value if isinstance(value, tuple) else (value, value)
        low[name], high[name] = (np.array([float(end)]) for end in ends)
    measures = Measures(low, high)
    condition = parse(text)
    if not measures.known({atom.measure for group in condition for atom in group})[0]:
        return "unknown"
    if first(condition, measures)[0] >= 0:
        return "holds"
    return "clear" if clears(condition, measures, deadband)[0] else "neither"


@pytest.mark.parametrize(
    ("text", "deadband", "value", "expected"),
    [
        ("systolic > 140", 0, 140.1, "holds"),
        ("systolic > 140", 0, 140, "clear"),
        ("systolic > 140", 5, 140, "neither"),
        ("systolic > 140", 5, 135.1, "neither"),
        ("systolic > 140", 5, 135, "clear"),
        ("systolic >= 140", 0, 140, "holds"),
        ("systolic >= 140", 0, 139.9, "clear"),
        ("systolic >= 140", 5, 135, "clear"),
        ("systolic < 90", 0, 89.9, "holds"),
        ("systolic < 90", 0, 90, "clear"),
        ("systolic < 90", 5, 94.9, "neither"),
        ("systolic < 90", 5, 95, "clear"),
        ("systolic <= 90", 0, 90, "holds"),
        ("systolic <= 90", 0, 90.1, "clear"),
        ("systolic <= 90", 5, 95, "clear"),
        ("systolic > 140", 0, NAN, "unknown"),
        ("systolic > 140", 0, (150, INF), "holds"),
        ("systolic > 140", 0, (140, INF), "neither"),
        ("systolic > 140", 0, (np.nextafter(140, INF), INF), "holds"),
        ("systolic > 140", 0, (120, INF), "neither"),
        ("systolic > 140", 0, (-INF, 140), "clear"),
        ("systolic > 140", 5, (-INF, 140), "neither"),
        ("systolic > 140", 0, (-INF, 150), "neither"),
        ("systolic < 90", 0, (-INF, 89.9), "holds"),
        ("systolic < 90", 0, (-INF, 90), "neither"),
        ("systolic < 90", 5, (95, INF), "clear"),
        ("systolic < 90", 5, (90, INF), "neither"),
    ],
)
def test_a_comparison_holds_is_clear_or_is_neither(text, deadband, value, expected):
    assert verdict(text, deadband, systolic=value) == expected


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("artefact >= 1", 1, "holds"),
        ("artefact >= 1", 0, "clear"),
        ("deviation < -3", -3, "clear"),
        ("severe_warning > 0.5", 0.5, "clear"),
        ("missed >= 4", 3.9, "clear"),
    ],
)
def test_only_pressures_have_a_deadband(text, value, expected):
    assert verdict(text, 5.0, **{text.split()[0]: value}) == expected


BOTH, EITHER = "systolic > 140 and diastolic > 90", "systolic > 140 or diastolic > 90"


@pytest.mark.parametrize(
    ("text", "systolic", "diastolic", "expected"),
    [
        (BOTH, 150, 95, "holds"),
        (BOTH, 150, 80, "clear"),
        (BOTH, 150, 88, "neither"),
        (BOTH, 150, NAN, "neither"),
        (BOTH, 120, NAN, "clear"),
        (BOTH, NAN, NAN, "unknown"),
        (EITHER, 150, 80, "holds"),
        (EITHER, 150, NAN, "holds"),
        (EITHER, 120, 80, "clear"),
        (EITHER, 120, 88, "neither"),
        (EITHER, 120, NAN, "clear"),
        (EITHER, NAN, 88, "neither"),
        (EITHER, NAN, NAN, "unknown"),
    ],
)
def test_joined_comparisons_are_judged_by_those_that_are_known(text, systolic, diastolic, expected):
    assert verdict(text, 5.0, systolic=systolic, diastolic=diastolic) == expected


def test_the_first_group_that_holds_is_named():
    pressures = [np.array([150.0, 120.0, 150.0, 120.0]), np.array([80.0, 95.0, 95.0, 80.0])]
    measures = Measures.exact(*pressures, np.full(4, NAN), np.zeros(4, np.bool_))
    assert first(parse(EITHER), measures).tolist() == [0, 1, 0, -1]


def test_the_pressures_of_an_artefact_are_unknown():
    pressures = [np.array([120.0, 70.0]), np.array([80.0, 90.0]), np.array([93.0, 83.0])]
    measures = Measures.exact(*pressures, np.array([False, True]))
    assert measures.known(MEASURES[:3]).tolist() == [True, False]
    assert measures.low["artefact"].tolist() == [0.0, 1.0]
    assert measures.low["systolic"] is measures.high["systolic"]


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(conditions).failed == 0
