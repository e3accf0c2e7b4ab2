"""Envelopes: what a message holds, of whatever kind (rows 17 and 21)."""

import json
from typing import Any

import pytest

from bpstream.reading import Ignored, Parsed, Rejected, Retraction
from tests.fhir.messages import (
    Row,
    a_bundle,
    an_observation,
    concept,
    fates,
    in_short,
    parse,
    the_fault,
    the_reading,
)

PLAIN = json.dumps(an_observation()).encode()
PATIENT = {"resourceType": "Patient", "id": "p1"}


def words(parsed: Parsed) -> list[str]:
    """Every fate in a word, in order."""
    named = {Row: "reading", Retraction: "retraction"}
    return [
        str(fate.reason) if isinstance(fate, Rejected | Ignored) else named[type(fate)]
        for _, fate in fates(parsed)
    ]


# Row 17


@pytest.mark.parametrize(
    "kind",
    [
        "batch",
        "history",
        "searchset",
        "subscription-notification",
        "transaction",
        "unheard of",
        None,
    ],
)
def test_a_bundle_of_any_type_is_walked(kind: str | None) -> None:
    bundle = a_bundle(PATIENT, an_observation(), {"resourceType": "OperationOutcome"}, type=kind)
    assert words(parse(bundle)) == ["other_resource", "reading", "other_resource"]


def test_a_history_tells_the_latest_first() -> None:
    versions = [an_observation(meta={"versionId": str(number)}) for number in (3, 1)]
    entries = [{"resource": each} for each in versions]
    bundle = a_bundle(entry=[entries[0], delete("Observation/o1"), entries[1]], type="history")
    found = fates(parse(bundle))
    assert [(origin.entry, origin.path) for origin, _ in found] == [
        (0, "Bundle.entry[2].resource"),
        (1, "Bundle.entry[1]"),
        (2, "Bundle.entry[0].resource"),
    ]
    assert [type(fate) for _, fate in found] == [Row, Retraction, Row]


def test_an_entry_says_where_it_stood() -> None:
    bundle = a_bundle(an_observation(), a_bundle(an_observation(400), an_observation()))
    found = [(origin.entry, origin.path) for origin, _ in fates(parse(bundle))]
    assert found == [
        (0, "Bundle.entry[0].resource"),
        (1, "Bundle.entry[1].resource.entry[0].resource"),
        (2, "Bundle.entry[1].resource.entry[1].resource"),
    ]


def test_one_bad_entry_never_sinks_the_rest() -> None:
    bundle = a_bundle(
        entry=[
            {"resource": an_observation()},
            None,
            "x",
            {"resource": 7},
            {"resource": {"no": "type"}},
            {"response": {"status": "200"}},
            {"resource": an_observation(400)},
            {"resource": an_observation(status=None)},
            {"resource": an_observation(subject=None)},
            {"resource": an_observation(code=concept("8867-4"), component=None)},
            {"resource": an_observation(status="entered-in-error")},
            {"resource": an_observation()},
        ]
    )
    assert words(parse(bundle)) == [
        "reading",
        "other_resource",
        "other_resource",
        "not_an_observation",
        "not_an_observation",
        "other_resource",
        "out_of_range",
        "no_status",
        "no_subject",
        "not_blood_pressure",
        "retraction",
        "reading",
    ]


def test_an_entry_that_a_modifier_may_turn_round_is_not_read() -> None:
    entries = [
        {"resource": an_observation(), "modifierExtension": [{"url": "x"}]},
        {"resource": an_observation()},
        {"resource": a_bundle(an_observation(), an_observation(), implicitRules="http://x")},
    ]
    assert words(parse(a_bundle(entry=entries))) == [
        "unknown_modifier",
        "reading",
        "unknown_modifier",
    ]
    whole = a_bundle(*(entry["resource"] for entry in entries), implicitRules="http://x")
    assert the_fault(whole) == ("unknown_modifier", "Bundle.implicitRules")


@pytest.mark.parametrize(
    ("resource", "fate"),
    [
        (PATIENT, "other_resource"),
        ({"resourceType": "OperationOutcome", "issue": []}, "other_resource"),
        ({"resourceType": "DiagnosticReport", "status": "final"}, "other_resource"),
        (an_observation(resourceType="Patient"), "not_an_observation"),
        (an_observation(resourceType="observation"), "not_an_observation"),
        (an_observation(resourceType="Observations"), "not_an_observation"),
        ({"resourceType": "Nonsense"}, "not_an_observation"),
        ({"resourceType": 7}, "not_an_observation"),
        ({"resourceType": " "}, "not_an_observation"),
        ({}, "not_an_observation"),
        (an_observation(resourceType=None), "not_an_observation"),
    ],
    ids=repr,
)
def test_another_resource_among_others_is_ignored_unless_it_pretends(
    resource: dict[str, Any], fate: str
) -> None:
    assert words(parse(a_bundle(resource, an_observation()))) == [fate, "reading"]
    line = json.dumps(resource).encode()
    assert words(parse(PLAIN + b"\n" + line)) == ["reading", fate]


