"""The topics as AsyncAPI 3.0: their keys, headers and values, under the names of the settings."""

from typing import Any

import msgspec

from bpstream import __version__, schema
from bpstream.acknowledgements import Acknowledgement, Silence
from bpstream.fhir import build
from bpstream.limits import PatientLimits
from bpstream.settings import Settings
from bpstream.stream.topics import MAX_MESSAGE_BYTES, changelog_of, ward_topic_of

Json = dict[str, Any]

_VERSION = "3.0.0"
_KAFKA = {"bindingVersion": "0.5.0"}
_LARGE = {"max.message.bytes": MAX_MESSAGE_BYTES}
_COMPACTED = {"cleanup.policy": ["compact"]}
_JSON, _FHIR, _LINES = "application/json", "application/fhir+json", "application/fhir+ndjson"
_BYTES = "application/octet-stream"

_PATIENT = "The patient's key, UTF-8: a patient's messages are all in one partition."


def asyncapi(settings: Settings) -> Json:
    """The description of every topic that is read or written with these settings.

    A topic that is off has no address.
    """
    secured = settings.broker_security_protocol != "PLAINTEXT"
    hosts = settings.bootstrap_servers.split(",")
    return {
        "asyncapi": _VERSION,
        "info": {
            "title": "bpstream",
            "version": __version__,
            "description": "Blood-pressure surveillance on a stream of FHIR Observations.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": {
            f"kafka{number}": {
                "host": host,
                "protocol": "kafka-secure" if secured else "kafka",
            }
            for number, host in enumerate(hosts, 1)
        },
        "channels": _channels(settings),
        "operations": {
            "readObservations": _operation("receive", "observations"),
            "sendHome": _operation("send", "rekeyed"),
            "takeIn": _operation("receive", "rekeyed"),
            "publishDocuments": _operation("send", "enriched"),
            "publishAlerts": _operation("send", "alerts"),
            "readAlerts": _operation("receive", "alerts"),
            "setLimits": _operation("send", "limits"),
            "heedLimits": _operation("receive", "limits"),
            "say": _operation("send", "acknowledgements"),
            "heed": _operation("receive", "acknowledgements"),
            "keepDeadLetters": _operation("send", "deadLetters"),
            "readDeadLetters": _operation("receive", "deadLetters"),
            "retryDeadLetters": _operation("send", "observations"),
            "markRetried": _operation("send", "deadLetters"),
            "keepState": _operation("send", "changelog"),
            "recoverState": _operation("receive", "changelog"),
            "countForTheWard": _operation("send", "ward"),
            "judgeTheWard": _operation("receive", "ward"),
        },
        "components": {"messages": _MESSAGES, "schemas": _schemas()},
    }


def _channels(settings: Settings) -> Json:
    return {
        "observations": _channel(
            settings.topic,
            "FHIR Observations, alone, in Bundles of any type, or as lines of NDJSON.",
            "resource",
            "lines",
            **_LARGE,
        ),
        "rekeyed": _channel(
            settings.rekeyed_topic,
            "Internal: readings that arrived under another key, on their way home.",
            "homeward",
            **_LARGE,
        ),
        "enriched": _channel(
            settings.enriched_topic or None,
            "Every document, and a tombstone for each that was taken back; off unless "
            "BPSTREAM_ENRICHED_TOPIC names it.",
            "document",
            "tombstone",
        ),
        "alerts": _channel(
            settings.alerts_topic,
            "Alerts that fired, changed, recovered or were acknowledged.",
            "alert",
        ),
        "limits": _channel(
            settings.limits_topic,
            "Alarm limits by patient, which every worker reads; no value: none is set.",
            "limits",
            **_COMPACTED,
        ),
        "acknowledgements": _channel(
            settings.acknowledgements_topic,
            "What people said of alerts, which every worker reads; no value: it is over.",
            "acknowledgement",
            "silence",
            **_COMPACTED,
        ),
        "deadLetters": _channel(
            settings.dead_letter_topic,
            "Input that cannot be used, as it came, with the reason.",
            "deadLetter",
            "mark",
            **_LARGE,
        ),
        "changelog": _channel(
            changelog_of(settings),
            "Internal: the state of every patient, and how far each partition has come.",
            "state",
            **_COMPACTED,
        ),
        "ward": _channel(
            ward_topic_of(settings),
            "Internal: what each partition counts of anomalous readings, and what is said of all.",
            "ward",
            **_COMPACTED,
        ),
    }


def _channel(topic: str | None, description: str, *messages: str, **config: Any) -> Json:
    """A topic, and how it is configured where it has to be made."""
    channel: Json = {
        "address": topic,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }
    if config:
        channel["bindings"] = {"kafka": {**_KAFKA, "topicConfiguration": config}}
    return channel


def _operation(action: str, channel: str) -> Json:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _message(
    title: str, content_type: str, payload: str, *, key: str, headers: Json | None = None
) -> Json:
    message = {
        "title": title,
        "contentType": content_type,
        "payload": {"$ref": f"#/components/schemas/{payload}"},
        "bindings": {"kafka": {**_KAFKA, "key": {"type": "string", "description": key}}},
    }
    return message | ({"headers": headers} if headers else {})


def _headers(required: dict[str, str], optional: dict[str, str]) -> Json:
    """Headers by name, each with what it says; all are UTF-8."""
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": text}
            for name, text in (required | optional).items()
        },
        **({"required": list(required)} if required else {}),
    }


