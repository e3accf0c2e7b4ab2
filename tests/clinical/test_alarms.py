"""The alarm engine: against a plain one, cut anywhere, and at its boundaries."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.alarm_rules import AT_ONCE, SLOTS, Delay, Rule, Severe, load
from bpstream.clinical.alarms import SLOT, Change, Engine, State, alert_id
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import MEASURES, PRESSURES, Atom, Measures, parse
from tests.clinical import alarm_oracle
from tests.clinical.alarm_oracle import Oracle

NAN, INF = float("nan"), float("inf")
GIVEN = (*PRESSURES, "artefact")
"""The measures of these readings; nothing is known of the others."""
SECOND = 1_000_000

# Few values, all near the bounds, so that runs and recoveries happen.
pressures = st.sampled_from([80.0, 85.0, 90.0, 95.0, 100.0, NAN])
intervals = pressures.map(lambda value: (value, value)) | st.sampled_from(
    [(-INF, 85.0), (95.0, INF), (85.0, 95.0), (90.0, INF), (-INF, 90.0)]
)
artefacts = st.sampled_from([(0.0, 0.0), (0.0, 0.0), (1.0, 1.0), (NAN, NAN)])
readings = st.tuples(
    st.integers(0, 3),  # patient
    st.integers(0, 40),  # seconds since the one before
    st.tuples(intervals, intervals, intervals, artefacts),
)
atoms = st.builds(
    Atom,
    st.sampled_from(MEASURES[:3]),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.sampled_from([85.0, 90.0, 95.0]),
) | st.just(Atom("artefact", ">=", 1.0))
conditions = st.lists(
    st.lists(atoms, min_size=1, max_size=2).map(tuple), min_size=1, max_size=2
).map(tuple)
delays = st.sampled_from([AT_ONCE, Delay(2), Delay(3), Delay(seconds=1), Delay(seconds=60)])


@st.composite
def rules(draw):
    severity = draw(st.sampled_from([Severity.LOW, Severity.HIGH]))
    severe = st.builds(Severe, conditions, st.sampled_from([Severity.HIGH, Severity.CRITICAL]))
    return Rule(
        name=draw(st.sampled_from("abcdefgh")),
        title="A rule",
        severity=severity,
        when=draw(conditions),
        delay=draw(delays),
        clear=draw(st.integers(1, 3)),
        deadband=draw(st.sampled_from([0.0, 5.0])),
        until=draw(st.none() | conditions),
        latch=draw(st.booleans()),
        severe=draw(st.none() | severe),
    )


rule_sets = st.lists(rules(), min_size=1, max_size=3, unique_by=lambda rule: rule.name)


class Ward:
    """Patients' slots and the engine that moves them, fed in calls of any size."""

    def __init__(self, rules, patients=4):
        self.engine = Engine(rules)
        self.slots = np.zeros((patients, SLOTS), SLOT)

    def read(self, readings):
        """`readings` are (patient, identity, taken_at, four intervals)."""
        rows, identity, taken_at, values = zip(*readings, strict=True)
        columns = np.array(values, np.float64).reshape(-1, len(GIVEN), 2)
        nothing = dict.fromkeys(MEASURES, np.full(len(columns), NAN))
        low, high = (
            nothing | dict(zip(GIVEN, columns[:, :, end].T.copy(), strict=True)) for end in (0, 1)
        )
        return self.engine.advance(
            self.slots,
            np.array(rows, np.intp),
            np.array(identity, np.uint64),
            np.array(taken_at, np.int64),
            Measures(low, high),
        )


def told(edges):
    """Edges as the oracle tells them, each behind its reading's position."""
    return [
        (
            int(edges.reading[i]),
            int(edges.rule[i]),
            Change(edges.change[i]).name,
            int(edges.severity[i]),
            int(edges.alert[i]),
            int(edges.since[i]),
            (MEASURES[edges.measure[i]], float(edges.bound[i])) if edges.measure[i] >= 0 else None,
        )
        for i in range(len(edges))
    ]


