"""Verdicts: what conditions make of exact, bounded and unknown values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.alarm_rule import Rule
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import MEASURES, Atom, Measures, parse
from bpstream.clinical.verdicts import Verdicts

NAN, INF = float("nan"), float("inf")


def a_rule(text, **changes):
    return Rule(name="a", title="A rule", severity=Severity.HIGH, when=parse(text), **changes)


def verdict(text, deadband=0.0, **values):
    """What a condition makes of a reading; a value is exact or (low, high), or unknown."""
    low, high = {}, {}
    for name in MEASURES:
        value = values.get(name, NAN)
        ends = value if isinstance(value, tuple) else (value, value)
        low[name], high[name] = (np.array([float(end)]) for end in ends)
    found = Verdicts([a_rule(text, deadband=deadband)]).of(Measures(low, high))
    if not found.known()[0, 0]:
        return "unknown"
    if found.holds()[0, 0] >= 0:
        return "holds"
    return "clear" if found.clear()[0, 0] else "neither"


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
    found = Verdicts([a_rule(BOTH), a_rule(EITHER)]).of(measures)
    assert found.holds().tolist() == [[-1, -1, 0, -1], [0, 1, 0, -1]]


def test_a_rule_that_says_until_when_is_clear_where_that_holds():
    rules = [a_rule("systolic > 140"), a_rule("systolic > 140", until=parse(EITHER))]
    pressures = [np.array([150.0, 120.0, 120.0, NAN]), np.array([80.0, 95.0, 80.0, NAN])]
    measures = Measures.exact(*pressures, np.full(4, NAN), np.zeros(4, np.bool_))
    clear = Verdicts(rules).of(measures).clear()
    assert clear.tolist() == [[False, True, True, True], [True, True, False, False]]


@pytest.mark.parametrize(
    ("own", "holds", "clear"),
    [(NAN, True, False), (150.0, False, False), (155.0, False, True), (130.0, True, False)],
)
def test_a_limit_of_the_patients_own_takes_the_place_of_the_bound(own, holds, clear):
    rule = a_rule("systolic > 140", deadband=5.0)
    marked = Rule(
        name=rule.name,
        title=rule.title,
        severity=rule.severity,
        when=((Atom("systolic", ">", 140.0, limit="systolic_high"),),),
        deadband=5.0,
    )
    systolic = np.array([150.0, 150.0])
    exact = Measures.exact(systolic, *np.full((2, 2), NAN), np.zeros(2, np.bool_))
    own_limits = {"systolic_high": np.array([own, NAN]), "mean_low": np.array([90.0, 90.0])}
    found = Verdicts([marked]).of(exact.take(np.arange(2), own_limits))
    assert (found.holds()[0] >= 0).tolist() == [holds, True]
    assert found.clear()[0].tolist() == [clear, False]


@given(st.lists(st.sampled_from([BOTH, EITHER, "mean < 55", "artefact >= 1"]), min_size=1))
def test_a_rule_is_judged_as_if_it_were_alone(texts):
    rules = [a_rule(text, deadband=5.0 * (nth % 2)) for nth, text in enumerate(texts)]
    values = [NAN, 40.0, 55.0, 90.0, 92.0, 140.0, 150.0]
    grid = np.array(np.meshgrid(values, values, values)).reshape(3, -1)
    measures = Measures.exact(*grid, np.zeros(grid.shape[1], np.bool_))
    together = Verdicts(rules).of(measures)
    for nth, rule in enumerate(rules):
        alone = Verdicts([rule]).of(measures)
        for told in ("holds", "clear", "known"):
            assert (getattr(together, told)()[nth] == getattr(alone, told)()[0]).all()
