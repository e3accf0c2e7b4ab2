"""JSON and lines of it as messages."""

import gzip
import json
import os
import tracemalloc
from collections import deque
from io import BytesIO, TextIOWrapper

import pytest

from bpstream.fhir.parse import Parser
from bpstream.ingest import documents
from bpstream.ingest.documents import Documents
from bpstream.ingest.files import STDIN, File, Kind
from bpstream.ingest.items import LeftOut, Message, patient_in
from tests.fhir.messages import a_bundle, a_single, an_observation, fates, parse
from tests.ingest.readers import items_of, messages_of, problems_of


def test_a_file_of_json_is_one_message_as_it_stands(tmp_path):
    path = tmp_path / "a.json"
    content = b"\xef\xbb\xbf" + json.dumps(an_observation(), indent=2).encode() + b"\r\n"
    path.write_bytes(content)
    (message,) = messages_of(path)
    assert (message.value, message.key, message.done) == (content, "p1", 1)
    assert message.read == len(content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_each_line_is_a_message_and_blank_ones_are_none(tmp_path, pack):
    path = tmp_path / ("a.ndjson" if pack is bytes else "a.ndjson.gz")
    path.write_bytes(pack(b'{"a":1}\r\n\n  \n{"b":2}\nnot json\n{"c":3}'))
    messages = messages_of(path)
    assert [message.value for message in messages] == [
        b'{"a":1}', b'{"b":2}', b"not json", b'{"c":3}',
    ]  # fmt: skip
    assert [message.done for message in messages] == [1, 4, 5, 6]
    assert messages[-1].read == path.stat().st_size


PATIENT = {"resourceType": "Patient", "id": "p1", "contained": [an_observation()]}


@pytest.mark.parametrize(
    ("resource", "is_sent"),
    [
        (PATIENT, False),
        ({"contained": [PATIENT], **an_observation()}, True),
        ({"contained": [an_observation()], **PATIENT}, True),
        (an_observation(resourceType="Patient"), True),
        ({"resourceType": "OperationOutcome"}, False),
        ({"resourceType": "Nonsense"}, True),
        (a_bundle(PATIENT), True),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
def test_a_resource_of_another_type_is_left_out_if_that_is_plain(tmp_path, name, resource, is_sent):
    path = tmp_path / name
    path.write_text(json.dumps(resource))
    (item,) = items_of(path)
    assert isinstance(item, Message if is_sent else LeftOut)


@pytest.mark.parametrize(("done", "left"), [(0, 3), (1, 2), (2, 2), (4, 1), (5, 0)])
def test_what_is_done_is_left_out(tmp_path, done, left):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n\n2\n\n3\n")
    assert len(messages_of(path, done=done)) == left


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"1\n2\n3", [b"1", b"2", b"3"]),
        (b'{\n "a": 1\n}\n', [b'{\n "a": 1\n}\n']),
        (b"", [b""]),
    ],
    ids=["lines", "one piece", "nothing"],
)
def test_stdin_is_lines_where_the_first_is_json_for_itself(monkeypatch, content, values):
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(content)))
    assert [message.value for message in messages_of(STDIN)] == values


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (an_observation(), "p1"),
        (an_observation(subject={"display": "x", "reference": "Patient/p1"}), None),
        (an_observation(subject={"reference": "https://x/Patient/p1"}), None),
        (an_observation(subject={"reference": "Patient/p1/_history/1"}), None),
        (an_observation(subject=None, performer=[{"reference": "Patient/p1"}]), None),
        (a_bundle(an_observation(subject={"reference": "Patient/p7"}), an_observation()), "p7"),
    ],
)
def test_the_key_is_the_patient_where_a_look_finds_it(message, key):
    assert patient_in(json.dumps(message).encode()) == key
    assert patient_in(json.dumps(message, indent=2).encode()) == key


def large_bundle():
    """Two patients, a pair of singles, an entry that cannot be used, and one that is ignored."""
    pad = {"note": [{"text": "x" * 1000}]}
    patient = {"resourceType": "Patient", "id": "p9", "birthDate": "2020-01-01"}
    subject = {"reference": "urn:uuid:1"}
    entries = [
        {"fullUrl": "urn:uuid:1", "resource": patient},
        {"resource": an_observation(id="child", subject=subject, **pad)},
        {"resource": a_single("8480-6", 130, **pad)},
        {"resource": a_single("8462-4", 85, **pad)},
        {"resource": an_observation(id="bad", status=None, **pad)},
        {"resource": an_observation(id="gone", status="entered-in-error", **pad)},
    ]
    return a_bundle() | {"entry": entries}


def test_a_bundle_that_is_too_large_goes_on_in_parts_that_mean_the_same(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(large_bundle()))
    messages = messages_of(path, room=3000)
    assert [message.done for message in messages] == [0, 0, 0, 1]
    assert max(len(message.value) for message in messages) <= 3000
    found = [fate for message in messages for _, fate in fates(parse(message.value))]
    whole = [fate for _, fate in fates(parse(path.read_bytes()))]
    assert [type(fate) for fate in found] == [type(fate) for fate in whole[1:]]
    assert found[:2] == whole[1:3]
    assert found[0].patient_id == "p9"
    assert found[0].flags == ["child"]
    assert (found[1].systolic, found[1].diastolic) == (130, 85)
    assert found[2].reason == "no_status"


def test_so_does_a_line(tmp_path):
    path = tmp_path / "a.ndjson"
    path.write_text(f"1\n{json.dumps(large_bundle())}\n2\n")
    messages = messages_of(path, room=3000)
    assert [message.done for message in messages] == [1, 1, 1, 1, 2, 3]


def test_a_part_that_is_too_large_is_told_and_the_others_go_on(tmp_path):
    path = tmp_path / "a.json"
    large = an_observation(id="large", note=[{"text": "x" * 5000}])
    path.write_text(json.dumps(a_bundle(large, an_observation(), an_observation(id="o2"))))
    assert len(messages_of(path, room=3000)) == 2
    (problem,) = problems_of(path, room=3000)
    assert "1 of 3 parts have more than the 3000 bytes" in problem.what
    assert not problem.ends


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
def test_what_is_too_large_to_be_split_is_told(monkeypatch, tmp_path, name):
    monkeypatch.setattr(documents, "MOST_BYTES", 2000)
    path = tmp_path / name
    path.write_bytes(b"[" * 2001 + b"\n1\n" * (name == "a.ndjson"))
    (problem,) = problems_of(path, room=1000)
    assert "more than 2000 bytes" in problem.what
    assert [message.value for message in messages_of(path, room=1000)] == [b"1"] * (
        name == "a.ndjson"
    )


def test_a_damaged_file_is_told_after_what_could_be_read(tmp_path):
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d\n" % n for n in range(50_000)))[:-20_000])
    *read, last = items_of(path)
    assert len(read) > 1000
    assert last.ends
    assert "end-of-stream" in last.what


def test_a_file_that_has_gone_is_told(tmp_path):
    path = tmp_path / "a.json"
    path.touch()
    items = Documents(Parser(), room=1000).items(File(path, Kind.WHOLE))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        next(items)


def test_many_lines_are_read_in_little_memory(tmp_path):
    path = tmp_path / "a.ndjson"
    line = json.dumps(an_observation(note=[{"text": "x" * 2000}])).encode() + b"\n"
    path.write_bytes(line * 5000)
    items = Documents(Parser(), room=1_000_000).items(File(path, Kind.LINES))
    tracemalloc.start()
    try:
        (last,) = deque(items, maxlen=1)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert last.done == 5000
    assert os.path.getsize(path) == last.read