def in_time(found):
    """Readings as `Ward.read` takes them, from what hypothesis drew."""
    now, timed = 1_700_000_000 * SECOND + 999_999, []
    for nth, (patient, later, values) in enumerate(found):
        now += later * SECOND // 2
        timed.append((patient, 0xFEDCBA9876543210 ^ nth * 7, now, values))
    return timed


@given(rule_sets, st.lists(readings, min_size=1, max_size=60))
def test_the_engine_does_what_a_plain_one_does(rules, found):
    found = in_time(found)
    oracle, ward = Oracle(rules), Ward(rules)
    expected = [
        (nth, *edge)
        for nth, (*reading, values) in enumerate(found)
        for edge in oracle.read(*reading, dict(zip(GIVEN, values, strict=True)))
    ]
    assert told(ward.read(found)) == expected


@given(rule_sets, st.lists(readings, min_size=1, max_size=40), st.data())
def test_it_makes_no_difference_where_readings_are_cut_into_calls(rules, found, data):
    found = in_time(found)
    cuts = data.draw(st.sets(st.integers(1, len(found)))) | {0, len(found)}
    at_once, in_parts = Ward(rules), Ward(rules)
    expected = told(at_once.read(found))
    edges = []
    for start, end in pairwise(sorted(cuts)):
        part = told(in_parts.read(found[start:end]))
        edges += [(position + start, *rest) for position, *rest in part]
    assert edges == expected
    assert in_parts.slots.tobytes() == at_once.slots.tobytes()


@given(
    rule_sets,
    st.lists(readings | st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40),
)
def test_an_acknowledged_alert_recovers_when_a_plain_one_does(rules, found):
    """What is drawn is a reading, or that a patient's alert of a rule is acknowledged."""
    oracle, ward = Oracle(rules), Ward(rules)
    timed = iter(in_time([each for each in found if len(each) == 3]))
    for each in found:
        if len(each) == 3:
            *reading, values = next(timed)
            expected = oracle.read(*reading, dict(zip(GIVEN, values, strict=True)))
            assert told(ward.read([(*reading, values)])) == [(0, *edge) for edge in expected]
            continue
        patient, nth = each
        alert = int(ward.slots[patient, nth]["alert"]) if nth < len(rules) else 1
        released = ward.engine.release(ward.slots[patient], alert)
        assert (released is not None) == oracle.acknowledge(patient, alert)


UNKNOWN = (NAN, NAN)
HIGH = Rule(
    name="high",
    title="High",
    severity=Severity.MEDIUM,
    when=parse("systolic > 140"),
    delay=Delay(readings=2),
    clear=2,
    deadband=5.0,
    severe=Severe(parse("systolic >= 180"), Severity.CRITICAL),
)


def of_systolic(values, *, seconds=60, start=0):
    """Readings of patient 0, so many seconds apart."""
    return [
        (0, nth + 1, (start + nth * seconds) * SECOND, ((value, value), UNKNOWN, UNKNOWN, UNKNOWN))
        for nth, value in enumerate(values)
    ]


def changes(rule, values, *, seconds=60):
    """What one rule makes of one patient's systolic pressures: (position, change, severity)."""
    edges = Ward([rule]).read(of_systolic(values, seconds=seconds))
    return [
        (reading, change, Severity(severity).name)
        for reading, _, change, severity, *_ in told(edges)
    ]


