"""The topics as AsyncAPI: every one is described, and its messages are as they are sent."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from bpstream.asyncapi import asyncapi
from bpstream.fhir.reasons import Fault
from bpstream.pipeline import Pipeline
from bpstream.reading import Origin
from bpstream.settings import Settings
from bpstream.stream.dead_letters import DeadLetter, DeadLetters
from bpstream.stream.letters.letter import Letter, mark, read
from bpstream.stream.rekey import homeward
from tests.fhir.messages import a_bundle, an_observation, the_reading
from tests.pipeline.messages import Message, a_pipeline, at, chunk
from tests.pipeline.owner import Owner
from tests.stream.helpers import TakesAll

ROOT = Path(__file__).parents[1]
MADE = asyncapi(Settings(enriched_topic="blood_pressure_enriched"))


def documented_topics() -> set[str]:
    """The names in the table of topics."""
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text.partition("\n## Topics\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.M))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for name, each in value.items() if name == "$ref")
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def resolved(reference: str) -> Any:
    assert reference.startswith("#/")
    found = MADE
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_every_documented_topic_is_a_channel_and_no_other():
    addresses = {each["address"] for each in MADE["channels"].values()}
    assert addresses == {name.replace("APP_ID", "bpstream") for name in documented_topics()}


def test_every_reference_leads_somewhere():
    found = list(references(MADE))
    assert found
    for each in found:
        assert isinstance(resolved(each), dict), each


def test_nothing_is_described_that_nothing_uses():
    used = set(references(MADE))
    for kind in ("messages", "schemas"):
        for name in MADE["components"][kind]:
            assert f"#/components/{kind}/{name}" in used
    assert {f"#/channels/{name}" for name in MADE["channels"]} <= used


def test_the_channels_have_the_names_and_the_broker_of_the_settings():
    made = asyncapi(
        Settings(
            topic="in",
            app_id="ward",
            broker="kafka://a:1;kafka://b",
            broker_security_protocol="SSL",
        )
    )
    channels = made["channels"]
    assert channels["observations"]["address"] == "in"
    assert channels["changelog"]["address"] == "ward-patients-changelog"
    assert channels["enriched"]["address"] is None
    assert [(each["host"], each["protocol"]) for each in made["servers"].values()] == [
        ("a:1", "kafka-secure"),
        ("b:9092", "kafka-secure"),
    ]


def test_no_secret_is_told():
    settings = Settings(
        broker_security_protocol="SASL_SSL", broker_username="us3r", broker_password="s3cret"
    )
    assert not re.search("us3r|s3cret", json.dumps(asyncapi(settings)))


def test_the_example_is_read_as_a_reading_and_is_as_told():
    message = MADE["components"]["messages"]["resource"]
    for example in message["examples"]:
        assert the_reading(example["payload"]).patient_id == "PAT-003"
        Draft202012Validator(resolved(message["payload"]["$ref"])).validate(example["payload"])


def names(message: str, headers: Any) -> None:
    """The headers that were sent are those that are told of."""
    told = MADE["components"]["messages"][message]["headers"]
    Draft202012Validator(told | {"additionalProperties": False}).validate(
        {name: value.decode() for name, value in headers}
    )


class Fetched:
    """A record as confluent_kafka fetches it."""

    def __init__(self, key: bytes | None, value: bytes | None, headers: Any) -> None:
        self.key, self.value, self.headers = (lambda: key), (lambda: value), (lambda: headers)
        self.partition = self.offset = lambda: 0


async def test_a_dead_letter_and_its_mark_have_the_headers_that_are_told():
    publisher: Any = TakesAll()
    letters = DeadLetters(publisher, topic="letters", source="in", partitions=1)
    letter = DeadLetter(Origin(0), Fault.NO_STATUS, "Observation.status", "None")
    await letters.publish(chunk([Message(0, b"{}", at(0))]), [letter])
    ((_, _, (record,)),) = publisher.sent
    names("deadLetter", record.headers)
    required = MADE["components"]["messages"]["deadLetter"]["headers"]["required"]
    assert [name for name, _ in record.headers] == required
    found: Any = read(Fetched(record.key, record.value, record.headers))
    assert isinstance(found, Letter)
    names("mark", mark(found, at=datetime.now(UTC)))


def test_a_reading_on_its_way_home_has_the_headers_that_are_told():
    pipeline: Pipeline = a_pipeline(home=lambda patient_ids: [1] * len(patient_ids))
    for value in (an_observation(), a_bundle(an_observation())):
        held = chunk([Message(0, json.dumps(value).encode(), at(24 * 60))])
        (record,) = homeward(Owner(pipeline).read(held))
        names("homeward", record.headers)
