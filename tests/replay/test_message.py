"""A replayed document is the same document again, or is not sent."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from bpstream.fhir.parse import Parser
from bpstream.replay.message import Replayer, Unknown
from bpstream.simulator import Simulator
from tests.fhir.messages import (
    MDC,
    SNOMED,
    TAKEN,
    a_bundle,
    a_single,
    an_observation,
    component,
    concept,
    mmhg,
)
from tests.replay.documents import NOW, documents_of

SAMPLES = Path(__file__).parents[1] / "samples"
SHARED = Path(__file__).parents[3] / "shared" / "fhir"
ARRIVED = datetime.fromtimestamp(NOW / 1_000_000, UTC)
FILES = [
    path
    for folder in (SAMPLES, SHARED)
    if folder.is_dir()
    for path in sorted(folder.iterdir())
    if path.suffix in {".json", ".ndjson"} and path.name.lower() != "expected.json"
]


def replayed(documents):
    return list(Replayer(Parser()).outcomes(documents))


def as_it_says(document):
    """All of a document but where and when its message stood."""
    return msgspec.structs.asdict(document) | {"kafka": None}


def assert_same_again(documents):
    for outcome in replayed(documents):
        assert outcome.message is not None, outcome.unknown
        (again,) = documents_of([outcome.message])
        assert as_it_says(again) == as_it_says(outcome.document)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_document_of_a_sample_is_the_same_again(path):
    assert_same_again(documents_of([path.read_bytes()]))


def test_so_are_those_of_the_simulator():
    messages = [message.value for message in Simulator(patients=50, seed=3).round(ARRIVED)]
    documents = documents_of(messages)
    assert len(documents) == 50
    assert_same_again(documents)


ABOVE = {**mmhg(110), "comparator": ">"}
BOUND = {"code": concept("8480-6"), "valueQuantity": {**mmhg(260), "comparator": ">"}}
SERIES = {
    "valueSampledData": {
        "origin": {"value": 10, "unit": "mmHg"},
        "period": 60_000,
        "factor": 2,
        "dimensions": 1,
        "data": "50 51 E 53",
    }
}


@pytest.mark.parametrize(
    "message",
    [
        an_observation(component=[component("8480-6", 120)]),
        an_observation(component=[*an_observation()["component"], component("8478-0", 97.123)]),
        an_observation(id=None),
        an_observation(id=None, component=[component("8480-6", 120), component("8478-0", 97)]),
        an_observation(
            id=None,
            component=[*an_observation(120, 75)["component"], component("8478-0", 90)],
        ),
        an_observation(
            id=None,
            component=[
                component("271649006", 130, system=SNOMED),
                component("271650006", 70, system=SNOMED),
            ],
        ),
        an_observation(
            id=None,
            component=[component("150017", 130, system=MDC), component("150018", 70, system=MDC)],
        ),
        an_observation(component=[{"code": concept("8480-6"), **SERIES}]),
        an_observation(id=None, component=[{"code": concept("8480-6"), **SERIES}]),
        a_bundle(a_single("8480-6", 130), a_single("8462-4", 85)),
        an_observation(code=concept("96607-7"), effectivePeriod={"start": TAKEN, "end": TAKEN})
        | {"effectiveDateTime": None},
        an_observation(id="no fhir id"),
        an_observation(effectiveDateTime=None, issued=TAKEN),
        an_observation(subject={"identifier": {"system": "urn:mrn", "value": "7|8"}}),
        an_observation(device={"display": "the cuff / left"}),
        an_observation(device={"identifier": {"value": "sn-7"}}),
        an_observation(performer=[{"reference": "PractitionerRole/r1"}]),
        an_observation(performer=[{"reference": "https://x/r4/Practitioner/7"}]),
        an_observation(meta={"versionId": "7", "security": [{"code": "R"}, {"code": "HTEST"}]}),
        an_observation(meta={"lastUpdated": TAKEN, "tag": [{"code": "HTEST"}]}),
        an_observation(method=concept("77938009", system=SNOMED)),
        an_observation(meta={"source": "urn:ward-7"}),
        an_observation(meta={"source": "https://x.example/r4#request-7", "versionId": "2"}),
        an_observation(id=None, identifier=[{"value": "7"}]),
        an_observation(
            id=None, identifier=[{"system": "urn:acc"}, {"system": "urn:acc", "value": "7|8"}]
        ),
        an_observation(id=None, meta={"source": "urn:ward-7"}, identifier={"value": "7"}),
        an_observation(component=[BOUND]),
        an_observation(id=None, component=[BOUND, component("8462-4", 80)]),
        an_observation(
            component=[
                component("8480-6", 120),
                component("8462-4", 80),
                {"code": concept("8478-0"), "valueQuantity": {**mmhg(93.33), "comparator": "<="}},
            ]
        ),
        a_bundle(a_single("8480-6", 130), a_single("8462-4", 0, valueQuantity=ABOVE)),
        an_observation(method=concept("22762002", system=SNOMED), status="preliminary"),
    ],
)
def test_whatever_it_was_made_of(message):
    documents = documents_of([json.dumps(message).encode()])
    assert documents
    assert_same_again(documents)


def test_a_time_that_was_the_arrival_stays_what_it_was():
    (document,) = documents_of([json.dumps(an_observation(effectiveDateTime=None)).encode()])
    ((_, message, _),) = replayed([document])
    (again,) = documents_of([message], arrived_at=NOW + 86_400_000_000)
    assert again.document_id == document.document_id
    assert again.timestamp == document.timestamp


@pytest.mark.parametrize(
    ("message", "unknown"),
    [
        (an_observation(meta={"source": "x" * 300}), Unknown.IDENTITY),
        (an_observation(id=None, identifier=[{"value": "x" * 300}]), Unknown.IDENTITY),
        (
            a_bundle(
                {"resourceType": "Patient", "id": "p1", "birthDate": "2020-01-01"},
                an_observation(),
            ),
            Unknown.BIRTH_DATE,
        ),
        (an_observation(device={"display": "x" * 300}), None),
        (an_observation(id="x" * 300), Unknown.IDENTITY),
    ],
)
def test_what_is_not_known_is_told_and_not_guessed(message, unknown):
    (outcome,) = replayed(documents_of([json.dumps(message).encode()]))
    assert outcome.unknown == unknown
    assert (outcome.message is None) == (unknown is not None)


def test_a_bound_whose_document_does_not_say_which_way_is_left_out():
    (document,) = documents_of([json.dumps(an_observation(component=[BOUND])).encode()])
    earlier = msgspec.structs.replace(document, comparators=None)
    assert [each.unknown for each in replayed([earlier])] == [Unknown.COMPARATOR]


def test_settings_that_are_others_now_are_noticed():
    message = an_observation(effectiveDateTime="2026-01-29T21:32:51")
    (document,) = documents_of([json.dumps(message).encode()])
    ((_, sent, unknown),) = Replayer(Parser(timezone=ZoneInfo("Europe/Paris"))).outcomes([document])
    assert (sent, unknown) == (None, Unknown.DETAIL)
