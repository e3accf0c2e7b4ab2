"""What never changes a reading: order, unit, envelope, zone and spelling; and building it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.fhir.build import observation, original_observation
from bpstream.fhir.quantity import UCUM
from bpstream.reading import Ignored
from tests.fhir.messages import (
    THOROUGHLY,
    a_bundle,
    an_observation,
    component,
    fates,
    parse,
    the_reading,
)

MMHG_PER = {"mm[Hg]": 1.0, "kPa": 7.50062, "cm[H2O]": 0.735559}
SYSTOLIC, DIASTOLIC = st.floats(31, 349), st.floats(11, 249)
IDENTITIES = st.sampled_from(
    [
        {},
        {"id": None, "identifier": [{"system": "s", "value": "v"}]},
        {"meta": {"versionId": "3", "source": "urn:x"}},
    ]
)


def three_components(systolic: float, diastolic: float) -> list[dict[str, Any]]:
    mean = (systolic + 2 * diastolic) / 3
    codes = (("8480-6", systolic), ("8462-4", diastolic), ("8478-0", min(max(mean, 11), 349)))
    return [component(code, value) for code, value in codes]


@THOROUGHLY
@given(SYSTOLIC, DIASTOLIC, st.permutations(range(3)), IDENTITIES | st.just({"id": None}))
def test_the_order_of_components_changes_nothing(
    systolic: float, diastolic: float, order: list[int], identity: dict[str, Any]
) -> None:
    components = three_components(systolic, diastolic)
    shuffled = [components[i] for i in order]
    assert the_reading(an_observation(component=shuffled, **identity)) == the_reading(
        an_observation(component=components, **identity)
    )


@THOROUGHLY
@given(SYSTOLIC, DIASTOLIC, st.sampled_from(sorted(MMHG_PER)), IDENTITIES)
def test_the_unit_changes_nothing(
    systolic: float, diastolic: float, unit: str, identity: dict[str, Any]
) -> None:
    components = three_components(systolic, diastolic)
    measured = the_reading(an_observation(component=components, **identity))
    for each in components:
        value = each["valueQuantity"]["value"] / MMHG_PER[unit]
        each["valueQuantity"] = {"value": value, "system": UCUM, "code": unit}
    found = the_reading(an_observation(component=components, **identity))
    for name in ("systolic", "diastolic", "mean"):
        assert getattr(found, name) == pytest.approx(getattr(measured, name), abs=1e-9)
    assert found._replace(systolic=None, diastolic=None, mean=None) == measured._replace(
        systolic=None, diastolic=None, mean=None
    )


def enveloped(message: dict[str, Any]) -> dict[str, object]:
    """The same Observation as it may arrive."""
    other = {"resourceType": "Patient", "id": "p9", "birthDate": "2020-01-01"}
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    searched: list[dict[str, object]] = [
        {"resource": outcome, "search": {"mode": "outcome"}},
        {"fullUrl": "https://x/Observation/o1", "resource": message, "search": {"mode": "match"}},
        {"resource": other},
    ]
    status = {"resourceType": "SubscriptionStatus", "type": "event-notification"}
    lines = [json.dumps(each).encode() for each in (other, message)]
    return {
        "alone": message,
        "collection": a_bundle(message),
        "transaction": a_bundle(other, message, type="transaction"),
        "searchset": a_bundle(type="searchset", total=1, entry=searched),
        "notification": a_bundle(status, message, type="subscription-notification"),
        "bundle in a bundle": a_bundle(a_bundle(message)),
        "lines": b"\n\n".join(lines) + b"\n",
        "lines of Windows": b"\r\n".join(lines),
        "marked": b"\xef\xbb\xbf" + lines[1],
        "marked lines": b"\xef\xbb\xbf" + b"\n".join(lines),
        "spread over lines": json.dumps(message, indent=2).replace("\n", "\r\n").encode(),
        "in a blank": b" \r\n" + lines[1] + b"\r\n",
    }


@THOROUGHLY
@given(SYSTOLIC, DIASTOLIC, IDENTITIES | st.just({"id": None}))
def test_the_envelope_changes_nothing(
    systolic: float, diastolic: float, identity: dict[str, Any]
) -> None:
    message = an_observation(systolic, diastolic, **identity)
    alone = the_reading(message)
    for name, value in enveloped(message).items():
        readings = [each for _, each in fates(parse(value)) if not isinstance(each, Ignored)]
        assert readings == [alone], name


@THOROUGHLY
@given(
    st.datetimes(datetime(1901, 1, 1), datetime(2026, 1, 28)),
    st.integers(-14 * 60, 14 * 60),
    IDENTITIES | st.just({"id": None}),
)
def test_the_zone_changes_only_how_the_time_is_written(
    moment: datetime, minutes: int, identity: dict[str, Any]
) -> None:
    here = moment.replace(tzinfo=UTC)
    there = here.astimezone(timezone(timedelta(minutes=minutes)))
    readings = [
        the_reading(an_observation(effectiveDateTime=each.isoformat(), **identity))
        for each in (here, there)
    ]
    assert [each.details.original_time for each in readings] == [
        here.isoformat(),
        there.isoformat(),
    ]
    for each in readings:
        each.details.original_time = ""
    assert readings[0] == readings[1]


NAMES = st.text("abcXYZ0123456789-.", min_size=1, max_size=64)


@pytest.mark.parametrize("build", [observation, original_observation])
@THOROUGHLY
@given(NAMES, NAMES, st.none() | NAMES, st.floats(30, 350), st.floats(10, 250), st.data())
def test_what_is_built_is_read_as_it_was(
    build: Any,
    name: str,
    patient: str,
    by: str | None,
    systolic: float,
    diastolic: float,
    data: st.DataObject,
) -> None:
    moment = data.draw(st.datetimes(datetime(1900, 1, 1), datetime(2026, 1, 29)))
    taken_at = moment.replace(tzinfo=UTC).isoformat()
    found = the_reading(
        build(
            observation_id=name,
            patient_id=patient,
            taken_at=taken_at,
            systolic=systolic,
            diastolic=diastolic,
            practitioner_id=by,
        )
    )
    assert found.patient_id == patient
    assert (found.systolic, found.diastolic) == (systolic, diastolic)
    assert found.taken_at == (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    about = found.details
    assert (about.observation_id, about.practitioner_id, about.original_time) == (
        name,
        by,
        taken_at,
    )
