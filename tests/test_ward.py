"""The ward's alerts: what is counted, when a sum fires, and that any owners and judges agree."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.alarms import Alarms
from bpstream.clinical.alarm_rule import Delay
from bpstream.clinical.alarm_rules import Rule, Severe
from bpstream.clinical.anomaly_counts import bucket_of, count
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from bpstream.ward import Judgement, Ward
from tests.pipeline.messages import Taken, a_pipeline, at, chunk, messages
from tests.pipeline.owner import Owner
from tests.test_silence import HIGH

SPIKE = Rule(
    name="spike",
    title="Many anomalies",
    severity=Severity.MEDIUM,
    when=parse("anomalies > 20"),
    until=parse("anomalies <= 15"),
    severe=Severe(parse("anomalies > 40"), Severity.HIGH),
    within=300,
)


def a_ward(*rules):
    return Ward(rules or [SPIKE], name="bpstream")


def told(alerts):
    return [(each.state, each.severity) for each in alerts]


FIRING, RISEN = ("firing", "medium"), ("changed", "high")


@pytest.mark.parametrize(("counts", "expected"), [((10, 10), []), ((10, 11), [FIRING])])
def test_the_partitions_are_added_up(counts, expected):
    ward = a_ward()
    for partition, found in enumerate(counts):
        ward.add(partition, {bucket_of(at(1)): found})
    assert told(ward.judge(at(1))) == expected


@pytest.mark.parametrize(
    ("minute", "expected"), [(0.9, []), (1, [FIRING]), (5.4, [FIRING]), (5.5, [])]
)
def test_only_what_was_taken_within_the_rules_time_before_now_is_counted(minute, expected):
    ward = a_ward()
    ward.add(0, {bucket_of(at(0.5)): 1, bucket_of(at(1)): 20})
    assert told(ward.judge(at(minute))) == expected


def test_an_alert_of_the_ward_explains_itself_and_keeps_its_id():
    ward = a_ward()
    ward.add(0, {bucket_of(at(1)): 25})
    (fired,) = ward.judge(at(1))
    assert (fired.patient_id, fired.rule, fired.measure, fired.limit) == (
        None,
        "spike",
        "anomalies",
        20.0,
    )
    assert fired.message == "Many anomalies: 25 anomalies in 5 min, limit 20"
    assert ward.shown()[0]["alert_id"] == fired.alert_id
    ward.add(1, {bucket_of(at(2)): 25})
    (changed,) = ward.judge(at(2))
    assert ward.judge(at(5)) == []
    (over,) = ward.judge(at(8))
    assert [changed.state, over.state] == ["changed", "recovered"]
    assert {each.alert_id for each in (fired, changed, over)} == {fired.alert_id}
    assert over.message == "Many anomalies: 0 anomalies in 5 min, over"
    assert ward.shown() == []


def test_an_alert_ends_where_the_count_is_low_enough():
    ward = a_ward()
    ward.add(0, {bucket_of(at(0)): 5, bucket_of(at(2)): 16})
    assert told(ward.judge(at(2))) == [FIRING]
    assert ward.judge(at(5)) == []  # 16 are left
    assert told(ward.judge(at(7))) == [("recovered", "medium")]


def test_of_two_counts_of_a_bucket_the_higher_is_the_later():
    ward = a_ward()
    for found in (21, 3):
        ward.add(0, {bucket_of(at(1)): found})
    assert told(ward.judge(at(1))) == [FIRING]


def test_a_bucket_that_is_looked_at_again_is_no_other_one_unless_there_is_more_in_it():
    ward = a_ward(replace(SPIKE, delay=Delay(readings=2)))
    bucket = bucket_of(at(1))
    ward.add(0, {bucket: 25})
    assert ward.judge(at(1)) == []
    ward.add(0, {bucket: 25})
    assert ward.judge(at(1)) == []
    ward.add(0, {bucket: 26})
    assert told(ward.judge(at(1))) == [FIRING]


def as_stored(judgement):
    return msgspec.json.decode(msgspec.json.encode(judgement), type=Judgement)


def test_another_judge_goes_on_with_the_alert():
    first, second = a_ward(), a_ward()
    first.add(0, {bucket_of(at(1)): 25})
    (fired,) = first.judge(at(1))
    second.go_on(as_stored(first.judgement(epoch=1)))
    second.add(0, {bucket_of(at(1)): 25})
    assert second.judge(at(2)) == []
    (over,) = second.judge(at(9))
    assert over.alert_id == fired.alert_id


def test_a_judge_that_crashed_left_what_it_was_to_say():
    first = a_ward()
    first.add(0, {bucket_of(at(1)): 25})
    alerts = first.judge(at(1))
    assert as_stored(first.judgement(epoch=1, unsaid=alerts)).unsaid == alerts


def test_the_alert_of_a_rule_that_was_removed_is_over():
    first, second = a_ward(), a_ward(replace(SPIKE, name="another"))
    first.add(0, {bucket_of(at(1)): 25})
    (fired,) = first.judge(at(1))
    second.go_on(as_stored(first.judgement(epoch=1)))
    (over,) = second.judge(at(2))
    assert (over.rule, over.state, over.alert_id) == ("spike", "recovered", fired.alert_id)
    assert second.judgement(epoch=2).standing == []


def test_a_ward_without_rules_asks_for_no_counts():
    assert Ward([], name="bpstream").within == 0
    assert Ward([], name="bpstream").judge(at(1)) == []


counts = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 90), st.integers(1, 12)), max_size=40)


@given(counts, st.data())
def test_how_often_it_is_judged_and_by_whom_makes_no_difference_once_all_is_counted(found, data):
    """A plain sum of the window that ends with each bucket, against any judges in a row."""
    start = bucket_of(at(0))
    total = dict.fromkeys(range(start - 30, start + 121), 0)
    ward, kept = a_ward(), {}
    for partition, later, more in found:
        held = kept.setdefault(partition, {})
        held[start + later] = held.get(start + later, 0) + more
        total[start + later] += more
    firing, expected = False, []
    for bucket in range(start, start + 121):
        window = sum(total[each] for each in range(bucket - 29, bucket + 1))
        if window > 20 and not firing:
            expected.append("firing")
        elif firing and window <= 15:
            expected.append("recovered")
        firing = window > 20 or (firing and window > 15)
    said = []
    # A judge that looks less often than a window lasts does not make up for it.
    looks = data.draw(st.sets(st.integers(start, start + 120))) | {*range(start, start + 121, 30)}
    for bucket in sorted(looks):
        for partition, held in kept.items():
            ward.add(partition, held)
        said += ward.judge(bucket * 10_000_000 + 1)
        if data.draw(st.booleans()):
            after = a_ward()
            after.go_on(as_stored(ward.judgement(epoch=1)))
            ward = after
    assert [each.state for each in said if each.state != "changed"] == expected


# What is counted.


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (Taken("a", systolic=150), 1),
        (Taken("a", diastolic=55), 1),
        (Taken("a"), 0),
        (Taken("a", systolic=150, minute=-16), 0),
        (Taken("a", systolic=150, aggregate=True), 0),
    ],
    ids=["high", "low", "normal", "late", "an aggregate"],
)
def test_what_is_counted_is_an_anomalous_live_reading(reading, expected):
    owner = Owner(a_pipeline(alarms=Alarms([HIGH, SPIKE])))
    owner.take(chunk(messages(reading)))
    assert sum(owner.partition.checkpoint.anomalies.values()) == expected


def test_a_reading_is_counted_once_over_repeats_corrections_and_crashes():
    owner = Owner(a_pipeline(alarms=Alarms([HIGH, SPIKE])))
    reading = Taken("a", systolic=150)
    held = chunk(messages(reading, reading, reading._replace(version=1, systolic=160)))
    owner.take(held, crash_after=1, torn=True)
    owner.take(held)
    assert owner.partition.checkpoint.anomalies == {bucket_of(at(0)): 1}


def test_without_a_rule_of_the_ward_nothing_is_counted():
    owner = Owner(a_pipeline(alarms=Alarms([HIGH])))
    owner.take(chunk(messages(Taken("a", systolic=150))))
    assert owner.partition.checkpoint.anomalies == {}


def test_what_is_older_than_any_window_is_forgotten_whatever_is_in_the_future():
    anomalies = {bucket_of(at(0)): 3, bucket_of(at(5)): 4}
    taken_at = np.array([at(9), at(18)])
    count(anomalies, taken_at, arrived_at=at(10), within=300)
    assert anomalies == {bucket_of(at(5)): 4, bucket_of(at(9)): 1, bucket_of(at(18)): 1}