_AGAIN = _headers(
    {},
    {
        "retried": "The id of the dead letter that is sent again.",
        "archived": "Of an archived document that is sent again: the life of the input topics it "
        "was archived in, a colon, and when, in microseconds since 1970.",
    },
)

_MESSAGES = {
    "resource": _message(
        "An Observation or a Bundle",
        _FHIR,
        "resource",
        key="The patient's key; another key, or none, is accepted and re-keyed.",
        headers=_AGAIN,
    )
    | {
        "examples": [
            {
                "name": "observation",
                "payload": msgspec.json.decode(
                    build.observation(
                        observation_id="o1",
                        patient_id="PAT-003",
                        practitioner_id="PRAC-01",
                        taken_at="2026-01-29T21:32:51.619300Z",
                        systolic=176.0,
                        diastolic=84.0,
                    )
                ),
            }
        ]
    },
    "lines": _message("NDJSON", _LINES, "lines", key="Any, or none.", headers=_AGAIN),
    "homeward": _message(
        "One reading on its way home",
        _FHIR,
        "resource",
        key=_PATIENT,
        headers=_headers(
            {
                "origin": "Where it stood first, with colons between: topic, partition, offset, "
                "entry, and when it arrived (µs since 1970 UTC)."
            },
            {"path": "The FHIRPath of the entry in the original message."},
        ),
    ),
    "document": _message("A document", _JSON, "document", key=_PATIENT),
    "tombstone": _message("A document was taken back", _JSON, "tombstone", key=_PATIENT),
    "alert": _message(
        "An alert",
        _JSON,
        "alert",
        key="The patient's key; the rule's name where the alert is not about a patient.",
    ),
    "limits": _message("A patient's limits", _JSON, "PatientLimits", key="The patient's key."),
    "acknowledgement": _message(
        "Somebody looks after an alert", _JSON, "Acknowledgement", key="The alert's id."
    ),
    "silence": _message(
        "Nobody is notified for a while",
        _JSON,
        "Silence",
        key="`silence:` and 16 hexadecimal digits made of the patient and the rule.",
    ),
    "deadLetter": _message(
        "A dead letter",
        _BYTES,
        "original",
        key="The original message's key.",
        headers=_headers(
            {
                "id": "partition:offset:entry of the original: a letter written twice has one id.",
                "reason": "One of a short list, fit for a metric label.",
                "path": "The FHIRPath of the element at fault.",
                "found": "What stood there, in short.",
                "topic": "The original message's topic.",
                "partition": "Its partition.",
                "offset": "Its offset.",
                "time": "When the letter was written, ISO 8601 in UTC.",
            },
            {"truncated": "The length in bytes of the original, of which only the head is kept."},
        ),
    ),
    "mark": _message(
        "The mark that a letter was sent again",
        _BYTES,
        "nothing",
        key="The letter's key.",
        headers=_headers(
            {
                "id": "The letter's id.",
                "topic": "The original message's topic.",
                "identity": "Tells the letter from any other: 32 hexadecimal digits.",
                "retried_at": "When it was sent again, ISO 8601 in UTC.",
            },
            {},
        ),
    ),
    "ward": _message(
        "A partition's counts",
        _JSON,
        "counts",
        key="`partition-` and its number; `judgement` for what their judge remembers.",
    ),
    "state": _message(
        "A patient's state", _BYTES, "state", key="The patient's key; \\xff… for a partition's own."
    ),
}


def _schemas() -> Json:
    named = {
        "document": schema.document(),
        "tombstone": schema.tombstone(),
        "alert": schema.alert(),
    }
    _, said = msgspec.json.schema_components(
        [PatientLimits, Acknowledgement, Silence], ref_template="#/components/schemas/{name}"
    )
    return {
        **said,
        # AsyncAPI has a dialect of its own, and names schemas by their place.
        **{
            name: {key: each for key, each in found.items() if not key.startswith("$")}
            for name, found in named.items()
        },
        "resource": {
            "description": "A FHIR R4 resource; docs/fhir.md says what is read of it.",
            "type": "object",
            "properties": {"resourceType": {"enum": ["Observation", "Bundle"]}},
            "required": ["resourceType"],
        },
        "lines": {"description": "A resource a line.", "type": "string"},
        "original": {
            "description": "The original bytes; of a Bundle or NDJSON, the one entry.",
            "type": "string",
            "format": "binary",
        },
        "nothing": {"description": "No bytes.", "type": "string", "maxLength": 0},
        "counts": {
            "description": "By time, in tens of seconds since 1970 UTC, how many; or a judgement "
            "(bpstream/ward.py).",
            "type": "object",
        },
        "state": {
            "description": "A packed row (bpstream/patients.py), a checkpoint or a claim.",
            "type": "string",
            "format": "binary",
        },
    }
