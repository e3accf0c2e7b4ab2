"""What should come of the messages that were sent: plain Python, nothing of bpstream's.

It reads the original producer's form, and lines of NDJSON of it, and says what documents,
archive entries, counters, alarm episodes and dead letters follow.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from tests.faults import alarms
from tests.faults.alarms import Episode

LATE_AFTER = 15 * 60.0
"""Seconds between a reading and its arrival from which on it is late."""
MAX_SKEW = 600.0
"""Seconds that a reading may lie in the future of its arrival."""
HORIZON = 16
"""Readings of a patient among which a repeated one is known."""

_TAGS = (
    ("hypertension_systolic", lambda systolic, _: systolic > 140),
    ("hypotension_systolic", lambda systolic, _: systolic < 90),
    ("hypertension_diastolic", lambda _, diastolic: diastolic > 90),
    ("hypotension_diastolic", lambda _, diastolic: diastolic < 60),
)
_TYPES = ("hypertension", "hypotension", "normal")


class Sent(NamedTuple):
    """A message that Kafka has, where, and since when (ms since 1970)."""

    value: bytes | None
    partition: int
    offset: int
    timestamp: int


class Found(NamedTuple):
    """What is compared of a document."""

    document_id: str
    patient_id: str
    observation_id: str
    practitioner_id: str
    systolic: float
    diastolic: float
    anomaly_type: str
    anomaly_details: tuple[str, ...]
    flags: frozenset[str]
    taken_at: float
    partition: int
    offset: int


class Letter(NamedTuple):
    """What is compared of a dead letter."""

    partition: int
    offset: int
    entry: int
    reason: str
    value: bytes | None


@dataclass
class Outcome:
    """Everything that came of the messages, or should have: each thing, and how many times."""

    indexed: Counter[Hashable] = field(default_factory=Counter)
    archived: Counter[Hashable] = field(default_factory=Counter)
    counters: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By patient, as `/patients/` shows them."""
    episodes: dict[str, Episode] = field(default_factory=dict)
    """By alert id."""
    letters: Counter[Hashable] = field(default_factory=Counter)


def expected(sent: Iterable[Sent]) -> Outcome:
    """What should be there once every message is applied.

    A patient's messages are applied in the order of their offsets; where a patient's
    messages are in several partitions, only readings that are late anyway are certain.
    """
    outcome = Outcome()
    recent: defaultdict[str, list[str]] = defaultdict(list)
    newest: dict[str, float] = {}
    documents: list[Found] = []
    in_time: list[Found] = []
    for message in sorted(sent, key=lambda each: (each.partition, each.offset)):
        for entry, read, value in _inputs(message.value):
            fate = _judged(read, message) if isinstance(read, dict) else read
            if isinstance(fate, str):
                outcome.letters[Letter(message.partition, message.offset, entry, fate, value)] += 1
                continue
            patient, taken_at = fate.patient_id, fate.taken_at
            if fate.document_id in recent[patient][-HORIZON:]:
                continue
            recent[patient].append(fate.document_id)
            before = newest.get(patient, taken_at)
            newest[patient] = max(before, taken_at)
            if taken_at < before or message.timestamp / 1000 - taken_at > LATE_AFTER:
                documents.append(fate._replace(flags=fate.flags | {"late"}))
            else:
                documents.append(fate)
                in_time.append(fate)
    outcome.indexed = Counter(each for each in documents if each.anomaly_details)
    outcome.archived = Counter(each for each in documents if not each.anomaly_details)
    outcome.counters = counters(documents)
    outcome.episodes = alarms.episodes(in_time)
    return outcome


def _inputs(value: bytes | None) -> Iterator[tuple[int, dict[str, Any] | str, bytes | None]]:
    """Entry, Observation or reason of its being none, and bytes of each input of a message."""
    if not (value or b"").strip():
        yield 0, "empty_message", value
        return
    assert value is not None
    whole = _read(value)
    if whole != "invalid_json":
        yield 0, whole, value
        return
    lines = [line.strip() for line in value.split(b"\n") if line.strip()]
    read = [_read(line) for line in lines]
    if not any(isinstance(each, dict) for each in read):
        yield 0, whole, value
        return
    for entry, (line, fate) in enumerate(zip(lines, read, strict=True)):
        yield entry, fate, line


