"""What came of the messages: read from the index, the archive, the page and the topics."""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.faults.alarms import Episode, rules
from tests.faults.oracle import Found, Letter
from tests.stream.brokers import everything_on

_PATIENTS_AT_ONCE = 1000


def found(document: dict[str, Any]) -> Found:
    """A stored document, as it is compared."""
    return Found(
        document["document_id"],
        document["patient_id"],
        document["observation_id"],
        document["practitioner_id"],
        document["systolic_pressure"],
        document["diastolic_pressure"],
        document["anomaly_type"],
        tuple(document["anomaly_details"]),
        frozenset(document["flags"]),
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


def counted(worker: Any) -> dict[str, dict[str, Any]]:
    """The counters of every patient, as any worker tells them."""
    fields = ("readings", "anomalies", "by_type", "by_tag")
    shown: dict[str, dict[str, Any]] = {}
    while True:
        page = worker.get(f"/patients/?offset={len(shown)}&limit={_PATIENTS_AT_ONCE}")
        assert not page.get("missing"), page["missing"]
        for patient in page["patients"]:
            shown[patient["patient_id"]] = {name: patient[name] for name in fields}
        if len(shown) >= page["total"] or not page["patients"]:
            return shown


def published(kafka: str, topic: str) -> Iterator[dict[str, Any]]:
    """The JSON of every message of a topic."""
    for message in everything_on(kafka, topic):
        yield json.loads(message.value())


def episodes(alerts: Iterable[dict[str, Any]]) -> dict[str, Episode]:
    """The episodes by alert id, of the rules that the oracle knows.

    A crash may have written an event again: its alert id, state and severity tell.
    """
    known_rules = {rule["name"] for rule in rules()}
    edges: defaultdict[tuple[str, str, str | None], list[tuple[str, str]]] = defaultdict(list)
    for alert in alerts:
        if alert["rule"] in known_rules:
            known = edges[alert["alert_id"], alert["rule"], alert["patient_id"]]
            edge = (alert["state"], alert["severity"])
            if edge not in known:
                known.append(edge)
    return {
        alert_id: Episode(rule, patient, tuple(each))
        for (alert_id, rule, patient), each in edges.items()
    }


def dead_letters(kafka: str, topic: str) -> Counter[Letter]:
    """Every dead letter, and how many times it is there: a crash may write one again."""
    return Counter(
        Letter(*_place(headers), headers["reason"], value)
        for _, value, headers in letters(kafka, topic)
    )


def _place(headers: dict[str, str]) -> tuple[int, int, int]:
    """Partition, offset and entry."""
    partition, offset, entry = map(int, headers["id"].split(":"))
    assert (str(partition), str(offset)) == (headers["partition"], headers["offset"])
    return partition, offset, entry


def letters(kafka: str, topic: str) -> Iterator[tuple[bytes, bytes | None, dict[str, str]]]:
    """Key, value and headers of every message of a topic."""
    for message in everything_on(kafka, topic):
        headers = {name: value.decode() for name, value in message.headers()}
        yield message.key(), message.value(), headers


def twice(documents: Iterable[Found]) -> list[Found]:
    """Those that are there more than once."""
    return [document for document, times in Counter(documents).items() if times > 1]
