"""Alarms of a step: which readings raise alerts, and what an alert says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.alarms import Alarms
from bpstream.alert import Alert
from bpstream.clinical.alarm_rules import Delay, Kind, Rule, Severe
from bpstream.clinical.alerts import alert_id
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from bpstream.memory import identities
from tests.pipeline.histories import deliveries, histories, unhurried
from tests.pipeline.messages import Message, Taken, a_pipeline, at, body, chunk, messages
from tests.pipeline.owner import Owner, patients_a_step

HIGH = Rule(
    name="high",
    title="High pressure",
    severity=Severity.MEDIUM,
    when=parse("systolic > 140"),
    severe=Severe(parse("systolic >= 180"), Severity.CRITICAL),
)
LOW = Rule(name="low", title="Low pressure", severity=Severity.HIGH, when=parse("systolic < 90"))
LOW_MEAN = Rule(name="low_mean", title="Low", severity=Severity.HIGH, when=parse("mean < 55"))
ARTEFACT = Rule(
    name="artefact",
    title="Artefact",
    kind=Kind.TECHNICAL,
    severity=Severity.LOW,
    when=parse("artefact >= 1"),
)
RULES = (HIGH, LOW, LOW_MEAN, ARTEFACT)

OFFENDING = Taken("o1", minute=1, systolic=150, diastolic=80)
CHILD = {"contained": [{"resourceType": "Patient", "id": "p1", "birthDate": "2020-05-01"}]}


def an_owner(*rules: Rule) -> Owner:
    return Owner(a_pipeline(alarms=Alarms(rules or RULES)))


def raised(*values: Taken | bytes, minute: float = 5) -> list[Alert]:
    """The alerts of readings that arrived at once, so many minutes after noon."""
    owner = an_owner()
    owner.take(chunk(messages(*values, minute=minute)))
    return owner.alerts


def told(alerts: list[Alert]) -> list[tuple[str, str, str]]:
    return [(alert.rule, alert.state, alert.severity) for alert in alerts]


def an_observation(reading: Taken, *, comparator: str = "", **changes: Any) -> bytes:
    """A reading as a message; the comparator is systolic's."""
    observation = reading.observation() | changes
    if comparator:
        observation["component"][0]["valueQuantity"]["comparator"] = comparator
    return json.dumps(observation).encode()


# What an alert says.


def test_an_alert_explains_itself():
    assert raised(OFFENDING) == [
        Alert(
            alert_id=f"{int(alert_id('high', identities([OFFENDING.document_id]))[0]):016x}",
            patient_id="p1",
            rule="high",
            title="High pressure",
            kind="physiological",
            state="firing",
            severity="medium",
            since="2026-01-29T12:01:00.000000Z",
            taken_at="2026-01-29T12:01:00.000000Z",
            message="High pressure: 150/80 mmHg, systolic limit 140",
            systolic=150.0,
            diastolic=80.0,
            mean=103.33,
            measure="systolic",
            limit=140.0,
            limit_from="default",
            document_id=OFFENDING.document_id,
        )
    ]


def test_an_alert_keeps_its_id_and_its_beginning_until_it_recovers():
    readings = [
        OFFENDING,
        OFFENDING._replace(name="o2", minute=2, systolic=185),
        OFFENDING._replace(name="o3", minute=3, systolic=150),
        OFFENDING._replace(name="o4", minute=4, systolic=120),
    ]
    fired, changed, recovered = raised(*readings)
    assert told([fired, changed, recovered]) == [
        ("high", "firing", "medium"),
        ("high", "changed", "critical"),
        ("high", "recovered", "critical"),
    ]
    assert {(each.alert_id, each.since) for each in (changed, recovered)} == {
        (fired.alert_id, fired.since)
    }
    assert (changed.taken_at, changed.limit) == ("2026-01-29T12:02:00.000000Z", 180.0)
    assert (recovered.taken_at, recovered.measure) == ("2026-01-29T12:04:00.000000Z", None)
    assert recovered.limit is None
    assert recovered.message == "High pressure: 120/80 mmHg, over"


