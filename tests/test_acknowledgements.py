"""What people said of alerts: who acknowledged what, and what a silence covers for how long."""

import msgspec
import pytest

from bpstream.acknowledgements import (
    Acknowledge,
    Acknowledgement,
    SaidBook,
    Silence,
    Silencing,
    silence_of,
)
from bpstream.document import iso
from tests.pipeline.messages import at

ALERT = "00000000000000ff"


def said(by: str = "Ann", severity: str = "high", alert_id: str = ALERT) -> Acknowledgement:
    return Acknowledgement(
        alert_id=alert_id,
        patient_id="p1",
        rule="critical",
        severity=severity,
        by=by,
        comment="on my way",
        at=iso(at(0)),
    )


def a_silence(minutes: int = 60, **of: str | None) -> Silence:
    return silence_of(Silencing(by="Ann", minutes=minutes, **of), now=at(0))


def a_book(*records: Acknowledgement | Silence) -> SaidBook:
    book = SaidBook()
    for each in records:
        book.apply(each.key, each.encode())
    return book


@pytest.mark.parametrize(
    ("acknowledged", "now", "holds"),
    [
        ("high", "high", True),
        ("critical", "high", True),
        ("high", "critical", False),
        ("low", "medium", False),
    ],
)
def test_an_acknowledgement_holds_until_the_alert_is_more_severe(acknowledged, now, holds):
    book = a_book(said(severity=acknowledged))
    assert (book.acknowledgement(ALERT, now) is not None) is holds
    assert book.was_acknowledged(ALERT)


def test_of_two_who_acknowledge_the_same_the_first_counts():
    book = a_book(said("Ann"), said("Bob"))
    found = book.acknowledgement(ALERT, "high")
    assert found is not None
    assert found.by == "Ann"
    book.apply(ALERT.encode(), said("Bob", "critical").encode())
    found = book.acknowledgement(ALERT, "critical")
    assert found is not None
    assert found.by == "Bob"


def test_an_alert_that_is_over_is_forgotten():
    book = a_book(said())
    book.apply(ALERT.encode(), None)
    assert book.acknowledgement(ALERT, "low") is None
    assert not book.was_acknowledged(ALERT)


@pytest.mark.parametrize("value", [b"", b"x", b"{}", b'{"type":"silence"}', b'{"type":"x"}'])
def test_a_record_that_cannot_be_read_changes_nothing(value):
    book = a_book(said())
    with pytest.raises(ValueError, match=r".+"):
        book.apply(ALERT.encode(), value)
    assert book.was_acknowledged(ALERT)


@pytest.mark.parametrize(
    ("of", "patient", "rule", "covers"),
    [
        ({"patient_id": "p1"}, "p1", "critical", True),
        ({"patient_id": "p1"}, "p2", "critical", False),
        ({"rule": "critical"}, "p2", "critical", True),
        ({"rule": "critical"}, "p2", "artefact", False),
        ({"patient_id": "p1", "rule": "critical"}, "p1", "critical", True),
        ({"patient_id": "p1", "rule": "critical"}, "p1", "artefact", False),
        ({"patient_id": "p1"}, None, "intake_paused", False),
        ({"rule": "intake_paused"}, None, "intake_paused", True),
    ],
)
def test_a_silence_covers_its_patient_and_its_rule(of, patient, rule, covers):
    book = a_book(a_silence(**of))
    assert (book.silence(patient, rule, "high", now=at(1)) is not None) is covers


@pytest.mark.parametrize(
    ("minutes", "severity", "after", "covers"),
    [
        (60, "high", 59.9, True),
        (60, "high", 60, False),
        (1440, "high", 1439, True),
        (1440, "critical", 119.9, True),
        (1440, "critical", 120, False),
        (60, "critical", 60, False),
    ],
)
def test_a_silence_ends_and_for_what_is_critical_within_two_hours(minutes, severity, after, covers):
    book = a_book(a_silence(minutes, patient_id="p1"))
    assert (book.silence("p1", "critical", severity, now=at(after)) is not None) is covers


def test_a_later_silence_of_the_same_takes_the_place_of_the_earlier_one():
    first, second = a_silence(60, patient_id="p1"), a_silence(5, patient_id="p1")
    assert first.key == second.key
    book = a_book(first, second)
    assert [each["until"] for each in book.silences(now=at(1))] == [iso(at(5))]
    book.apply(first.key, None)
    assert book.silences(now=at(1)) == []


def test_the_silence_that_lasts_longest_is_told():
    book = a_book(a_silence(5, patient_id="p1"), a_silence(60, rule="critical"))
    found = book.silence("p1", "critical", "high", now=at(1))
    assert found is not None
    assert found.until == iso(at(60))
    assert [each["until"] for each in book.silences(now=at(1))] == [iso(at(5)), iso(at(60))]
    assert [each["until"] for each in book.silences(now=at(6))] == [iso(at(60))]


def test_a_silences_key_is_never_an_alerts():
    assert a_silence(patient_id=ALERT).key != ALERT.encode()
    assert a_silence(patient_id="a").key != a_silence(rule="a").key


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Acknowledge),
        (b"{}", Acknowledge),
        (b'{"by":""}', Acknowledge),
        (b'{"by":" "}', Acknowledge),
        (b'{"by":"%b"}' % (b"x" * 101), Acknowledge),
        (b'{"by":"a","comment":"%b"}' % (b"x" * 1001), Acknowledge),
        (b'{"by":"a","at":"2026-01-29"}', Acknowledge),
        (b'{"by":"a","minutes":-1,"rule":"r"}', Silencing),
        (b'{"by":"a","minutes":1441,"rule":"r"}', Silencing),
        (b'{"by":"a","minutes":1.5,"rule":"r"}', Silencing),
        (b'{"by":"a","minutes":5,"rule":""}', Silencing),
    ],
    ids=lambda each: each[:30] if isinstance(each, bytes) else each.__name__,
)
def test_what_says_too_little_or_too_much_is_refused(body, kind):
    with pytest.raises(ValueError, match=r".+"):
        msgspec.json.decode(body, type=kind)


def test_a_silence_of_everything_is_refused():
    with pytest.raises(ValueError, match="name one"):
        a_silence()