FIRES_AT_1 = [(1, "FIRING", "MEDIUM")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([141], []),
        ([141, 141], FIRES_AT_1),
        ([140, 140, 140], []),
        ([141, 140, 141], []),  # neither high nor clear: the run is over
        ([141, 135, 141], []),
        ([141, NAN, 141], [(2, "FIRING", "MEDIUM")]),  # passed over
        ([180], [(0, "FIRING", "CRITICAL")]),
        ([179.9], []),
        ([141, 180], [(1, "FIRING", "CRITICAL")]),
        ([141, 141, 180], [*FIRES_AT_1, (2, "CHANGED", "CRITICAL")]),
        ([141, 141, 180, 141, 200], [*FIRES_AT_1, (2, "CHANGED", "CRITICAL")]),
        ([141, 141, 135], FIRES_AT_1),
        ([141, 141, 135, 135], [*FIRES_AT_1, (3, "RECOVERED", "MEDIUM")]),
        ([141, 141, 136, 136], FIRES_AT_1),  # within the deadband
        ([141, 141, 135, 136, 135], FIRES_AT_1),  # not two in a row
        ([141, 141, 135, 141, 135], FIRES_AT_1),
        ([141, 141, 135, NAN, 135], [*FIRES_AT_1, (4, "RECOVERED", "MEDIUM")]),
        ([180, 135, 135], [(0, "FIRING", "CRITICAL"), (2, "RECOVERED", "CRITICAL")]),
        (
            [180, 135, 135, 141, 141],
            [(0, "FIRING", "CRITICAL"), (2, "RECOVERED", "CRITICAL"), (4, "FIRING", "MEDIUM")],
        ),
    ],
)
def test_an_alert_fires_and_recovers_as_its_rule_says(values, expected):
    assert changes(HIGH, values) == expected


BACK = parse("systolic < 120")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([141, 141, 120, 120], FIRES_AT_1),
        ([141, 141, 119, 120, 119], FIRES_AT_1),  # not two in a row
        ([141, 141, 119, NAN, 119], [*FIRES_AT_1, (4, "RECOVERED", "MEDIUM")]),
    ],
)
def test_an_alert_recovers_where_its_rule_says_until_when(values, expected):
    assert changes(replace(HIGH, deadband=0.0, until=BACK), values) == expected


def test_a_reading_that_offends_is_not_clear_whatever_the_rule_says():
    rule = replace(HIGH, deadband=0.0, clear=1, until=parse("systolic > 100"))
    assert changes(rule, [141, 141, 141, 120]) == [*FIRES_AT_1, (3, "RECOVERED", "MEDIUM")]


LATCHED = replace(HIGH, latch=True)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([141, 141, 120, 120], [], "RECOVERED"),
        ([141, 141, 120], [120], "RECOVERED"),
        ([141, 141], [120, 120], "RECOVERED"),
        ([141, 141], [141, 120, 120], "RECOVERED"),
        ([141, 141], [141, 120], None),
        ([141, 141], [180, 120, 120], "CHANGED"),  # to be acknowledged again
        ([141], [141, 120, 120], "FIRING"),  # pending: nobody can acknowledge it
    ],
)
def test_an_alert_that_latches_goes_on_until_it_is_acknowledged(before, after, expected):
    ward = Ward([LATCHED])
    assert "RECOVERED" not in [edge[2] for edge in told(ward.read(of_systolic([*before])))]
    over = ward.engine.release(ward.slots[0], int(ward.slots[0, 0]["alert"]))
    edges = told(ward.read(of_systolic(after, start=600))) if after else []
    changes = ["RECOVERED"] * (over is not None) + [edge[2] for edge in edges]
    assert (changes or [None])[-1] == expected


def test_what_fires_after_an_acknowledged_alert_is_to_be_acknowledged_itself():
    ward = Ward([LATCHED])
    ward.read(of_systolic([141, 141]))
    ward.engine.release(ward.slots[0], int(ward.slots[0, 0]["alert"]))
    edges = told(ward.read(of_systolic([120, 120, 141, 141, 120, 120, 120], start=600)))
    assert [edge[2] for edge in edges] == ["RECOVERED", "FIRING"]


@pytest.mark.parametrize(
    ("delay", "seconds", "position"),
    [
        (AT_ONCE, 10, 0),
        (Delay(readings=3), 0, 2),
        (Delay(seconds=30), 10, 3),
        (Delay(seconds=30), 29, 2),
        (Delay(seconds=30), 30, 1),
        (Delay(seconds=300), 299, 2),
    ],
)
def test_a_delay_is_counted_from_the_first_offending_reading(delay, seconds, position):
    rule = replace(HIGH, delay=delay)
    assert changes(rule, [141] * 4, seconds=seconds) == [(position, "FIRING", "MEDIUM")]


