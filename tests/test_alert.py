"""The alert: what it is as JSON, and by what it is known to be the same."""

import json

import msgspec
import pytest

from bpstream.alert import Alert, technical_id
from tests.stream.helpers import an_alert


def test_an_alert_as_json_has_every_field_with_null_where_there_is_nothing():
    alert = an_alert(patient_id=None, systolic=None, measure=None, limit=None)
    assert json.loads(alert.encode()) == {
        "alert_id": "00000000000000ff",
        "patient_id": None,
        "rule": "critical",
        "title": "Critical blood pressure",
        "kind": "physiological",
        "state": "firing",
        "severity": "high",
        "since": "2026-01-29T21:30:00.000000Z",
        "taken_at": "2026-01-29T21:32:51.619300Z",
        "message": "Critical blood pressure (high): 186/121.5 mmHg (mean 143)",
        "systolic": None,
        "diastolic": 121.5,
        "mean": 143.0,
        "measure": None,
        "limit": None,
        "limit_from": None,
        "document_id": None,
        "repeat": 0,
        "silenced": False,
        "by": None,
        "comment": None,
        "at": None,
    }


def test_an_alert_is_read_as_it_was_written():
    alert = an_alert(patient_id="Zoë|1", document_id="0123456789abcdef" * 2)
    assert msgspec.json.decode(alert.encode(), type=Alert) == alert
    assert b"\n" not in alert.encode()


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"taken_at": "2026-01-29T22:00:00Z", "systolic": 190.0, "message": "again"}, True),
        ({"alert_id": "00000000000000fe"}, False),
        ({"state": "recovered"}, False),
        ({"severity": "critical"}, False),
        ({"repeat": 1}, False),
    ],
)
def test_an_event_is_known_by_its_alert_its_state_its_severity_and_its_repeat(changes, same):
    assert (an_alert(**changes).key == an_alert().key) is same


def test_a_technical_alert_has_the_same_id_for_the_same_parts():
    parts = ("intake_paused", "bpstream", 3, [("fhir", 9, 2)])
    assert technical_id(*parts) == technical_id(*parts)
    others = {technical_id(*parts[:-1], [("fhir", offset, 2)]) for offset in range(100)}
    assert len(others) == 100
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in others)
    assert technical_id("a", "bc") != technical_id("ab", "c")
