"""Rows and rules that changed between two runs: alerts go on, or are over; none is left."""

from dataclasses import replace

import pytest

from bpstream.alarms import Alarms
from bpstream.clinical.alarm_rules import Delay, Rule
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from bpstream.fitting import fit, names_of
from tests.pipeline.messages import Taken, a_pipeline, at, chunk, messages
from tests.pipeline.owner import Owner

HIGH = Rule(name="high", title="High", severity=Severity.HIGH, when=parse("systolic > 140"))
LOW = Rule(name="low", title="Low", severity=Severity.HIGH, when=parse("systolic < 90"))
WAITS = replace(HIGH, name="waits", delay=Delay(2))


def an_owner(*rules, systolic=150):
    owner = Owner(a_pipeline(alarms=Alarms(rules)))
    owner.take(chunk(messages(Taken("a", systolic=systolic))))
    return owner


def told(owner, rules, before):
    alerts, changed = fit(owner.partition.patients, rules, names_of(before), now=at(9))
    return [(each.rule, each.state, each.alert_id) for each in alerts], changed


@pytest.mark.parametrize("rules", [(LOW, HIGH), (WAITS, LOW, HIGH)])
def test_an_alert_goes_on_where_its_rule_stands_now(rules):
    owner = an_owner(HIGH, LOW)
    assert told(owner, rules, (HIGH, LOW)) == ([], ["p1"])
    owner.pipeline = a_pipeline(alarms=Alarms(rules))
    (message,) = messages(Taken("b", minute=1, systolic=120), minute=1)
    owner.take(chunk([message._replace(offset=1)]))
    fired, *_, recovered = owner.alerts
    assert (recovered.state, recovered.alert_id) == ("recovered", fired.alert_id)


def test_what_a_removed_rule_has_left_firing_is_over():
    owner = an_owner(HIGH, LOW)
    (fired,) = owner.alerts
    assert told(owner, [LOW], (HIGH, LOW)) == ([("high", "recovered", fired.alert_id)], ["p1"])
    assert told(owner, [LOW], (HIGH, LOW)) == ([], [])


def test_the_alert_of_a_removed_rule_says_whose_it_was_and_why_it_is_over():
    alerts, _ = fit(an_owner(HIGH).partition.patients, [LOW], names_of([HIGH]), now=at(9))
    (over,) = alerts
    assert (over.patient_id, over.title, over.severity) == ("p1", "High", "high")
    assert (over.since, over.taken_at) == (
        "2026-01-29T12:00:00.000000Z",
        "2026-01-29T12:09:00.000000Z",
    )
    assert over.message == "High: over; its rule was removed"


def test_what_only_waited_to_fire_ends_without_a_word():
    owner = an_owner(WAITS)
    assert told(owner, [LOW], [WAITS]) == ([], ["p1"])


def test_the_same_rules_change_nothing():
    owner = an_owner(HIGH, LOW)
    assert told(owner, (HIGH, LOW), (HIGH, LOW)) == ([], [])


def test_an_alert_whose_rule_nobody_remembers_is_over_all_the_same():
    owner = an_owner(HIGH)
    (fired,) = owner.alerts
    assert told(owner, [LOW], []) == ([("removed", "recovered", fired.alert_id)], ["p1"])
