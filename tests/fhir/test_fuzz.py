"""Whatever the bytes are: at least one fate for each message, a known reason, no surprise."""

import copy
import json
import random
import re
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.fhir.quantity import DIASTOLIC_RANGE, SYSTOLIC_RANGE
from bpstream.fhir.reasons import Fault, Passed
from bpstream.reading import Rejected
from tests.fhir.messages import (
    ARRIVED,
    THOROUGHLY,
    a_bundle,
    a_single,
    an_observation,
    component,
    concept,
    fates,
    in_short,
    mmhg,
    parse,
)

FAULTS, PASSED = set(map(str, Fault)), set(map(str, Passed))
NEVER_BEFORE = -2_208_988_800_000_000  # 1900 in µs since 1970


def check(*messages: bytes | None) -> None:
    """Every message has a fate, and whatever was found is fit for a header and a label."""
    parsed = parse(*messages)
    found = fates(parsed)
    assert {origin.message for origin, _ in found} == set(range(len(messages)))
    assert len({origin[:2] for origin, _ in found}) == len(found)
    for each in parsed.rejected:
        assert str(each.reason) in FAULTS
        assert each.found.isascii()
        assert max(len(each.found), len(each.path)) <= 200
    assert {str(each.reason) for each in parsed.ignored} <= PASSED
    readings = parsed.readings
    assert [*readings.origin] == sorted(readings.origin, key=lambda origin: origin[:2])
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in readings.document_id)
    assert all(0 < len(each.encode()) <= 4 * 4096 for each in readings.patient_id)
    for pressure, (lowest, highest) in (
        (readings.systolic, SYSTOLIC_RANGE),
        (readings.diastolic, DIASTOLIC_RANGE),
    ):
        assert (np.isnan(pressure) | ((pressure >= lowest) & (pressure <= highest))).all()
    assert (readings.taken_at >= NEVER_BEFORE).all()
    assert (readings.taken_at <= ARRIVED + 600_000_000).all()
    assert (readings.version >= 0).all()
    for about in map(readings.details_of, range(len(readings))):
        named = (about.observation_id, about.practitioner_id, about.device, about.body_site)
        assert max(len(each or "") for each in (*named, *about.security_labels)) <= 256


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", " ", "/", "|", "-", "#", "\x00", "\u2028", "é" * 300, "1" * 5000, "E"]),
    st.sampled_from(["Patient/", "urn:uuid:", "http://", "Patient?identifier=", "Observation"]),
    st.sampled_from(["Bundle", "DELETE", "entered-in-error", "0000-00-00", "1e999"]),
    st.sampled_from(["9999-12-31T23:59:60Z", "2026-01-29T23:59:59+14:00"]),
    st.sampled_from([0, -1, 10**18, 10**30, 10**400, 1e308, -0.0]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
SERIES = {
    "code": concept("8480-6"),
    "valueSampledData": {"origin": mmhg(0), "period": 60_000, "data": "120 E 130"},
}
RICH = an_observation(
    meta={"versionId": "1", "source": "s", "tag": [{"code": "HTEST"}], "security": [{"code": "R"}]},
    identifier=[{"system": "s", "value": "v"}],
    category=[concept("vital-signs", system="c")],
    issued="2026-01-29T21:32:52Z",
    performer=[{"reference": "Practitioner/d", "display": "D"}],
    device={"reference": "Device/m"},
    bodySite={"text": "arm"},
    method={"coding": [{"system": "http://snomed.info/sct", "code": "10179008"}]},
    contained=[{"resourceType": "Patient", "id": "c", "identifier": [{"value": "1"}]}],
)
URN = "urn:uuid:1"
BASES: list[dict[str, Any]] = [
    an_observation(),
    RICH,
    an_observation(effectiveDateTime=None, effectivePeriod={"start": "2026", "end": "2026-01-02"}),
    an_observation(component=[SERIES]),
    an_observation(subject={"reference": "#c"}, contained=RICH["contained"]),
    a_single("8462-4", 80, hasMember=[{}], dataAbsentReason={"text": "?"}),
    a_bundle(RICH, a_single("8480-6", 120), a_single("8462-4", 80), a_single("8478-0", 90)),
    a_bundle(
        type="transaction",
        entry=[
            {"resource": RICH | {"subject": {"reference": URN}}, "fullUrl": "urn:uuid:2"},
            {"resource": {"resourceType": "Patient", "id": "p", "birthDate": "2020"}}
            | {"fullUrl": URN},
            {"request": {"method": "DELETE", "url": "Observation/o1"}, "response": {"etag": "1"}},
            {"resource": a_bundle(an_observation(component=[SERIES, component("8462-4", 80)]))},
        ],
    ),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid message in which one to three elements are something else, gone, or renamed."""
    message = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(message))
        if not places:
            break
        parent, name = draw(st.sampled_from(places))
        match draw(st.sampled_from(["another", "another", "single", "many", "gone", "renamed"])):
            case "another":
                parent[name] = draw(JSON)
            case "single":
                parent[name] = {"reference": parent[name]}
            case "many":
                parent[name] = [parent[name]] * 2
            case "gone":
                del parent[name]
            case _ if isinstance(parent, dict):
                parent[draw(st.sampled_from(["value", "valueString", "valueX" * 60]))] = parent.pop(
                    name
                )
    return json.dumps(message).encode()


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in items if isinstance(value, dict | list) else ():
        yield value, name
        if isinstance(each, dict | list):
            yield from _places(each)


@THOROUGHLY
@given(st.lists(st.none() | st.binary(max_size=200), max_size=4))
def test_any_bytes_have_a_fate(messages: list[bytes | None]) -> None:
    check(*messages)


@THOROUGHLY
@given(st.lists(JSON.map(lambda value: json.dumps(value).encode()), max_size=3))
def test_any_json_has_a_fate_alone_and_as_lines(messages: list[bytes]) -> None:
    check(*messages, b"\n".join(messages), b"\n".join([*messages, json.dumps(RICH).encode()]))


@THOROUGHLY
@given(JSON)
def test_any_entry_of_a_bundle_has_a_fate(value: object) -> None:
    bundle = a_bundle(value, an_observation(), entry=[value, {"resource": value, "request": value}])
    check(json.dumps(bundle).encode())


@THOROUGHLY
@given(mutated(), mutated())
def test_any_mutation_of_a_valid_message_has_a_fate(one: bytes, other: bytes) -> None:
    check(one, other, one + b"\n" + other, json.dumps(an_observation()).encode())


@THOROUGHLY
@given(mutated(), st.data())
def test_any_damage_to_the_bytes_has_a_fate(message: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(message) - 1))
    check(message[:position], message[:position] + data.draw(st.binary()) + message[position:])


PLAIN = json.dumps(an_observation()).encode()
DEEP = 10_000
LONG = "Patient/" + "x" * 5_000_000
NOISE = random.Random(1).randbytes(5_000_000)


@pytest.mark.parametrize(
    ("message", "fate"),
    [
        (b"[" * DEEP, "too_deep"),
        (b"[" * DEEP + b"]" * DEEP, "too_deep"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "too_deep"),
        (PLAIN[:-1] + b',"extension":' + b"[" * DEEP + b"]" * DEEP + b"}", "too_deep"),
        (b'{"resourceType":"Bundle","entry":[{"resource":' * DEEP, "too_deep"),
        (PLAIN.replace(b"120", b"NaN"), "invalid_json"),
        (PLAIN.replace(b"120", b"Infinity"), "invalid_json"),
        (PLAIN.replace(b"120", b"1e999"), "invalid_json"),
        (PLAIN.replace(b"120", b"1" * 400), "invalid_number"),
        (PLAIN.replace(b"120", b"1" * 5000), "invalid_json"),
        (PLAIN.replace(b"120", b"0120"), "invalid_json"),
        (PLAIN.replace(b"p1", b"\xff"), "invalid_json"),
        (PLAIN.replace(b"p1", b"\\ud800"), "invalid_json"),
        (PLAIN[:-40], "invalid_json"),
        (PLAIN + PLAIN, "invalid_json"),
        (NOISE, "invalid_json"),
        (b"x\n" * 2_500_000, "invalid_json"),
        (b"{\n" * 2_500_000, "invalid_json"),
        (b"{}\n" * 1_600_000, "invalid_json"),
        (b"x\n" * 1_001 + PLAIN, "invalid_json"),
        (b" \n" * 2_500_000, "empty_message"),
        (b"7" * 5_000_000, "invalid_json"),
        (b'"' + b"x" * 5_000_000 + b'"', "not_an_observation"),
        (json.dumps({"resourceType": "x" * 5_000_000}).encode(), "not_an_observation"),
        (json.dumps(an_observation("9" * 5_000_000)).encode(), "invalid_number"),
        (json.dumps(an_observation(subject={"reference": LONG})).encode(), "invalid_subject"),
        (json.dumps(an_observation(status="x" * 5_000_000)).encode(), "invalid_status"),
        (json.dumps(an_observation(note="x" * 5_000_000)).encode(), "reading"),
        (json.dumps(an_observation(id="x" * 5_000_000)).encode(), "reading"),
        (PLAIN.replace(b'"status"', b'"status":"cancelled","status"'), "reading"),
        (PLAIN.replace(b'"status"', b'"\\u0073tatus":"cancelled","status"'), "reading"),
    ],
    ids=lambda each: repr(each[:20]),
)
def test_a_hostile_message_has_a_fate_soon(message: bytes, fate: str) -> None:
    started = time.process_time()
    check(message)
    assert in_short(message) == fate
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("entry", "count"),
    [
        (b'{"request":{"method":"DELETE","url":"Observation/1"}}', 20_000),
        (b"{}", 100_000),
        (b'{"resource":{}}', 20_000),
        (b'{"resource":{"resourceType":"Bundle"}}', 20_000),
    ],
)
def test_what_a_bundle_costs_grows_as_its_entries_do(entry: bytes, count: int) -> None:
    def seconds(entries: int) -> float:
        known = b'{"resource":' + PLAIN + b"}"
        listed = b",".join([entry] * entries + [known] * (500 * entries // count))
        started = time.process_time()
        check(b'{"resourceType":"Bundle","entry":[' + listed + b"]}")
        return time.process_time() - started

    # Before and after, for the machine may be slow for a while; squared it were a hundredfold.
    before, whole, after = seconds(count // 10), seconds(count), seconds(count // 10)
    assert whole < 50 * max(before, after)


def test_an_unreadable_line_costs_no_other_line() -> None:
    lines = [b"x"] * 1_000 + [PLAIN] * 3
    found = [fate for _, fate in fates(parse(b"\n".join(lines)))]
    assert sum(isinstance(each, Rejected) for each in found) == 1_000
    assert len(found) == 1_003
