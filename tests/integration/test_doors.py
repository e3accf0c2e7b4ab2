"""What a worker lets out: of nasty ids, to who has no token, and into logs, metrics and traces."""

import json
import re
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from confluent_kafka import Producer
from faust.web.base import (
    DEBUG_BLUEPRINTS,
    DEFAULT_BLUEPRINTS,
    OPTIONAL_BLUEPRINTS,
    PRODUCTION_BLUEPRINTS,
)
from mode.utils.imports import symbol_by_name

from tests.faults.hook import Hook
from tests.faults.killable import running
from tests.integration.workers import Worker, until
from tests.stream.collector import Collector

TOKEN, SIGNING, IN_URL = "c4nary-token-a1", "c4nary-signing-b2", "c4nary-in-url-c3"
PASSWORD, API_KEY = "c4nary-password-d4", "c4nary-api-key-e5"
SECRETS = [TOKEN, SIGNING, IN_URL, PASSWORD, API_KEY]
PEOPLE = ["Zebedee Canaryname", "Doctor Canaryfriend", "PRAC-CANARY-77", "BED-CANARY-12"]
PRESSURES = ["231.37", "137.91", "117.73", "61.19", "931.77", "231.4", "137.9"]
PATIENT, UNUSABLE = "PAT-CANARY-0815", "PAT-CANARY-4711"
OBSERVATION = "obs-canary-555"

NASTY = [
    "<script>alert(1)</script>",
    "../../x",
    "%2e%2e",
    "a\x00b",
    "CR\r\nSet-Cookie: bpstream=1",
    "\u202egnp.exe",
    "👩‍⚕️",
    "=cmd()",
    "{{7*7}}",
    "' or 1=1 --",
    "x" * 4000,
]
SYSTEM = "http://ward.example/ids"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class House(NamedTuple):
    """A worker to which everything was sent, and what it talks to."""

    form: str
    worker: Worker
    hook: Hook
    collector: Collector

    def ask(self, path: str, *, body: Any = None, token: str = TOKEN) -> Answer:
        """The answer to a GET, or where there is a `body` to a POST of JSON."""
        connection = HTTPConnection("127.0.0.1", self.worker.port, timeout=10)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        method, sent = "GET", None
        if body is not None:
            method, sent = "POST", json.dumps(body)
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def told(self) -> str:
        """How far it has come."""
        return f"{self.ask('/status').json}, {len(self.hook.received)} calls of the webhook"

    @property
    def log(self) -> list[str]:
        """Its lines, without those that a person is told before the worker begins."""
        lines = self.worker.log.read_text().split("Ctrl-C ends it.\n")[1].split("\n")
        return [line for line in lines if line]


def observation(
    number: int, systolic: float, *, reference: str = "", identifier: str = "", **more: Any
) -> bytes:
    subject: dict[str, Any] = {"display": PEOPLE[0]}
    if reference:
        subject["reference"] = f"Patient/{reference}"
    if identifier:
        subject["identifier"] = {"system": SYSTEM, "value": identifier}
    pressures = (("8480-6", systolic), ("8462-4", 137.91))
    return json.dumps(
        {
            "resourceType": "Observation",
            "id": f"{OBSERVATION}-{number}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
            "subject": subject,
            "performer": [{"reference": f"Practitioner/{PEOPLE[2]}", "display": PEOPLE[1]}],
            "device": {"display": PEOPLE[3]},
            "effectiveDateTime": datetime.now(UTC).isoformat(),
            "component": [
                {
                    "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                    "valueQuantity": {
                        "value": value,
                        "unit": "mmHg",
                        "system": "http://unitsofmeasure.org",
                        "code": "mm[Hg]",
                    },
                }
                for code, value in pressures
            ],
            **more,
        }
    ).encode()


def everything() -> list[bytes]:
    """Readings that alarm, of usual and nasty ids, and input of which nothing can be made."""
    usual = observation(0, 231.37, reference=PATIENT)
    corrected = observation(0, 117.73, reference=PATIENT, status="amended", meta={"versionId": "2"})
    nasty = [observation(10 + n, 231.37, identifier=each) for n, each in enumerate(NASTY)]
    unusable = [
        observation(1, 931.77, reference=UNUSABLE),
        observation(2, 231.37, reference=UNUSABLE, effectiveDateTime="231.37"),
        observation(3, 231.37, reference=UNUSABLE, status="231.37"),
        observation(4, 231.37, reference=UNUSABLE, status="entered-in-error"),
        observation(5, 231.37, reference=UNUSABLE)[:-40],
        f"{UNUSABLE} {PEOPLE[0]} 231.37 {TOKEN}".encode(),
    ]
    return [usual, usual, *nasty, *unusable, corrected]


