"""Limits by patient: what may be set, what holds when, and what an alert says of it."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpstream.alarms import Alarms
from bpstream.clinical import alarm_rules
from bpstream.clinical.limits import CHILD, NAMES, defaults
from bpstream.document import iso, micros
from bpstream.limits import Change, LimitBook, PatientLimits, changed, effective
from tests.pipeline.histories import deliveries, histories, unhurried
from tests.pipeline.messages import Taken, a_pipeline, at, chunk, messages
from tests.pipeline.owner import Owner, patients_a_step

DEFAULTS = defaults(alarm_rules.load())
NOBODY = PatientLimits("p1")
NOW = at(0)


def set_limits(before: PatientLimits = NOBODY, *, now: int = NOW, **change: object):
    """`change` as a person sends it."""
    sent = {"by": "Dr Ada", "reason": "long-standing hypertension"} | change
    asked = msgspec.json.decode(json.dumps(sent), type=Change)
    return changed(before, asked, defaults=DEFAULTS, now=now)


def values(found: PatientLimits | None, minute: float = 0) -> dict[str, tuple[float, str]]:
    """What is not a default of what holds so many minutes after noon."""
    bounds = effective(found, DEFAULTS, now=at(minute))["bounds"]
    return {
        name: (each["value"], each["from"])
        for name, each in bounds.items()
        if each["from"] != "default"
    }


def a_book(*records: PatientLimits) -> LimitBook:
    book = LimitBook()
    for each in records:
        book.apply(each.patient_id.encode(), each.encode())
    return book


def test_nothing_set_is_the_default_of_every_limit_that_the_rules_have():
    found = effective(None, DEFAULTS, now=NOW)
    assert found["profile"] == {"name": "adult"}
    assert {name: each["value"] for name, each in found["bounds"].items()} == DEFAULTS


def test_a_limit_has_an_author_a_reason_and_an_end_of_its_own():
    first = set_limits(bounds={"systolic_high": 160}, expires=iso(at(60)))
    both = set_limits(first, bounds={"systolic_low": 100}, by="Dr Bob", reason="stroke", now=at(5))
    bounds = effective(both, DEFAULTS, now=at(6))["bounds"]
    assert bounds["systolic_high"] == {
        "value": 160.0,
        "by": "Dr Ada",
        "reason": "long-standing hypertension",
        "at": iso(NOW),
        "expires": iso(at(60)),
        "from": "patient",
    }
    assert (bounds["systolic_low"]["by"], bounds["systolic_low"]["expires"]) == ("Dr Bob", None)
    assert values(both, 59) == {
        "systolic_high": (160.0, "patient"),
        "systolic_low": (100.0, "patient"),
    }
    assert values(both, 60) == {"systolic_low": (100.0, "patient")}


def test_the_patients_limit_goes_before_the_profiles_and_that_before_the_default():
    found = set_limits(profile="intensive_care", bounds={"systolic_high": 150})
    assert values(found) == {
        "systolic_high": (150.0, "patient"),
        "diastolic_high": (100.0, "profile"),
        "severe_mean_low": (65.0, "profile"),
    }
    without = set_limits(found, bounds={"systolic_high": None})
    assert values(without)["systolic_high"] == (160.0, "profile")
    assert values(set_limits(without, profile="adult")) == {}


def test_a_patient_of_whom_nothing_is_set_any_more_leaves_no_record():
    found = set_limits(bounds={"systolic_high": 150})
    assert found.encode() is not None
    assert set_limits(found, bounds={"systolic_high": None}).encode() is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "nothing is to be set"),
        ({"profile": "pregnant"}, "did you mean pregnancy"),
        ({"bounds": {"systolic_high": 181}}, "the ceiling is 180"),
        ({"bounds": {"systolic_high": 85}}, "must stand in this order"),
        ({"bounds": {"pulse_high": 100}}, "no alarm rule has the limit"),
        ({"bounds": {"systolic_high": 150}, "expires": "2020-01-01"}, "would have ended already"),
        ({"bounds": {"systolic_high": 150}, "expires": "soon"}, "is no time"),
        ({"bounds": {"systolic_high": "150"}}, "Expected `float | null`"),
        ({"bounds": {"systolic_high": 150}, "by": " "}, "matching regex"),
        ({"bounds": {"systolic_high": 150}, "reason": ""}, "length >= 1"),
        ({"bounds": {"systolic_high": 150}, "author": "x"}, "unknown field"),
    ],
)
def test_what_nobody_may_set_is_refused_with_what_would_do(change, told):
    with pytest.raises(ValueError, match=told):
        set_limits(**change)


# As the alarms look them up.


def test_a_reading_is_judged_by_what_was_in_force_when_it_was_taken():
    book = a_book(
        set_limits(profile="intensive_care", bounds={"systolic_high": 150}, expires=iso(at(60)))
    )
    own = book.own(["p2", "p1", "p1"], np.array([at(1), at(59), at(60)]))
    assert own is not None
    assert own.at.tolist() == [1, 2]
    assert own.limits["systolic_high"][0] == 150
    assert np.isnan(own.limits["systolic_high"][1])
    assert own.limits["diastolic_high"][0] == 100
    assert list(own.limits) == list(NAMES)


def test_no_column_is_made_where_no_patient_has_limits():
    assert LimitBook().own(["p1"], np.array([NOW])) is None
    assert a_book(set_limits(profile="child")).own(["p2"], np.array([NOW])) is None


def test_a_limit_beyond_floor_or_ceiling_is_held_back_whoever_wrote_it():
    wild = b'{"patient_id":"p1","bounds":{"systolic_high":{"value":250,"by":"x","reason":"",'
    wild += b'"at":"2026-01-29T12:00:00.000000Z"}}}'
    book = LimitBook()
    book.apply(b"p1", wild)
    own = book.own(["p1"], np.array([NOW]))
    assert own is not None
    assert own.limits["systolic_high"].tolist() == [180.0]
    assert values(book.of("p1"))["systolic_high"] == (180.0, "patient")


@pytest.mark.parametrize(
    "value",
    [b"", b"x", b"{}", b'{"patient_id":1}', b'{"patient_id":"p1","bounds":{"systolic_high":5}}'],
)
def test_a_record_that_cannot_be_read_changes_nothing(value):
    book = a_book(set_limits(bounds={"systolic_high": 150}))
    with pytest.raises(ValueError, match=r".+"):
        book.apply(b"p1", value)
    assert values(book.of("p1")) == {"systolic_high": (150.0, "patient")}


def test_a_record_without_a_value_takes_the_patients_limits_away():
    book = a_book(set_limits(bounds={"systolic_high": 150}), PatientLimits("p2"))
    book.apply(b"p1", None)
    assert (book.of("p1"), len(book)) == (None, 0)
    book.apply(b"p1", set_limits(bounds={"systolic_high": 155}).encode())
    own = book.own(["p1"], np.array([NOW]))
    assert own is not None
    assert own.limits["systolic_high"].tolist() == [155.0]


def test_many_patients_limits_are_kept_apart():
    book = a_book(
        *(
            msgspec.structs.replace(
                set_limits(bounds={"systolic_high": 100 + n}), patient_id=f"p{n}"
            )
            for n in range(50)
        )
    )
    own = book.own([f"p{n}" for n in range(50)], np.full(50, NOW))
    assert own is not None
    assert own.limits["systolic_high"].tolist() == [100 + n for n in range(50)]


# In alerts.


def an_owner(book: LimitBook) -> Owner:
    return Owner(a_pipeline(alarms=Alarms(alarm_rules.load(), book)))


def taken(owner: Owner, *pressures: tuple[float, float], start: int = 0):
    """The alerts that readings of p1, a minute apart, raise."""
    readings = [
        Taken(f"o{start + n}", minute=start + n, systolic=high, diastolic=low)
        for n, (high, low) in enumerate(pressures)
    ]
    before = len(owner.alerts)
    held = messages(*readings, minute=start + len(readings))
    owner.take(chunk([each._replace(offset=start + each.offset) for each in held]))
    return [(each.rule, each.state, each.limit, each.limit_from) for each in owner.alerts[before:]]


def test_an_alert_says_the_limit_that_holds_for_the_patient_and_whence_it_is():
    book = a_book(set_limits(bounds={"systolic_high": 130}, profile="pregnancy"))
    assert taken(an_owner(book), (135, 80), (135, 80), (165, 80)) == [
        ("systolic_hypertension", "firing", 130.0, "patient"),
        ("systolic_hypertension", "changed", 160.0, "profile"),
    ]
    assert taken(an_owner(LimitBook()), (150, 80), (150, 80)) == [
        ("systolic_hypertension", "firing", 140.0, "default")
    ]


def test_an_alert_that_fires_while_its_limit_changes_goes_on_under_the_new_one():
    book = LimitBook()
    owner = an_owner(book)
    assert taken(owner, (150, 80), (150, 80))[0][:2] == ("systolic_hypertension", "firing")
    fired = owner.alerts[-1].alert_id
    book.apply(b"p1", set_limits(bounds={"systolic_high": 160}).encode())
    assert taken(owner, (150, 80), start=2) == []
    # Two readings that are 5 mmHg back from the new limit end it, as from the old one.
    assert taken(owner, (150, 80), start=3) == [("systolic_hypertension", "recovered", None, None)]
    assert owner.alerts[-1].alert_id == fired


def test_a_correction_is_judged_by_the_patients_limits_too():
    book = a_book(set_limits(bounds={"systolic_high": 130}))
    owner = an_owner(book)
    reading = Taken("o2", minute=2, systolic=120)
    owner.take(chunk(messages(Taken("o1", minute=1, systolic=135), reading, minute=3)))
    assert owner.alerts == []
    corrected = messages(reading._replace(systolic=135, version=2), minute=4)
    owner.take(chunk([each._replace(offset=9) for each in corrected]))
    (alert,) = owner.alerts
    assert (alert.rule, alert.limit, alert.limit_from) == (
        "systolic_hypertension",
        130.0,
        "patient",
    )


def test_a_child_that_the_message_does_not_tell_of_is_not_judged():
    assert taken(an_owner(a_book(set_limits(profile=CHILD))), (200, 130), (200, 130)) == []


def test_a_time_without_a_zone_is_in_utc():
    assert micros("2026-01-29T12:00") == NOW == micros("2026-01-29T13:00+01:00")


@settings(unhurried, max_examples=15)
@given(histories(), deliveries, st.integers(1, 4))
def test_with_limits_too_any_chunks_steps_and_crashes_raise_the_alerts_of_one_pass(
    history, plan, most
):
    book = a_book(
        set_limits(bounds={"systolic_high": 120, "systolic_low": 119}, profile="intensive_care")
    )
    owner, expected, held = an_owner(book), an_owner(book), history.messages
    expected.take(chunk(held))
    with patients_a_step(most):
        position = 0
        for size, crash_after, torn, back in plan:
            owner.take(chunk(held[position : position + size]), crash_after=crash_after, torn=torn)
            position = position + size if crash_after is None else max(0, position - back)
        owner.take(chunk(held[position:]))
    assert owner.alerts_once() == expected.alerts_once()