STATUS = {"resourceType": "SubscriptionStatus", "type": "event-notification"}


@pytest.mark.parametrize(
    ("resource", "fate"),
    [
        (STATUS | {"type": "heartbeat"}, "other_resource"),
        ({"resourceType": "OperationOutcome", "issue": []}, "other_resource"),
        ({"resourceType": "Parameters"}, "other_resource"),
        (an_observation(resourceType="Parameters"), "not_an_observation"),
        (an_observation(resourceType="observation"), "not_an_observation"),
        (PATIENT, "not_an_observation"),
        ({"resourceType": "Nonsense"}, "not_an_observation"),
    ],
    ids=repr,
)
def test_alone_on_the_topic_only_what_tells_of_the_transport_is_ignored(
    resource: dict[str, Any], fate: str
) -> None:
    assert in_short(resource) == fate


URL = "https://x.example/fhir/Observation/o1"


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("subscription-notification", {"resource": STATUS}),
        ("history", {"resource": {"resourceType": "Parameters"}, "request": {"method": "GET"}}),
    ],
)
@pytest.mark.parametrize(
    ("entry", "fate"),
    [
        ({"resource": an_observation(), "request": {"method": "PUT", "url": "x"}}, "reading"),
        ({"fullUrl": URL, "request": {"method": "PUT", "url": "x"}}, "other_resource"),
        ({"fullUrl": URL, "request": {"method": "DELETE", "url": "Observation/o1"}}, "no_subject"),
        ({"resource": an_observation(), "request": {"method": "DELETE"}}, "retraction"),
    ],
)
def test_a_notification_tells_what_it_carries(
    kind: str, first: dict[str, Any], entry: dict[str, Any], fate: str
) -> None:
    found = words(parse(a_bundle(entry=[first, entry], type=kind)))
    assert sorted(found) == sorted(["other_resource", fate])


@pytest.mark.parametrize("entry", [None, [], {}, "x"])
def test_a_bundle_with_no_observation_is_ignored(entry: object) -> None:
    bundle = a_bundle(entry=entry)
    expected = "empty_bundle" if entry in (None, []) else "other_resource"
    assert in_short(bundle) == expected


def delete(url: str, **response: Any) -> dict[str, Any]:
    return {"request": {"method": "DELETE", "url": url}, "response": response}


@pytest.mark.parametrize(
    "entry",
    [
        delete("Observation/o1"),
        delete("/Observation/o1"),
        delete("Observation/o1/_history/3"),
        {"request": {"method": "delete", "url": "Observation/o1"}},
        delete("https://x.example/fhir/Observation/o1"),
        {"fullUrl": "https://x.example/fhir/Observation/o1", "request": {"method": "DELETE"}},
        {"resource": an_observation(), "request": {"method": "DELETE", "url": "Observation/o1"}},
    ],
    ids=repr,
)
def test_a_delete_is_the_retraction_of_that_reading(entry: dict[str, Any]) -> None:
    document = the_reading(an_observation()).document_id
    parsed = parse(a_bundle(entry=[entry, {"resource": PATIENT}]))
    ((patient, found),) = ((each.patient_id, each.document_id) for each in parsed.retractions)
    assert (patient, found) == ("p1", document)


def test_a_delete_knows_the_patient_by_the_entry_of_that_id() -> None:
    mine = an_observation(meta={"source": "ward"})
    other = an_observation(id="o2", subject={"reference": "Patient/p2"})
    entries: list[object] = [{"resource": each} for each in (mine, other)]
    parsed = parse(a_bundle(entry=[delete("Observation/o1"), *entries]))
    (found,) = parsed.retractions
    assert (found.patient_id, found.document_id) == ("p1", the_reading(mine).document_id)


@pytest.mark.parametrize(
    ("response", "version"),
    [
        ({"etag": 'W/"4"'}, 4),
        ({"lastModified": "1970-01-01T00:00:01Z"}, 1_000_000),
        ({"etag": 'W/"4"', "lastModified": "1970-01-01T00:00:01Z"}, 4),
        ({}, 0),
    ],
)
def test_a_delete_has_the_version_of_its_response(response: dict[str, Any], version: int) -> None:
    for url, told in (("Observation/o1", 0), (f"{URL}/_history/3", 3)):
        entry = delete(url, **response)
        parsed = parse(a_bundle(entry=[entry, {"resource": PATIENT}]))
        has_number = told and "etag" not in response
        assert [each.version for each in parsed.retractions] == [told if has_number else version]


