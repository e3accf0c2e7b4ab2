"""The Faust records: they read what is on the topics."""

from datetime import UTC, datetime

import pytest

from bpstream.simulator import Simulator
from bpstream.stream.records import AlertEvent, Observation

NOW = datetime(2026, 1, 29, 21, 32, 51, 619300, UTC)


def test_an_observation_of_the_simulator_is_read_with_all_its_parts():
    (message,) = Simulator(patients=1, seed=7).round(NOW)
    found = Observation.loads(message.value)
    assert (found.resourceType, found.status) == ("Observation", "final")
    assert found.subject.reference == "Patient/PAT-001"
    assert found.effectiveDateTime == NOW.isoformat()
    assert found.category[0].coding[0].code == "vital-signs"
    assert found.performer[0].reference == "Practitioner/PRAC-01"
    texts = [component.code.text for component in found.component]
    assert texts == ["Systolic Blood Pressure", "Diastolic Blood Pressure"]
    for component in found.component:
        assert component.valueQuantity.unit == "mmHg"
        assert 50 <= component.valueQuantity.value <= 190


def test_what_the_record_does_not_know_of_an_observation_is_passed_over():
    value = (
        b'{"resourceType": "Observation", "status": "final", "subject": {"type": "Patient"},'
        b' "bodySite": {"text": "left arm"}}'
    )
    found = Observation.loads(value)
    assert found.subject.reference is None
    assert found.component is None


@pytest.mark.parametrize("diastolic", [88.0, None])
def test_an_alert_is_what_it_was_when_it_comes_back_from_its_topic(diastolic):
    alert = AlertEvent(
        alert_id="a1",
        patient_id="p1",
        rule="crisis",
        state="firing",
        severity="critical",
        taken_at="2026-01-29T21:32:51.619300Z",
        systolic=190.0,
        diastolic=diastolic,
        limit=180.0,
    )
    assert AlertEvent.loads(alert.dumps()) == alert
    assert b"__faust" not in alert.dumps()