def test_an_alert_keeps_the_id_and_the_time_of_its_first_offending_reading():
    edges = told(Ward([HIGH]).read(of_systolic([120, 141, 141, 180, 135, 135, 180])))
    first, second = alarm_oracle.alert_id("high", 2), alarm_oracle.alert_id("high", 7)
    assert [(change, alert, since) for _, _, change, _, alert, since, _ in edges] == [
        ("FIRING", first, 60),
        ("CHANGED", first, 60),
        ("RECOVERED", first, 60),
        ("FIRING", second, 360),
    ]


def test_an_edge_names_the_bound_that_was_crossed_the_severe_one_first():
    edges = told(Ward([HIGH]).read(of_systolic([141, 141, 180, 130, 130])))
    crossed = [edge[-1] for edge in edges]
    assert crossed == [("systolic", 140.0), ("systolic", 180.0), None]


def test_of_joined_comparisons_an_edge_names_the_first_of_those_that_hold_together():
    rule = replace(HIGH, when=parse("systolic > 140 and diastolic > 90 or mean > 110"), severe=None)
    values = ((150, 150), (80, 80), (112, 112), UNKNOWN)
    edges = told(Ward([replace(rule, delay=AT_ONCE)]).read([(0, 1, 0, values)]))
    assert edges[0][-1] == ("mean", 110.0)


@given(st.text("abc_", min_size=1), st.integers(0, 2**64 - 1))
def test_an_alerts_id_can_be_computed_by_anybody(name, identity):
    found = alert_id(name, np.array([identity], np.uint64))
    assert found.tolist() == [alarm_oracle.alert_id(name, identity)]


def test_an_alerts_id_stays_what_it_is_and_is_never_0():
    salt = 0x625B7E16 * 0x9E3779B97F4A7C15 % 2**64  # crc32 of the name
    found = alert_id("hypotension", np.array([1, salt], np.uint64))
    assert [f"{alert:016x}" for alert in found.tolist()] == ["8d8c23c72b1290e3", "0000000000000001"]


def test_a_slot_that_another_rule_wrote_is_empty():
    ward, other = Ward([HIGH]), Ward([replace(HIGH, name="another")])
    ward.read(of_systolic([141, 141]))
    other.slots = ward.slots.copy()
    assert told(other.read(of_systolic([120, 120]))) == []
    assert changes(HIGH, [141]) == told(other.read(of_systolic([141]))) == []
    assert other.slots[0, 0]["count"] == 1


def test_a_recovered_alert_leaves_an_empty_slot():
    ward = Ward([HIGH])
    ward.read(of_systolic([141, 141]))
    assert State(ward.slots[0, 0]["state"]) is State.FIRING
    ward.read(of_systolic([120, 120]))
    assert not any(ward.slots.tobytes())


def test_a_run_longer_than_a_slot_can_count_goes_on():
    rule = replace(HIGH, delay=Delay(seconds=3000))
    ward = Ward([rule])
    assert told(ward.read(of_systolic([141] * 290, seconds=10))) == []
    assert ward.slots[0, 0]["count"] == 255
    edges = told(ward.read(of_systolic([141] * 290, seconds=10, start=2900)))
    assert [edge[0] for edge in edges] == [10]


def test_readings_in_range_change_nothing():
    ward = Ward([HIGH])
    assert len(ward.read(of_systolic([120] * 5))) == 0
    assert not any(ward.slots.tobytes())


def test_an_artefact_raises_its_own_alert_and_no_other():
    ward = Ward(load())
    low = np.array([70.0])
    measures = Measures.exact(low, low + 20, low, np.array([True]))
    identity, taken_at = np.array([1], np.uint64), np.array([0], np.int64)
    edges = ward.engine.advance(ward.slots, np.array([0]), identity, taken_at, measures)
    assert [ward.engine.rules[rule].name for rule in edges.rule] == ["artefact"]


@pytest.mark.parametrize("count", [0, SLOTS + 1])
def test_an_engine_without_rules_or_with_too_many_is_refused(count):
    with pytest.raises(ValueError, match=f"{count} rules"):
        Engine([HIGH] * count)
