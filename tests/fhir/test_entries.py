"""Entries: each stands for itself, wherever it came from.  The way home relies on it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.fhir.quantity import UCUM
from bpstream.reading import Ignored, Rejected, Retraction
from tests.fhir.messages import (
    ARRIVED,
    TAKEN,
    THOROUGHLY,
    Fate,
    Row,
    a_bundle,
    a_single,
    an_observation,
    component,
    concept,
    fates,
    parse,
    the_fate,
)

SAMPLES = Path(__file__).parents[1] / "samples"
URN = "urn:uuid:7c1b1e5a-0000-4000-8000-000000000001"
HTEST = [{"code": "HTEST"}]
LATER = "2026-01-29T21:32:00"
PERIOD = {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-01-29T20:00:00+02:00"}}
SAMPLED = {"origin": {"value": 0, "system": UCUM, "code": "mm[Hg]"}, "period": 1000.5}


def a_series(code: str, data: str, **changes: Any) -> dict[str, Any]:
    series = {"valueQuantity": None, "valueSampledData": SAMPLED | {"data": data}}
    return a_single(code, 0, **(series | PERIOD | changes))


def a_component_series(code: str, data: str) -> dict[str, Any]:
    return {"code": concept(code), "valueSampledData": SAMPLED | {"data": data}}


SERIES = [a_component_series("8480-6", "120 E 130 L 140"), a_component_series("8462-4", "80 1 9")]
AVERAGE = {"code": concept("97844-5"), "component": [component("8490-5", 130)]}
ENTRIES: list[dict[str, Any]] = [
    {"resource": each}
    for each in (
        an_observation(),
        an_observation(id=None, subject={"reference": URN}, performer=[{"reference": URN}]),
        an_observation(id="o2", subject={"identifier": {"system": "s", "value": "v"}}),
        an_observation(id="o3", effectiveDateTime=None, meta={"lastUpdated": TAKEN}),
        an_observation(id="o4", effectiveDateTime="2026-01", status="unknown"),
        an_observation(id="o5", status="entered-in-error"),
        an_observation(id=None, identifier={"value": "v"}, status="entered-in-error"),
        an_observation(400),
        an_observation(component=[]),
        an_observation(code=concept("8867-4"), component=None),
        an_observation(subject=None),
        an_observation(**AVERAGE, **PERIOD),
        a_single("8480-6", 120),
        a_single("8462-4", 80),
        a_single("8480-6", 118, id="s", effectiveDateTime=LATER),
        a_single("8462-4", 78, id=None, effectiveDateTime=LATER, component=[]),
        a_single("8478-0", 93),
        a_single("8462-4", 81, id="again", device={"reference": URN}),
        a_series("8480-6", "120 121 E 123"),
        a_series("8462-4", "80 81 82 L"),
        a_series("8480-6", "99 E", id=None, status="entered-in-error"),
        an_observation(id="o6", component=[SERIES[0], SERIES[1] | SERIES[0] | SERIES[1]]),
        an_observation(
            id="o7",
            component=[
                a_component_series("8480-6", "120 E 130 L 140"),
                a_component_series("8462-4", "80 81 82 83 400"),
            ],
            **PERIOD,
        ),
        an_observation(
            id="o8", subject={"reference": "#c"}, contained=[{"resourceType": "Patient", "id": "c"}]
        ),
        {"resourceType": "Patient", "id": "p1", "birthDate": "2020-05-05"},
        {"resourceType": "Bundle", "type": "batch"},
        {"resourceType": "OperationOutcome"},
        {"no": "type"},
    )
]
ENTRIES += [
    {"fullUrl": URN, "resource": {"resourceType": "Patient", "id": "p7", "birthDate": "2019"}},
    {"request": {"method": "DELETE", "url": "Observation/o1"}},
    {"request": {"method": "DELETE", "url": "Observation?identifier=s|v"}},
    {"resource": an_observation(id="gone"), "request": {"method": "DELETE", "url": "x"}},
    {"resource": an_observation(), "modifierExtension": [{"url": "x"}]},
    {"resource": a_bundle(an_observation(), implicitRules="x")},
    {"resource": a_bundle(an_observation(subject={"reference": URN}), meta={"tag": HTEST})},
    {"resource": an_observation(subject={"identifier": {"system": "s", "value": "v"}})},
    {"resource": an_observation(resourceType="Patient")},
    {
        "resource": {
            "resourceType": "Patient",
            "identifier": [{"system": "s", "value": "v"}],
            "meta": {"security": HTEST},
            "birthDate": "2021-02-03",
        }
    },
]


@st.composite
def envelopes(draw: st.DrawFn) -> object:
    listed = draw(st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=8))
    resources = [each["resource"] for each in listed if "resource" in each]
    shape = draw(st.sampled_from(["bundle", "lines", "nested", "bundle", "bundle"]))
    if shape == "lines" and resources:
        lines = [json.dumps(each).encode() for each in (*resources, an_observation(id="end"))]
        return b"\n".join([*lines, draw(st.sampled_from([b"", b"{", b"[]"]))])
    bundle = a_bundle(entry=listed)
    return bundle if shape == "bundle" else a_bundle(bundle, an_observation(id="end"))


def _check_each_alone(value: object, arrived_at: int = ARRIVED) -> None:
    found = fates(parse(value, arrived_at=arrived_at))
    places = [(origin.message, origin.entry) for origin, _ in found]
    assert len(set(places)) == len(places)
    for origin, fate in found:
        if origin.body is not None and b'"Observation"' in origin.body:
            alone = the_fate(origin.body, arrived_at=arrived_at)
            assert _told(alone) == _told(fate), origin.body


def _told(fate: Fate) -> Fate | tuple[Any, ...]:
    """The fate but for where it stood: the path of one sample of a series tells that too."""
    match fate:
        case Row():
            return fate
        case Rejected():
            return Rejected, fate.reason
        case _:
            return type(fate), *fate[1:]


@THOROUGHLY
@given(envelopes())
def test_an_entry_alone_has_the_fate_it_had_in_its_envelope(value: object) -> None:
    _check_each_alone(value)


@pytest.mark.parametrize("position", range(len(ENTRIES)))
def test_each_kind_of_entry_alone_has_the_fate_it_had_in_its_bundle(position: int) -> None:
    _check_each_alone(a_bundle(entry=[ENTRIES[position], *ENTRIES[-10:-8]]))


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("[dr]*")), ids=lambda path: path.name)
def test_an_entry_of_a_sample_alone_has_the_fate_it_had(path: Path) -> None:
    message = path.read_bytes()
    _check_each_alone(message)
    if b'"Bundle"' not in message and path.name != "d61_truncated.json":
        _check_each_alone(a_bundle(json.loads(message), an_observation()))


def test_a_pair_of_series_is_a_reading_for_each_moment_with_its_own_body() -> None:
    bundle = a_bundle(a_series("8480-6", "120 121 E 123"), a_series("8462-4", "80 81 82 83"))
    pairs = [
        (each.systolic, each.diastolic) for _, each in fates(parse(bundle)) if isinstance(each, Row)
    ]
    assert pairs == [(120, 80), (121, 81), (123, 83), (None, 82)]
    _check_each_alone(bundle)


def test_a_message_alone_needs_no_body() -> None:
    for value in (an_observation(), an_observation(400), an_observation(status="cancelled"), b"{"):
        ((origin, fate),) = fates(parse(value))
        assert (origin.entry, origin.path, origin.body) == (0, "", None)
        assert isinstance(fate, Row | Rejected | Ignored | Retraction)