def _read(text: bytes) -> dict[str, Any] | str:
    """The Observation that `text` is, or why it is none."""
    try:
        resource = json.loads(text, parse_constant=_refuse)
    except ValueError:
        return "invalid_json"
    except RecursionError:
        return "too_deep"
    is_one = isinstance(resource, dict) and resource.get("resourceType") == "Observation"
    return resource if is_one else "not_an_observation"


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _judged(observation: dict[str, Any], message: Sent) -> Found | str:
    """The document of an Observation, its flag `late` apart; or why there is none."""
    patient = observation["subject"]["reference"].removeprefix("Patient/")
    systolic, diastolic = (
        component["valueQuantity"]["value"] for component in observation["component"]
    )
    taken_at = datetime.fromisoformat(observation["effectiveDateTime"]).timestamp()
    if taken_at > message.timestamp / 1000 + MAX_SKEW:
        return "in_future"
    if not (30 <= systolic <= 350 and 10 <= diastolic <= 250):
        return "out_of_range"
    details = tuple(name for name, holds in _TAGS if holds(systolic, diastolic))
    kind = "normal"
    if details:
        hyper = any(tag.startswith("hyper") for tag in details)
        kind = "hypertension" if hyper else "hypotension"
    return Found(
        document_id(patient, observation["id"]),
        patient,
        observation["id"],
        observation["performer"][0]["reference"].removeprefix("Practitioner/"),
        systolic,
        diastolic,
        kind,
        details,
        # The original producer tells codes as texts.
        frozenset({"unit_from_text"} | ({"implausible"} if systolic <= diastolic else set())),
        taken_at,
        message.partition,
        message.offset,
    )


def document_id(patient: str, name: str) -> str:
    """The identity of an Observation `name` that tells no source."""
    return blake2b(f"id\n{patient}\n\n{name}".encode(), digest_size=16).hexdigest()


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
                kind: sum(document.anomaly_type == kind for document in found) for kind in _TYPES
            },
            "by_tag": {
                tag: sum(tag in document.anomaly_details for document in found) for tag, _ in _TAGS
            },
        }
        for patient, found in by_patient.items()
    }


class Difference(NamedTuple):
    """How one part of an outcome is not what it should be, and the first things that differ."""

    lost: int
    repeated: int
    wrong: int
    """Things that should not be there at all."""
    told: str


def differences(should: Outcome, found: Outcome) -> dict[str, Difference]:
    """By the name of each of an outcome's five parts."""
    return {
        part.name: _difference(getattr(should, part.name), getattr(found, part.name))
        for part in fields(Outcome)
    }


def _difference(should: Any, found: Any) -> Difference:
    if isinstance(should, Counter):
        lost = [each for each in should if each not in found]
        wrong = [each for each in found if each not in should]
        repeated = [each for each, times in found.items() if times > should[each] > 0]
        count = sum(found[each] - should[each] for each in repeated)
    else:
        lost = [(key, each) for key, each in should.items() if key not in found]
        wrong = [(key, each) for key, each in found.items() if key not in should]
        both = [(key, each, found[key]) for key, each in should.items() if key in found]
        differing = [(key, a, b) for key, a, b in both if a != b]
        repeated = [each for each in differing if _more(each)]
        count = len(repeated)
        lost += [each for each in differing if each not in repeated]
    parts = (("lost", lost), ("repeated", repeated), ("wrong", wrong))
    told = "\n".join(f"{name}: {each}" for name, those in parts for each in those[:3])
    return Difference(len(lost), count, len(wrong), told)


def _more(differing: tuple[str, Any, Any]) -> bool:
    """Whether a patient's readings, or an episode's edges, are more than they should be."""
    _, should, found = differing
    if isinstance(should, Episode):
        return len(found.edges) > len(should.edges)
    return bool(found["readings"] > should["readings"])