def test_what_was_not_measured_is_null_and_a_question_mark():
    (alert,) = raised(OFFENDING._replace(diastolic=None))
    assert (alert.systolic, alert.diastolic, alert.mean) == (150.0, None, None)
    assert "150/? mmHg" in alert.message


def test_a_reading_may_raise_several_alerts_in_the_order_of_the_rules():
    alerts = raised(Taken("o", minute=1, systolic=70, diastolic=40))
    assert told(alerts) == [("low", "firing", "high"), ("low_mean", "firing", "high")]
    assert alerts[0].alert_id != alerts[1].alert_id


def test_every_patient_has_alerts_of_their_own():
    alerts = raised(OFFENDING, OFFENDING._replace(patient="p2"), Taken("b", "p3", 1))
    assert [alert.patient_id for alert in alerts] == ["p1", "p2"]


# Which readings raise alerts.


@pytest.mark.parametrize(
    "value",
    [
        OFFENDING._replace(aggregate=True),
        an_observation(OFFENDING, **CHILD),
        OFFENDING._replace(minute=-15),
        b"rubbish",
    ],
    ids=["an aggregate", "a child's", "late on its way", "rubbish"],
)
def test_what_is_no_adults_live_reading_raises_none(value):
    assert raised(value) == []


def test_a_reading_older_than_the_newest_neither_raises_nor_recovers():
    newest = Taken("newest", minute=4)
    assert raised(newest, OFFENDING) == []
    alerts = raised(OFFENDING._replace(minute=4), Taken("older", minute=3))
    assert told(alerts) == [("high", "firing", "medium")]


@pytest.mark.parametrize(("systolic", "diastolic"), [(190, 195), (70, 75)])
def test_an_implausible_reading_raises_the_artefact_and_nothing_else(systolic, diastolic):
    (alert,) = raised(Taken("o", minute=1, systolic=systolic, diastolic=diastolic))
    assert (alert.rule, alert.kind, alert.severity) == ("artefact", "technical", "low")
    assert (alert.measure, alert.limit) == ("artefact", 1.0)
    assert alert.message.startswith(f"Artefact: {systolic}/{diastolic} mmHg")


def test_an_implausible_reading_does_not_recover_what_fires():
    alerts = raised(OFFENDING, OFFENDING._replace(name="o2", minute=2, systolic=70, diastolic=90))
    assert told(alerts) == [("high", "firing", "medium"), ("artefact", "firing", "low")]


# Values that are bounds.


@pytest.mark.parametrize(
    ("rule", "comparator", "value", "fires", "clears"),
    [
        (HIGH, ">", 170, True, False),
        (HIGH, ">", 140, True, False),
        (HIGH, ">=", 141, True, False),
        (HIGH, ">=", 140, False, False),
        (HIGH, ">", 120, False, False),
        (HIGH, "<", 141, False, False),
        (HIGH, "<=", 140, False, True),
        (HIGH, "<", 120, False, True),
        (LOW, "<", 80, True, False),
        (LOW, "<", 90, True, False),
        (LOW, "<=", 89, True, False),
        (LOW, "<=", 90, False, False),
        (LOW, "<", 120, False, False),
        (LOW, ">", 85, False, False),
        (LOW, ">", 89, False, False),
        (LOW, ">=", 90, False, True),
        (LOW, ">", 90, False, True),
    ],
)
def test_a_bound_fires_or_clears_only_where_it_is_certain(rule, comparator, value, fires, clears):
    bound = Taken("bound", minute=2, systolic=value, diastolic=None)
    first = Taken("first", minute=1, systolic=150 if rule is HIGH else 80, diastolic=None)
    for before, states in (
        ([], ["firing"] * fires),
        ([first], ["firing"] + ["recovered"] * clears),
    ):
        owner = an_owner(rule)
        owner.take(chunk(messages(*before, an_observation(bound, comparator=comparator), minute=5)))
        assert [alert.state for alert in owner.alerts] == states


