"""What changed from one frame to the next."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.web.frame import CHANGE, WHOLE, Event, Frame, Shown
from tests.web.events import applied

ids = st.sampled_from(["p1", "p2", "p3", "<p>", "é"])
values = st.integers(0, 2)
parts = st.fixed_dictionaries({"total": values, "counts": values, "heat": st.none() | values})
frames = st.tuples(parts, st.dictionaries(ids, values))


def a_frame(parts: dict, patients: dict) -> Frame:
    def patient(patient_id, value):
        return json.dumps({"patient_id": patient_id, "value": value}).encode()

    return Frame(
        {name: json.dumps(value).encode() for name, value in parts.items()},
        {each: patient(each, value) for each, value in patients.items()},
    )


def read(event: Event) -> tuple[str, str, dict]:
    """The kind, the id and the data of an event."""
    lines = dict(line.split(": ", 1) for line in event.plain.decode().strip().split("\n"))
    return lines["event"], lines["id"], json.loads(lines["data"])


@given(seen=st.lists(frames, min_size=1, max_size=8))
def test_a_client_that_applies_changes_has_what_one_has_that_comes_now(seen):
    shown, clients = Shown(), []
    for second, frame in enumerate(seen):
        shown.advance(a_frame(*frame), at=f"{second}")
        kind, _, whole = read(shown.since(0))
        assert kind == WHOLE
        assert whole["order"] == [each["patient_id"] for each in whole["patients"]]
        assert whole["order"] == list(frame[1])
        # Each began at another time, and every second one misses every second frame.
        for at, (version, has) in enumerate(clients):
            if (at + second) % 2:
                kind, _, change = read(shown.since(version))
                assert kind == CHANGE
                clients[at] = shown.version, applied(has, change)
                assert clients[at][1] == whole
        clients.append((shown.version, whole))


@given(first=frames, second=frames)
def test_a_change_holds_nothing_that_did_not_change(first, second):
    shown = Shown()
    shown.advance(a_frame(*first), at="1")
    shown.advance(a_frame(*second), at="2")
    _, _, change = read(shown.since(1))
    before, now = dict(first[0], order=list(first[1])), dict(second[0], order=list(second[1]))
    assert change.pop("at") == "2"
    patients = change.pop("patients", [])
    assert change == {name: value for name, value in now.items() if before[name] != value}
    assert {each["patient_id"]: each["value"] for each in patients} == {
        who: value for who, value in second[1].items() if first[1].get(who) != value
    }


def test_where_nothing_changed_an_event_tells_the_time_alone():
    shown = Shown()
    for at in ("1", "2"):
        shown.advance(a_frame({"total": 1}, {"p1": 1}), at=at)
    assert read(shown.since(1))[2] == {"at": "2"}


def test_an_event_id_is_of_one_query_of_one_life():
    shown, other = Shown(), Shown()
    for each in (shown, other):
        each.advance(a_frame({}, {}), at="1")
        each.advance(a_frame({}, {}), at="2")
    _, event_id, _ = read(shown.since(1))
    assert shown.version_of(event_id) == 2
    assert other.version_of(event_id) == 0


@pytest.mark.parametrize("made", ["", "x", "{}-", "{}-3", "{}--1", "{}-²", "{}-" + "9" * 99, "-1"])
def test_an_event_id_that_nobody_gave_begins_anew(made):
    shown = Shown()
    shown.advance(a_frame({}, {}), at="1")
    token = read(shown.since(0))[1].partition("-")[0]
    assert shown.version_of(made.format(token)) == 0


def test_packed_events_are_one_stream_whatever_was_before_them():
    plain = [b"event: whole\ndata: {}\n\n", b"event: change\ndata: {}\n\n" * 99]
    events = [Event.of(each) for each in plain]
    assert len(events[1].packed) < len(plain[1]) / 5
    packed = b"".join(events[at].packed for at in (1, 0, 1))
    read = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    assert read.decompress(packed) == plain[1] + plain[0] + plain[1]
