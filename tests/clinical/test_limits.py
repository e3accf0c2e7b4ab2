"""Limits: which bounds may be others for a patient, how far, and what is suggested."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical import alarm_rules, history
from bpstream.clinical.alarm_rules import SLOTS, Kind, Rule, Severe
from bpstream.clinical.alarms import SLOT, Edges, Engine
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import MEASURES, Measures, parse
from bpstream.clinical.limits import (
    HARD,
    LEAST_WEIGHT,
    NAMES,
    PROFILES,
    Own,
    Usual,
    check,
    check_order,
    defaults,
    held_back,
    marked,
    suggested,
    usual,
)

RULES = alarm_rules.load()
DEFAULTS = defaults(RULES)
HOUR = 3_600_000_000


def test_the_shipped_rules_have_the_bounds_of_hypertension_and_hypotension_and_the_severe_ones():
    assert DEFAULTS == {
        "systolic_low": 90.0,
        "systolic_high": 140.0,
        "diastolic_high": 90.0,
        "severe_systolic_low": 80.0,
        "severe_systolic_high": 180.0,
        "severe_diastolic_high": 120.0,
        "severe_mean_low": 55.0,
    }


def test_of_several_bounds_the_one_nearest_to_normal_is_the_limit_and_the_others_stay():
    rules = [
        Rule(name="a", title="A", severity=Severity.LOW, when=parse("systolic > 160")),
        Rule(name="b", title="B", severity=Severity.LOW, when=parse("systolic > 140")),
        Rule(
            name="c",
            title="C",
            severity=Severity.LOW,
            kind=Kind.TECHNICAL,
            when=parse("systolic > 100"),
        ),
    ]
    assert defaults(rules) == {"systolic_high": 140.0}
    assert [rule.when[0][0].limit for rule in marked(rules)] == ["", "systolic_high", ""]


@pytest.mark.parametrize(
    "when",
    [
        "systolic > 120 and systolic < 180",
        "artefact < 1 and systolic > 120 or systolic < 150",
    ],
)
def test_neither_a_range_nor_a_rule_about_more_than_pressures_has_limits(when):
    rule = Rule(name="a", title="A", severity=Severity.LOW, when=parse(when))
    assert defaults([rule]) == {}
    assert marked([rule]) == (rule,)


def test_a_bound_that_a_severe_condition_shares_with_a_plain_one_stays_there():
    rule = marked(RULES)[0]
    assert rule.severe is not None
    severe = [[atom.limit for atom in group] for group in rule.severe.when]
    assert severe == [["severe_systolic_high", ""], ["", "severe_diastolic_high"]]
    assert [atom.limit for atom in rule.when[0]] == ["systolic_high", "diastolic_high"]


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("systolic_high", 179, 179),
        ("systolic_high", 181, 180),
        ("severe_systolic_high", 200, 180),
        ("severe_systolic_high", 160, 160),
        ("systolic_low", 79, 80),
        ("severe_systolic_low", 60, 80),
        ("severe_mean_low", 54, 55),
        ("severe_mean_low", 65, 65),
        ("diastolic_high", 121, 120),
        ("diastolic_low", 30, 30),
    ],
)
def test_no_limit_lies_beyond_its_floor_or_ceiling(name, value, held):
    assert held_back(name, value) == held
    if name in DEFAULTS and value != held:
        with pytest.raises(ValueError, match=f"cannot be {value} mmHg: the .* is {held}"):
            check(name, value, DEFAULTS)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("systolic_hihg", 150, "did you mean systolic_high"),
        ("diastolic_low", 50, "no alarm rule has the limit 'diastolic_low'"),
        ("systolic_low", 19, "from 20 to 300 mmHg"),
        ("systolic_low", float("nan"), "from 20 to 300 mmHg"),
    ],
)
def test_a_limit_that_nobody_may_set_is_refused_with_what_would_do(name, value, told):
    with pytest.raises(ValueError, match=told):
        check(name, value, DEFAULTS)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"systolic_high": 180}, True),
        ({"systolic_high": 90}, False),
        ({"systolic_high": 85}, False),
        ({"severe_systolic_high": 130}, False),
        ({"severe_systolic_low": 91}, False),
        ({"systolic_low": 139}, True),
    ],
)
def test_limits_stand_in_their_order(changes, fits):
    if fits:
        check_order(DEFAULTS | changes)
    else:
        with pytest.raises(ValueError, match="in this order"):
            check_order(DEFAULTS | changes)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_within_floors_and_ceilings_and_in_order(name):
    profile = PROFILES[name]
    for limit, value in profile.items():
        check(limit, value, DEFAULTS)
    check_order(DEFAULTS | dict(profile))


# In the engine.

PRESSURES = [70, 79, 80, 85, 89, 90, 91, 100, 120, 139, 140, 141, 150, 160, 161, 179, 180, 190]


def judged(pressures, own=None, rules=RULES) -> Edges:
    """The edges of one reading each of as many patients, diastolic 80."""
    n = len(pressures)
    systolic, diastolic = np.array(pressures, float), np.full(n, 80.0)
    measures = Measures.exact(
        systolic, diastolic, (systolic + 2 * diastolic) / 3, np.zeros(n, bool)
    )
    slots = np.zeros((n, SLOTS), SLOT)
    identity = np.arange(1, n + 1, dtype=np.uint64)
    return Engine(rules).advance(
        slots, np.arange(n), identity, np.zeros(n, np.int64), measures, own=own
    )


def owned(at, *, unjudged=False, **limits) -> Own:
    m = len(at)
    columns = {name: np.full(m, np.nan) for name in NAMES}
    for name, value in limits.items():
        columns[name][:] = value
    return Own(np.array(at, np.intp), columns, np.full(m, unjudged))


HIGH = [
    Rule(
        name="high",
        title="High",
        severity=Severity.MEDIUM,
        when=parse("systolic > 140"),
        severe=Severe(parse("systolic >= 180"), Severity.CRITICAL),
    ),
    Rule(name="low", title="Low", severity=Severity.HIGH, when=parse("systolic < 90")),
]


def test_a_limit_changes_what_fires_for_its_patients_alone_and_stands_on_the_alert():
    edges = judged([150, 150, 170, 185], owned([0, 2, 3], systolic_high=160.0), HIGH)
    found = zip(edges.reading, edges.bound, edges.severity, strict=True)
    assert [tuple(map(int, each)) for each in found] == [
        (1, 140, Severity.MEDIUM),
        (2, 160, Severity.MEDIUM),
        (3, 180, Severity.CRITICAL),
    ]


@given(
    st.dictionaries(st.sampled_from(sorted(HARD)), st.floats(20, 300)),
    st.lists(st.sampled_from(PRESSURES), min_size=1, max_size=12),
)
def test_whatever_the_limits_what_is_severe_by_default_fires_as_severely(limits, pressures):
    limits = {name: held_back(name, value) for name, value in limits.items()}
    everyone = range(len(pressures))
    severe = {
        (int(reading), int(rule))
        for edges in [judged(pressures)]
        for reading, rule, severity in zip(edges.reading, edges.rule, edges.severity, strict=True)
        if severity == Severity.CRITICAL
    }
    own = judged(pressures, owned(everyone, **limits))
    theirs = {
        (int(reading), int(rule))
        for reading, rule, severity in zip(own.reading, own.rule, own.severity, strict=True)
        if severity == Severity.CRITICAL
    }
    assert severe <= theirs


@given(
    st.lists(st.sampled_from(PRESSURES), min_size=1, max_size=12),
    st.integers(1000, 1800).map(lambda tenths: tenths / 10),
    st.integers(800, 990).map(lambda tenths: tenths / 10),
)
def test_limits_in_columns_judge_as_rules_with_those_bounds_do(pressures, high, low):
    own = owned(range(len(pressures)), systolic_high=high, systolic_low=low)
    rules = [
        Rule(
            name=rule.name,
            title=rule.title,
            severity=rule.severity,
            when=parse(f"systolic {sign} {bound:.6f}"),
            severe=rule.severe,
        )
        for rule, sign, bound in zip(HIGH, "><", (high, low), strict=True)
    ]
    found, expected = judged(pressures, own, HIGH), judged(pressures, rules=rules)
    for name in ("reading", "rule", "change", "severity", "alert", "measure"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    assert found.bound == pytest.approx(expected.bound, abs=1e-6)


def test_a_patient_whom_no_rule_judges_raises_only_technical_alerts():
    rules = [*HIGH, Rule(
        name="artefact",
        title="Artefact",
        severity=Severity.LOW,
        kind=Kind.TECHNICAL,
        when=parse("artefact >= 1"),
    )]  # fmt: skip
    engine, slots = Engine(rules), np.zeros((1, SLOTS), SLOT)
    own = owned([0], unjudged=True)
    one = np.zeros(1, np.intp), np.ones(1, np.uint64), np.zeros(1, np.int64)

    def seen(systolic: float, artefact: bool, own: Own | None) -> list[tuple[int, int]]:
        pressures = np.array([systolic]), np.array([80.0]), np.array([100.0])
        measures = Measures.exact(*pressures, np.array([artefact]))
        edges = engine.advance(slots, *one, measures, own=own)
        return list(zip(edges.rule.tolist(), edges.change.tolist(), strict=True))

    fired, recovered = 0, 2
    assert seen(190, False, None) == [(0, fired)]
    # The alert that fires when the profile is set is over with the next reading.
    assert seen(190, False, own) == [(0, recovered)]
    assert seen(190, False, own) == []
    assert seen(190, True, own) == [(2, fired)]


def test_readings_without_limits_of_their_own_are_judged_once():
    count = 0

    class Counted(dict):  # type: ignore[type-arg]
        def __getitem__(self, name: str) -> object:
            nonlocal count
            found = super().__getitem__(name)
            count += found.size
            return found

    columns = Counted({name: np.full(1000, 120.0) for name in MEASURES})
    slots, zeros = np.zeros((1000, SLOTS), SLOT), np.zeros(1000, np.int64)
    arguments = slots, np.arange(1000), np.arange(1, 1001, dtype=np.uint64), zeros
    Engine(HIGH).advance(*arguments, Measures(columns, columns))
    alone, count = count, 0
    Engine(HIGH).advance(
        *arguments, Measures(columns, columns), own=owned([7], systolic_high=130.0)
    )
    assert count - alone < len(MEASURES) * 1000 + 100


# What is suggested.


def sums_of(*pressures: tuple[float, float]) -> np.ndarray:
    held = np.zeros(1, history.HISTORY)
    n = len(pressures)
    at = np.arange(n, dtype=np.int64) * 60_000_000
    systolic, diastolic = (np.array(column, float) for column in zip(*pressures, strict=True))
    zeros = np.zeros(n, np.intp)
    history.absorb(held, zeros, at, systolic, diastolic)
    return np.asarray(held["sums"][0])


def test_what_is_usual_is_the_mean_and_the_deviation_of_the_readings():
    found = usual(sums_of((150, 80), (160, 80), (150, 80), (160, 80), (150, 80), (160, 80)))
    assert found["systolic"] == pytest.approx((155, 5), abs=0.1)
    assert found["diastolic"] == pytest.approx((80, 0), abs=0.1)


def test_of_too_few_readings_nothing_is_usual():
    assert LEAST_WEIGHT == 4
    assert usual(sums_of(*[(150, 80)] * 3)) == {}
    assert usual(sums_of(*[(150, 80)] * 5))


@pytest.mark.parametrize(
    ("mean", "sd", "limits"),
    [
        (155, 5, {"systolic_low": 110, "systolic_high": 180}),
        (118, 8, {"systolic_low": 95, "systolic_high": 140}),
        (118, 20, {"systolic_low": 80, "systolic_high": 160}),
        (92, 3, {"systolic_low": 80, "systolic_high": 110}),
    ],
)
def test_limits_are_suggested_around_the_usual_and_never_beyond_floor_or_ceiling(mean, sd, limits):
    found = suggested({"systolic": Usual(mean, sd)}, DEFAULTS)
    assert found == limits