@pytest.mark.parametrize(
    ("comparator", "value", "severities"),
    [
        (">", 200, ["critical"]),
        (">=", 180, ["critical"]),
        (">", 179, ["medium"]),
        ("<", 200, []),
    ],
)
def test_a_bound_is_severe_only_where_that_is_certain(comparator, value, severities):
    bound = Taken("bound", minute=1, systolic=value, diastolic=None)
    alerts = raised(an_observation(bound, comparator=comparator))
    assert [alert.severity for alert in alerts] == severities


@pytest.mark.parametrize(("measured", "rules"), [(None, []), (50, ["low_mean"])])
def test_a_mean_that_was_computed_from_a_bound_says_nothing(measured, rules):
    reading = Taken("o", minute=1, systolic=95, diastolic=30)
    observation = json.loads(an_observation(reading, comparator=">="))
    if measured is not None:
        value = {**observation["component"][1]["valueQuantity"], "value": measured}
        code = {"coding": [{"system": "http://loinc.org", "code": "8478-0"}]}
        observation["component"].append({"code": code, "valueQuantity": value})
    assert [alert.rule for alert in raised(json.dumps(observation).encode())] == rules
    assert [alert.rule for alert in raised(reading)] == ["low_mean"]


@pytest.mark.parametrize(
    ("comparator", "mean", "rules"),
    [("", 50, ["low_mean"]), (">", 50, []), (">=", 50, []), ("<", 50, ["low_mean"]), ("<", 90, [])],
)
def test_a_mean_that_is_a_bound_fires_only_where_it_is_certain(comparator, mean, rules):
    observation = json.loads(an_observation(Taken("o", minute=1, systolic=120, diastolic=80)))
    value = {**observation["component"][1]["valueQuantity"], "value": mean}
    if comparator:
        value["comparator"] = comparator
    code = {"coding": [{"system": "http://loinc.org", "code": "8478-0"}]}
    observation["component"].append({"code": code, "valueQuantity": value})
    assert [alert.rule for alert in raised(json.dumps(observation).encode())] == rules


# However the readings come.


SLOW = Rule(
    name="slow",
    title="Slow",
    severity=Severity.LOW,
    when=parse("systolic > 130 or diastolic > 85"),
    delay=Delay(2),
    clear=2,
    deadband=5,
    severe=Severe(parse("systolic > 145"), Severity.HIGH),
)
LASTING = Rule(
    name="lasting",
    title="Lasting",
    severity=Severity.HIGH,
    when=parse("diastolic < 70"),
    delay=Delay(seconds=300),
)


@unhurried
@given(histories(), deliveries, st.integers(1, 4))
def test_any_chunks_steps_and_crashes_raise_the_alerts_of_one_pass(history, plan, most):
    owner, expected, held = an_owner(SLOW, LASTING), an_owner(SLOW, LASTING), history.messages
    expected.take(chunk(held))
    with patients_a_step(most):
        position = 0
        for size, crash_after, torn, back in plan:
            owner.take(chunk(held[position : position + size]), crash_after=crash_after, torn=torn)
            position = position + size if crash_after is None else max(0, position - back)
        owner.take(chunk(held[position:]))
    # A crash may say an alert again, and never another.
    assert owner.alerts_once() == expected.alerts_once()


def test_an_alert_goes_on_after_a_crash_with_the_id_it_had():
    readings = [OFFENDING, Taken("o2", minute=2, systolic=150), Taken("o3", minute=3)]
    held = [Message(n, body(each), at(5)) for n, each in enumerate(readings)]
    owner = an_owner()
    owner.take(chunk(held[:2]))
    owner.recover()
    owner.take(chunk(held[1:]))
    fired, recovered = owner.alerts
    assert (fired.alert_id, fired.since) == (recovered.alert_id, recovered.since)
    assert (fired.state, recovered.state) == ("firing", "recovered")