@pytest.fixture(scope="module", params=["text", "json"])
def house(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    with running(Hook(SIGNING)) as hook, running(Collector()) as collector:
        webhook = f"{hook.url}/{IN_URL}?key={IN_URL}"
        asked = Worker(
            folder,
            {
                "BPSTREAM_LOG": request.param,
                "BPSTREAM_WEB_TOKEN": TOKEN,
                # One that joins a group of its own makes a start longer: once is enough.
                "BPSTREAM_WEBHOOK_URL": webhook if request.param == "text" else "",
                "BPSTREAM_WEBHOOK_SECRET": SIGNING,
                "BPSTREAM_BROKER_PASSWORD": PASSWORD,
                "BPSTREAM_ELASTICSEARCH_API_KEY": API_KEY,
                **collector.environment,
            },
        )
        command = ["-m", "bpstream", "demo", "--patients", "0", "--log-level", "info"]
        asked.start(sys.executable, *command)
        try:
            asked.ready()
            found = House(request.param, asked, hook, collector)
            address = (folder / "worker" / "broker").read_text().strip().removeprefix("kafka://")
            producer = Producer({"bootstrap.servers": address})
            for message in everything():
                producer.produce("blood_pressure_fhir", message)
                producer.flush(10)
            until(lambda: done(found), 60, lambda: f"{found.told()}\n{asked.told()}")
            yield found
        finally:
            if not asked.ended():
                asked.kill()


# What does not depend on how the log is written.
once = pytest.mark.parametrize("house", ["text"], indirect=True)


def done(house: House) -> bool:
    status = house.ask("/status").json
    counted = status["readings"] + status["dead_letters"]
    told = house.form == "json" or house.hook.received
    return bool(counted >= len(everything()) - 1 and status["lag"] == 0 and told)


def ids(house: House) -> dict[str, str]:
    """Each nasty id, and what it is in the state: told by the patients of the worker."""
    known = {each["patient_id"] for each in house.ask("/patients/?limit=100").json["patients"]}
    return {each: f"{SYSTEM}|{each}" for each in NASTY if f"{SYSTEM}|{each}" in known}


# Ids.


@once
def test_every_nasty_id_is_a_patient_and_no_answer_about_one_is_anything_but_json(house):
    assert list(ids(house)) == NASTY
    for patient_id in ids(house).values():
        quoted = quote(patient_id, safe="").replace(".", "%2E")
        for path in ("", "history", "history?format=fhir", "limits"):
            answer = house.ask(f"/patients/{quoted}/{path}")
            assert answer.status == 200, (patient_id, path)
            check_closed(answer)
            told = answer.json
            if path != "history?format=fhir":
                assert told["patient_id"] == patient_id
        found = house.ask(f"/patients/?search={quote(patient_id, safe='')}").json
        assert [each["patient_id"] for each in found["patients"]] == [patient_id]


@once
def test_the_feed_tells_a_nasty_id_in_one_line_of_json(house):
    for patient_id in ids(house).values():
        connection = HTTPConnection("127.0.0.1", house.worker.port, timeout=10)
        try:
            query = f"search={quote(patient_id, safe='')}"
            headers = {"Authorization": f"Bearer {TOKEN}"}
            connection.request("GET", f"/feed?{query}", headers=headers)
            answer = connection.getresponse()
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            lines = iter(answer.readline, b"\n")
            event = dict(line.decode().rstrip("\n").split(": ", 1) for line in lines)
            assert event["event"] == "whole"
            assert json.loads(event["data"])["order"] == [patient_id]
        finally:
            connection.close()


@once
def test_nasty_words_are_taken_as_they_are_wherever_one_may_be_said(house):
    by_patient = {each["patient_id"]: each for each in house.ask("/alerts/").json["alerts"]}
    seen = set()
    # Each that is taken waits until Kafka has it and it was read again.
    for nasty, patient_id in list(ids(house).items())[::2]:
        said = {"by": nasty[:100], "comment": nasty[:100]}
        quoted = quote(patient_id, safe="").replace(".", "%2E")
        alert_id = by_patient[patient_id]["alert_id"]
        asked = [
            (f"/alerts/{alert_id}/acknowledge", said),
            (f"/alerts/{quote(nasty, safe='')}/acknowledge", said),
            ("/silences/", {**said, "minutes": 1, "rule": nasty}),
            (
                f"/patients/{quoted}/limits",
                {**said, "reason": nasty[:100], "bounds": {"systolic_high": 170}},
            ),
            (f"/patients/{quoted}/limits", {**said, "reason": "x", "profile": nasty}),
        ]
        for path, body in asked:
            answer = house.ask(path, body=body)
            seen.add(answer.status)
            check_closed(answer)
            assert isinstance(answer.json, dict)
    assert seen == {200, 400, 404}
    for path in ("/alerts/", "/alerts/?state=all", "/silences/"):
        check_closed(house.ask(path))


def check_closed(answer: Answer) -> None:
    """It is no page, and a browser is told not to take it for one."""
    kind = answer.headers["Content-Type"]
    assert kind.startswith(("application/json", "application/fhir+json"))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "Set-Cookie" not in answer.headers


# Faust's own doors.


def faust_paths() -> list[str]:
    """Every address that Faust would serve by itself."""
    groups = [DEFAULT_BLUEPRINTS, PRODUCTION_BLUEPRINTS, DEBUG_BLUEPRINTS, OPTIONAL_BLUEPRINTS]
    found = set()
    for prefix, name in (each for group in groups for each in group):
        for route in symbol_by_name(name).routes:
            path = re.sub(r"{\w+}", "patients", f"{prefix}{route.uri}")
            found |= {path, path.rstrip("/"), f"{path.rstrip('/')}/"}
    return sorted(found - {"", "/"})


@once
def test_none_of_fausts_own_addresses_is_open(house):
    paths = faust_paths()
    assert {"/table/", "/router/", "/graph/", "/performance/"} <= set(paths)
    for path in paths:
        for token, status in ((TOKEN, 404), ("", 401)):
            # Ours, with the token, by the same name.
            if not (token and path.startswith("/metrics")):
                assert house.ask(path, token=token).status == status, path


@once
def test_a_worker_listens_on_this_machine_alone(house):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but its own")
        address = probe.getsockname()[0]
    with socket.socket() as trial:
        trial.settimeout(2)
        assert trial.connect_ex((address, house.worker.port)) != 0


# Canaries.


def test_no_pressure_name_or_secret_is_in_the_log_and_patients_only_where_it_is_said(house):
    # A request that fails, and one that is refused, are told as well.
    house.ask(f"/patients/{quote(PATIENT)}/limits", body={"by": PEOPLE[0]})
    house.ask(f"/patients/{PATIENT}/", token="wr0ng")
    lines = house.log
    assert any("alert" in line and "firing" in line for line in lines)
    assert any("dead letter" in line for line in lines)
    for line in lines:
        assert not [word for word in (*SECRETS, *PEOPLE, *PRESSURES) if word in line], line
        assert UNUSABLE not in line
        assert OBSERVATION not in line
        if PATIENT in line:
            assert house.form == "text"
            assert re.search(r" alert [0-9a-f]{16} \w+: \w+, \w+, patient ", line), line
    assert any(PATIENT in line for line in lines) == (house.form == "text")


def test_every_line_of_the_log_is_whole_whatever_an_id_holds(house):
    if house.form == "json":
        for line in house.log:
            assert {"time", "level", "logger", "message"} <= json.loads(line).keys()
        return
    for line in house.log:
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) ", line), line
        assert line.isprintable(), ascii(line)


def test_metrics_hold_no_patient_pressure_name_or_secret(house):
    text = house.ask("/metrics").body.decode()
    assert 'bpstream_inputs_total{fate="reading",reason=""}' in text
    check_quiet(text)
    labels = set(re.findall(r'(\w+)="', text))
    assert labels <= {
        *("fate", "reason", "path", "sink", "stage", "rule", "severity", "state", "receiver"),
        *("outcome", "topic", "partition", "column", "le", "event"),
    }


def test_traces_hold_no_patient_pressure_name_or_secret(house):
    until(lambda: house.collector.spans, 15, house.worker.told)
    assert {span.name for span in house.collector.spans} == {"chunk", "read", "judge", "store"}
    for request in house.collector.requests:
        check_quiet(str(request))


def check_quiet(text: str) -> None:
    private = [*SECRETS, *PEOPLE, *PRESSURES, PATIENT, UNUSABLE, OBSERVATION, SYSTEM]
    assert not [word for word in private if word in text]
