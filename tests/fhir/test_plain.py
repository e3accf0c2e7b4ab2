"""The fast path: what it takes, what it leaves, and that both readers agree."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.fhir.build import observation, original_observation
from bpstream.fhir.parse import Parser
from bpstream.simulator import Simulator
from tests.fhir.messages import (
    ARRIVED,
    TAKEN,
    THOROUGHLY,
    an_observation,
    component,
    damaged,
    mmhg,
    parse,
    read_plainly,
    read_tolerantly,
    rows,
    the_reading,
)

NOW = datetime(2026, 1, 29, 21, 32, 51, 619300, tzinfo=UTC)
IDS = st.text("abcXYZ0123456789-.", min_size=1, max_size=64)
MOMENTS = st.datetimes(datetime(1900, 1, 2), datetime(2026, 1, 29))
TIME_FORMS = (
    ("microseconds", "+00:00"),
    ("milliseconds", "+00:00"),
    ("seconds", "+00:00"),
    ("microseconds", "+05:30"),
    ("milliseconds", "-03:30"),
    ("seconds", "+14:00"),
    ("microseconds", "Z"),
    ("milliseconds", "Z"),
    ("seconds", "Z"),
)
BUILDERS = (observation, original_observation)


@st.composite
def plain_messages(draw: st.DrawFn) -> bytes:
    """Both forms: every time format, order of keys, spacing, and what may be missing."""
    precision, zone = draw(st.sampled_from(TIME_FORMS))
    built = json.loads(
        draw(st.sampled_from(BUILDERS))(
            observation_id=draw(IDS),
            patient_id=draw(IDS),
            taken_at=draw(MOMENTS).isoformat(timespec=precision) + zone,
            systolic=draw(st.integers(30, 350) | st.floats(30, 350)),
            diastolic=draw(st.integers(10, 250) | st.floats(10, 250)),
            practitioner_id=draw(st.none() | IDS),
        )
    )
    if draw(st.booleans()):
        del built["category"]
    if "code" not in built and draw(st.booleans()):
        built["code"] = {"text": draw(st.sampled_from(["Blood Pressure", "Blood pressure"]))}
    built = _shuffled(draw, built)
    separators = draw(st.sampled_from([None, (",", ":"), (" , ", " :  ")]))
    indent = draw(st.sampled_from([None, None, 2]))
    return json.dumps(built, separators=separators, indent=indent).encode()


def _shuffled(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        names = draw(st.permutations(list(value)))
        return {name: _shuffled(draw, value[name]) for name in names}
    return [_shuffled(draw, each) for each in value] if isinstance(value, list) else value


@THOROUGHLY
@given(plain_messages(), st.sampled_from(["", "ward 3", "a\nb\\n"]))
def test_what_is_plain_is_read_alike_by_both_readers(message: bytes, source: str) -> None:
    readings, left = read_plainly(message, source=source)
    assert not left
    assert rows(readings) == [read_tolerantly(message, source=source)]


@THOROUGHLY
@given(plain_messages(), st.data())
def test_what_the_fast_path_accepts_of_damaged_messages_is_read_alike(
    message: bytes, data: st.DataObject
) -> None:
    message = damaged(message, data)
    readings, left = read_plainly(message)
    assert rows(readings) == ([] if left else [read_tolerantly(message)])


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("by", [None, "PRAC-01"])
def test_what_is_built_takes_the_fast_path(build: Any, by: str | None) -> None:
    message = build(
        observation_id="o1",
        patient_id="p1",
        taken_at=TAKEN,
        systolic=120,
        diastolic=80,
        practitioner_id=by,
    )
    readings, left = read_plainly(message)
    assert (readings.practitioner_id[0], left) == (by, [])


def test_what_the_simulator_sends_takes_the_fast_path() -> None:
    messages = [each.value for each in Simulator(patients=50, seed=1).round(NOW)]
    readings, left = read_plainly(*messages)
    assert (len(readings), left) == (50, [])


def test_an_original_message_is_flagged_as_its_units_are_words() -> None:
    message = original_observation(
        observation_id="o1", patient_id="p1", taken_at=TAKEN, systolic=80, diastolic=80
    )
    assert the_reading(message).flags == ["unit_from_text", "implausible"]


PATIENT = {"reference": "Patient/p1"}
SWAPPED = [component("8462-4", 80), component("8480-6", 120)]
KPA = {"value": 16, "unit": "kPa", "system": "http://unitsofmeasure.org", "code": "kPa"}


@pytest.mark.parametrize(
    "changes",
    [
        {"effectiveDateTime": "2026-01-29T22:32:51+14:01"},
        {"effectiveDateTime": "2026-01-29T21:32:51+00:60"},
        {"effectiveDateTime": "2026-01-29T21:32:51 00:00"},
        {"effectiveDateTime": "2026-01-29T21:32:51"},
        {"effectiveDateTime": "2026-01-29T21:32:51.6193"},
        {"effectiveDateTime": "2026-01-29T21:32Z"},
        {"effectiveDateTime": "2026-01-29"},
        {"effectiveDateTime": "2026-01-29 21:32:51Z"},
        {"effectiveDateTime": "2026-02-30T21:32:51Z"},
        {"effectiveDateTime": "2025-12-31T23:59:60Z"},
        {"effectiveDateTime": "2025-12-31T24:00:00Z"},
        {"effectiveDateTime": "1899-12-31T23:59:59Z"},
        {"effectiveDateTime": "2026-01-29T21:43:00.000001+00:00"},
        {"effectiveDateTime": "2٠26-01-29T21:32:51Z"},
        {"effectiveDateTime": None, "effectiveInstant": TAKEN},
        {"status": "final "},
        {"status": "registered"},
        {"status": "entered-in-error"},
        {"status": None},
        {"id": None},
        {"id": ""},
        {"id": "under_score"},
        {"id": "x" * 65},
        {"id": "o1\n"},
        {"subject": {"reference": "Patient/under_score"}},
        {"subject": {"reference": "Patient/"}},
        {"subject": {"reference": "p1"}},
        {"subject": {"reference": "Group/p1"}},
        {"subject": {"reference": "Patient/p1/_history/2"}},
        {"subject": {"reference": "https://x.example/Patient/p1"}},
        {"subject": None},
        {"performer": [{"reference": "Organization/o"}]},
        {"performer": [{"reference": "Practitioner/a b"}]},
        {"component": [component("8480-6", 120)]},
        {"component": [component("8480-6", 120), component("8462-4", 80), {}]},
        {"component": [component("8480-6", 351), component("8462-4", 80)]},
        {"component": [component("8480-6", 120), component("8462-4", 9.9)]},
        {"component": [component("8480-6", "120"), component("8462-4", 80)]},
        {"component": [component("8480-6", 120) | {"valueQuantity": KPA}, SWAPPED[0]]},
        {
            "component": [
                component("8480-6", 120),
                component("8462-4", 80) | {"valueQuantity": mmhg(80) | {"comparator": "<"}},
            ]
        },
        {"modifierExtension": []},
        {"implicitRules": ""},
        {"focus": []},
        {"contained": []},
        {"hasMember": []},
        {"dataAbsentReason": {}},
        {"valueQuantity": mmhg(120)},
        {"meta": {"tag": []}},
        {"meta": {"security": []}},
        {"meta": {"source": "http://x"}},
        {"code": {"text": "x" * 301}},
    ],
    ids=repr,
)
def test_what_is_not_plain_is_left_to_the_tolerant_reader(changes: dict[str, Any]) -> None:
    plain = json.dumps(an_observation(subject=PATIENT)).encode()
    readings, left = read_plainly(plain, json.dumps(an_observation(**changes)).encode(), plain)
    assert (left, len(readings)) == ([1], 2)


def test_bytes_the_tolerant_reader_would_refuse_are_left_to_it() -> None:
    plain = json.dumps(an_observation(category=[])).encode()
    spoilt = [plain.replace(b"[]", each) for each in (b'"\xff"', b"1e999", b"[" * 5000)]
    assert read_plainly(*spoilt, b"", b"[]")[1] == [0, 1, 2, 3, 4]


def test_a_performer_of_no_name_is_nobody() -> None:
    nobody = an_observation(performer=[{"reference": "Practitioner/"}])
    assert the_reading(nobody) == read_tolerantly(json.dumps(nobody).encode())


def test_order_is_kept_where_plain_and_other_messages_mix() -> None:
    words = original_observation(
        observation_id="w", patient_id="p1", taken_at=TAKEN, systolic=120, diastolic=80
    )
    pair = {"resourceType": "Bundle", "entry": [{"resource": an_observation(id="b1")}] * 2}
    messages = [
        an_observation(id="c1"),
        pair,
        words,
        None,
        an_observation(id="z", effectiveDateTime="2026-01-29T21:32:51"),
        b"{",
        an_observation(id="c2"),
        words,
    ]
    parsed = parse(*messages)
    found = parsed.readings.observation_id
    assert found == ["c1", "b1", "b1", "w", "z", "c2", "w"]
    assert [each.message for each in parsed.readings.origin] == [0, 1, 1, 2, 4, 6, 7]
    assert [each.origin.message for each in parsed.rejected] == [3, 5]


def test_a_parser_takes_either_form_in_any_chunk() -> None:
    parser = Parser()
    forms = [
        build(observation_id="o1", patient_id="p1", taken_at=TAKEN, systolic=120, diastolic=80)
        for build in BUILDERS
    ]
    chunks = [[forms[0]] * 3, [forms[0], forms[1]], [forms[1]] * 3, [], [forms[0]]]
    for chunk in chunks:
        arrived = np.full(len(chunk), ARRIVED, np.int64)
        assert parser._plain.read(chunk, arrived)[1] == []
        parsed = parser.parse(chunk, arrived)
        assert [each.message for each in parsed.readings.origin] == list(range(len(chunk)))
        assert all(each.body is None for each in parsed.readings.origin)


@pytest.mark.parametrize(("seconds", "left"), [(600, []), (600.000001, [0])])
def test_a_plain_time_may_lie_as_far_ahead_as_the_skew(seconds: float, left: list[int]) -> None:
    taken = datetime.fromtimestamp(ARRIVED / 1e6, UTC) + timedelta(seconds=seconds)
    message = json.dumps(an_observation(effectiveDateTime=taken.isoformat())).encode()
    assert read_plainly(message)[1] == left


def test_one_day_that_no_calendar_has_is_one_dead_letter_among_a_chunk_of_readings() -> None:
    told = {"observation_id": "o1", "patient_id": "p1", "systolic": 120, "diastolic": 80}
    good, bad = (observation(**told, taken_at=f"2026-01-{day}T08:00:00Z") for day in ("29", "32"))
    parsed = parse(*[good] * 600, bad)
    assert len(parsed.readings) == 600
    (rejected,) = parsed.rejected
    assert (rejected.origin.message, rejected.path) == (600, "Observation.effectiveDateTime")
