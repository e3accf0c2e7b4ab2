"""What should come of the messages that were sent: plain Python, nothing of bpstream's.

It reads the original producer's form only, and says what the documents and the counters
are.  Everything is a set or a dictionary, so that a test can ask for equality.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from confluent_kafka import Consumer, TopicPartition


class Sent(NamedTuple):
    """A message that Kafka has, and where."""

    value: bytes
    partition: int
    offset: int


class Found(NamedTuple):
    """What is compared of a document."""

    patient_id: str
    observation_id: str
    practitioner_id: str
    systolic: float
    diastolic: float
    anomaly_type: str
    anomaly_details: tuple[str, ...]
    taken_at: float
    partition: int
    offset: int


def tags(systolic: float, diastolic: float) -> tuple[str, ...]:
    found = []
    if systolic > 140:
        found.append("hypertension_systolic")
    if systolic < 90:
        found.append("hypotension_systolic")
    if diastolic > 90:
        found.append("hypertension_diastolic")
    if diastolic < 60:
        found.append("hypotension_diastolic")
    return tuple(found)


def expected(sent: Iterable[Sent]) -> tuple[set[Found], set[Found]]:
    """The documents of the anomalies, and those of the normal readings."""
    anomalies, normal = set(), set()
    for value, partition, offset in sent:
        message = json.loads(value)
        systolic, diastolic = (
            component["valueQuantity"]["value"] for component in message["component"]
        )
        details = tags(systolic, diastolic)
        kind = "normal"
        if details:
            hyper = any(tag.startswith("hyper") for tag in details)
            kind = "hypertension" if hyper else "hypotension"
        document = Found(
            message["subject"]["reference"].removeprefix("Patient/"),
            message["id"],
            message["performer"][0]["reference"].removeprefix("Practitioner/"),
            systolic,
            diastolic,
            kind,
            details,
            datetime.fromisoformat(message["effectiveDateTime"]).timestamp(),
            partition,
            offset,
        )
        (anomalies if details else normal).add(document)
    return anomalies, normal


def counters(documents: Iterable[Found]) -> dict[str, dict[str, Any]]:
    """What `/patients/{id}/` should count, by patient."""
    by_patient = defaultdict(list)
    for document in documents:
        by_patient[document.patient_id].append(document)
    return {
        patient: {
            "readings": len(found),
            "anomalies": sum(bool(document.anomaly_details) for document in found),
            "by_type": {
                kind: sum(document.anomaly_type == kind for document in found)
                for kind in ("hypertension", "hypotension", "normal")
            },
            "by_tag": {
                tag: sum(tag in document.anomaly_details for document in found)
                for tag in (
                    "hypertension_systolic",
                    "hypotension_systolic",
                    "hypertension_diastolic",
                    "hypotension_diastolic",
                )
            },
        }
        for patient, found in by_patient.items()
    }


def found(document: dict[str, Any]) -> Found:
    """A stored document, as it is compared."""
    return Found(
        document["patient_id"],
        document["observation_id"],
        document["practitioner_id"],
        document["systolic_pressure"],
        document["diastolic_pressure"],
        document["anomaly_type"],
        tuple(document["anomaly_details"]),
        datetime.fromisoformat(document["timestamp"]).timestamp(),
        document["kafka"]["partition"],
        document["kafka"]["offset"],
    )


def archived(folder: Path) -> Iterator[dict[str, Any]]:
    """Every entry of the archive, in either layout."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            yield json.loads(path.read_bytes())
        elif path.suffix == ".jsonl":
            yield from map(json.loads, path.read_bytes().splitlines())
        elif path.name.endswith(".jsonl.gz"):
            yield from map(json.loads, gzip.decompress(path.read_bytes()).splitlines())


def indexed(elasticsearch: str, index: str) -> Iterator[dict[str, Any]]:
    """Every document behind the alias `index`."""
    urlopen(f"{elasticsearch}/{index}/_refresh", data=b"").close()
    after = ""
    while True:
        body = json.dumps({"search_after": [after]}).encode() if after else b"{}"
        query = f"{elasticsearch}/{index}/_search?size=5000&sort=document_id:asc"
        request = Request(query, body, {"Content-Type": "application/json"})
        with urlopen(request) as answer:
            hits = json.load(answer)["hits"]["hits"]
        if not hits:
            return
        for hit in hits:
            assert hit["_id"] == hit["_source"]["document_id"]
            yield hit["_source"]
        after = hits[-1]["_source"]["document_id"]


def published(kafka: str, topic: str) -> Iterator[dict[str, Any]]:
    """The JSON of every message of a topic."""
    for message in _messages(kafka, topic):
        yield json.loads(message.value())


def letters(kafka: str, topic: str) -> Iterator[tuple[bytes, bytes | None, dict[str, str]]]:
    """Key, value and headers of every message of a topic."""
    for message in _messages(kafka, topic):
        headers = {name: value.decode() for name, value in message.headers()}
        yield message.key(), message.value(), headers


def _messages(kafka: str, topic: str) -> Iterator[Any]:
    """Every message of a topic, to its end as it is now."""
    settings = {"bootstrap.servers": kafka, "group.id": "oracle"}
    consumer = Consumer({**settings, "fetch.message.max.bytes": 9_000_000})
    for number in consumer.list_topics(topic).topics[topic].partitions:
        end = consumer.get_watermark_offsets(TopicPartition(topic, number))[1]
        consumer.assign([TopicPartition(topic, number, 0)])
        offset = 0
        while offset < end:
            message = consumer.poll(10)
            assert message is not None
            assert message.error() is None
            offset = message.offset() + 1
            yield message
    consumer.close()


def twice(documents: Iterable[Found]) -> list[Found]:
    """Those that are there more than once."""
    return [document for document, times in Counter(documents).items() if times > 1]