@pytest.mark.parametrize(
    ("response", "version"),
    [
        ({}, 0),
        ({"etag": 'W/"4"'}, 4),
        ({"lastModified": "1970-01-01T00:00:01Z"}, 0),
        ({"etag": "x", "lastModified": "1970-01-01T00:00:01Z"}, 1_000_000),
    ],
)
def test_a_delete_does_not_have_the_version_of_another_entry(
    response: dict[str, Any], version: int
) -> None:
    meta = {"versionId": "2", "lastUpdated": "1970-01-01T00:00:03Z"}
    entries = [{"resource": an_observation(meta=meta)}, delete("Observation/o1", **response)]
    parsed = parse(a_bundle(entry=entries))
    assert [each.version for each in parsed.retractions] == [version]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("Observation?identifier=s|v", "no_subject"),
        ("Observation?identifier=http://s/t|v", "no_subject"),
        ("Observation", "no_subject"),
        ("Observation/", "no_subject"),
        ("Patient/p1", "other_resource"),
        ("Patient?link=Observation/o1", "other_resource"),
        ("", "other_resource"),
    ],
)
def test_a_delete_that_names_no_reading_withdraws_none(url: str, reason: str) -> None:
    assert words(parse(a_bundle(entry=[delete(url), {"resource": PATIENT}])))[0] == reason


def test_a_delete_among_several_patients_withdraws_nothing() -> None:
    others = [{"resource": PATIENT | {"id": name}} for name in ("p1", "p2")]
    assert words(parse(a_bundle(entry=[delete("Observation/o1"), *others])))[0] == "no_subject"


# Row 21


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, ("empty_message", "message")),
        (b"", ("empty_message", "message")),
        (b" \r\n\t", ("empty_message", "message")),
        (b"\xef\xbb\xbf", ("empty_message", "message")),
        (b"{", ("invalid_json", "message")),
        (PLAIN[:-1], ("invalid_json", "message")),
        (PLAIN.decode().encode("utf-16"), ("invalid_json", "message")),
        (PLAIN.replace(b"p1", b"\xe4"), ("invalid_json", "message")),
        (b"[]", ("not_an_observation", "message")),
        (b"[" + PLAIN + b"]", ("not_an_observation", "message")),
        (b"7", ("not_an_observation", "message")),
        (b"null", ("not_an_observation", "message")),
        (b"{}", ("not_an_observation", "resourceType")),
        (b'{"resourceType": 7}', ("not_an_observation", "resourceType")),
        (json.dumps(PATIENT).encode(), ("not_an_observation", "resourceType")),
    ],
    ids=repr,
)
def test_a_message_that_is_no_observation_is_rejected(
    value: bytes | None, fault: tuple[str, str]
) -> None:
    assert the_fault(value) == fault


def test_what_was_found_is_told_in_short() -> None:
    (rejected,) = parse(an_observation(status="é" * 1000)).rejected
    assert rejected.found.startswith(r"'\xe9\xe9")
    assert len(rejected.found) == 200


def test_each_line_may_begin_with_a_mark() -> None:
    mark = b"\xef\xbb\xbf"
    assert words(parse(mark + PLAIN + b"\r\n" + mark + PLAIN)) == ["reading", "reading"]


def test_one_line_that_is_not_utf8_does_not_sink_the_rest() -> None:
    lines = [PLAIN, PLAIN.replace(b"p1", b"\xe4"), PLAIN]
    assert words(parse(b"\n".join(lines))) == ["reading", "invalid_json", "reading"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n \n", b"\r\n\r\n"])
def test_each_line_is_an_input_of_its_own(end: bytes) -> None:
    lines = [PLAIN, b"{", json.dumps(PATIENT).encode(), b"[]", PLAIN]
    found = fates(parse(end.join(lines) + end))
    step = end.count(b"\n")
    numbers = [1 + step * position for position in range(5)]
    assert [origin.path for origin, _ in found] == [f"line {number}" for number in numbers]
    assert [origin.body for origin, _ in found] == lines
    assert words(parse(end.join(lines))) == [
        "reading",
        "invalid_json",
        "other_resource",
        "not_an_observation",
        "reading",
    ]


def test_a_line_may_be_a_bundle() -> None:
    bundle = json.dumps(a_bundle(an_observation(), an_observation(400))).encode()
    found = fates(parse(PLAIN + b"\n" + bundle))
    assert [(origin.entry, origin.path) for origin, _ in found] == [
        (0, "line 1"),
        (1, "line 2: Bundle.entry[0].resource"),
        (2, "line 2: Bundle.entry[1].resource"),
    ]


def test_lines_of_no_resource_are_one_message_that_is_no_json() -> None:
    assert the_fault(b"[]\n7\n{}\n{") == ("invalid_json", "message")


def test_of_duplicate_keys_the_last_counts() -> None:
    assert the_reading(PLAIN.replace(b"120", b'7,"value":121')).systolic == 121
