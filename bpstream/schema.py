"""The JSON Schema (2020-12) of document, tombstone and alert: generated, with units and ranges.

What fields there are, their types and which are always there is taken from the structs; what a
type cannot say stands here, field by field.  A field that is not told of here is an error.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bpstream.alert import (
    ACKNOWLEDGED,
    CHANGED,
    FIRING,
    PHYSIOLOGICAL,
    RECOVERED,
    TECHNICAL,
    Alert,
)
from bpstream.clinical.categories import SEVERITY_NAMES, Category, Severity
from bpstream.clinical.conditions import MEASURES
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.early_warning import MOST_REASONS, Reason
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES
from bpstream.document import (
    Comparators,
    Coordinates,
    Document,
    EarlyWarning,
    ModelName,
    Tombstone,
)
from bpstream.fhir.quantity import DIASTOLIC_RANGE, MEAN_RANGE, SYSTOLIC_RANGE
from bpstream.limits import DEFAULT, PATIENT, PROFILE
from bpstream.reading import Flag, Kind, Series

Json = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PULSE_RANGE = (SYSTOLIC_RANGE[0] - DIASTOLIC_RANGE[1], SYSTOLIC_RANGE[1] - DIASTOLIC_RANGE[0])


def document() -> Json:
    """The schema of a document, as the index, the archive and the enriched topic hold it."""
    return _root("document", Document, _DOCUMENT)


def tombstone() -> Json:
    """The schema of a tombstone, as the archive and the enriched topic hold it."""
    return _root("tombstone", Tombstone, _TOMBSTONE)


def alert() -> Json:
    """The schema of an alert, as it stands on its topic and is posted to the webhook."""
    return _root("alert", Alert, _ALERT)


def _root(name: str, struct: type[msgspec.Struct], told: Mapping[str, Json]) -> Json:
    return {"$schema": _DIALECT, "$id": f"urn:bpstream:{name}", **_object(struct, told)}


def _object(struct: type[msgspec.Struct], told: Mapping[str, Json]) -> Json:
    """The schema of a struct; `told` is what more is known of each of its properties."""
    found = msgspec.json.schema(struct)["$defs"][struct.__name__]
    properties = found["properties"]
    if told.keys() != properties.keys():
        differ = ", ".join(sorted(told.keys() ^ properties.keys()))
        raise ValueError(f"{struct.__name__} and what is told of it differ in: {differ}")
    omits_empty = struct.__struct_config__.omit_defaults
    return {
        "title": found["title"],
        "description": " ".join(found["description"].split()),
        "type": "object",
        "properties": {
            name: _property(each, told[name], omits_empty=omits_empty)
            for name, each in properties.items()
        },
        "required": found["required"] if omits_empty else list(properties),
        "additionalProperties": False,
    }


def _property(found: Json, told: Json, *, omits_empty: bool) -> Json:
    """One property, with what is told of it in place of what was found.

    What may be null is so only where it is written all the same.
    """
    kinds = found.get("anyOf", [found])
    values = [each for each in kinds if each.get("type") != "null"]
    (value,) = ({**each, **told} for each in values)
    if told.get("type") == "object":
        del value["$ref"]
    value.pop("default", None)
    if len(kinds) == len(values) or (omits_empty and "default" in found):
        return value
    description = value.pop("description")
    return {"description": description, "anyOf": [value, {"type": "null"}]}


def _text(description: str, **more: Any) -> Json:
    return {"description": description, "minLength": 1} | more


def _time(description: str) -> Json:
    pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$"
    return {"description": f"{description} ISO 8601, UTC.", "format": "date-time"} | {
        "pattern": pattern
    }


def _pressure(description: str, bounds: tuple[float, float]) -> Json:
    least, most = bounds
    return {"description": f"{description} mmHg.", "minimum": least, "maximum": most}


def _probability(description: str) -> Json:
    return {"description": description, "minimum": 0, "maximum": 1}


def _count(description: str) -> Json:
    return {"description": description, "minimum": 0}


def _one_of(description: str, words: Sequence[str]) -> Json:
    return {"description": description, "enum": list(words)}


def _some_of(description: str, words: Sequence[str]) -> Json:
    items = {"type": "string", "enum": list(words)}
    return {"description": description, "items": items, "uniqueItems": True}


def _hexadecimal(description: str, digits: int) -> Json:
    return {"description": description, "pattern": f"^[0-9a-f]{{{digits}}}$"}


def _names(words: type[Category] | type[Kind] | type[Series]) -> list[str]:
    return [each.name.lower() for each in words]


_DOCUMENT = {
    "timestamp": _time("When the reading was taken."),
    "patient_id": _text(
        "The patient's key: Patient/123 is 123, an identifier is system|value, an absolute URL "
        "stands whole."
    ),
    "systolic_pressure": _pressure("Null where it was not measured.", SYSTOLIC_RANGE),
    "diastolic_pressure": _pressure("Null where it was not measured.", DIASTOLIC_RANGE),
    "anomaly_type": _one_of(
        "Null where no rule judges: an aggregate, a child.", sorted(set(ANOMALY_TYPES))
    ),
    "anomaly_details": _some_of("What is wrong, each by itself.", TAG_NAMES[-1]),
    "ml_risk_score": _probability(
        "The model's probability that this reading is anomalous; null where it cannot judge."
    ),
    "@timestamp": _time("The same as `timestamp`."),
    "ml_prediction": {
        "description": "1 where the model takes the reading for anomalous, else 0.",
        "enum": [0, 1],
    },
    "mean_arterial_pressure": _pressure(
        "Measured, else computed; null where a pressure for it is missing.", MEAN_RANGE
    ),
    "pulse_pressure": _pressure(
        "Systolic less diastolic; negative in an implausible reading.", _PULSE_RANGE
    ),
    "category": _one_of(
        "By the 2017 ACC/AHA guideline, for adults; null where it does not apply.", _names(Category)
    ),
    "severity": _one_of("How soon somebody should look.", SEVERITY_NAMES),
    "kind": _one_of("A spot reading, or an aggregate over a period.", _names(Kind)),
    "series": _one_of("How the pressure was taken.", _names(Series)),
    "flags": _some_of("What is unusual about the reading.", (~Flag(0)).names()),
    "document_id": _hexadecimal("The identity of the reading, whatever brought it here.", 32),
    "version": _count("Of two documents with one id the higher version replaces the lower."),
    "kafka": _object(
        Coordinates,
        {
            "topic": _text("The input topic."),
            "partition": _count("Its partition."),
            "offset": _count("The offset in the partition."),
        },
    ),
    "original_time": {"description": "The time as it stood in the Observation; empty: none did."},
    "ingested_at": _time("When the document was made."),
    "observation_id": _text("The Observation's id."),
    "practitioner_id": _text("The first performer."),
    "model": _object(
        ModelName,
        {"name": _text("The model's folder."), "version": _text("The version of its manifest.")},
    ),
    "early_warning": _object(
        EarlyWarning,
        {
            "hypotension": _probability(
                "Of a systolic pressure below 90 at the next reading, within four hours."
            ),
            "low_map": _probability("Of a mean arterial pressure below 65 there."),
            "severe": _probability("Of 180 systolic or 120 diastolic, or above, there."),
        },
    ),
    "early_warning_reasons": {
        "description": (
            "What most raises the warning that is the highest above the usual; not there where "
            "none is."
        ),
        "minItems": 1,
        "maxItems": MOST_REASONS,
        "items": _object(
            Reason,
            {
                "target": _one_of("The warning.", TARGETS),
                "feature": _one_of("What of the patient's history.", FEATURES),
                "value": {"description": "Its value: mmHg, mmHg an hour, a share or a ratio."},
                "contribution": {"description": "What it adds to the log-odds of the warning."},
            },
        ),
    },
    "device": _text("The device, by its id, its identifier or its display."),
    "body_site": _text("Where it was taken, in words or as a code."),
    "security_labels": {"description": "Codes of meta.security.", "minItems": 1},
    "period": {
        "description": "Start and end of an aggregate, as they stood in the Observation.",
        "minItems": 2,
        "maxItems": 2,
    },
    "comparators": _object(
        Comparators,
        {
            name: _one_of(f"The {name} pressure is so against its value.", ("<", "<=", ">=", ">"))
            for name in ("systolic", "diastolic", "mean")
        },
    ),
    "source": _text("The Observation's meta.source, without its fragment."),
    "identifier": _text("The Observation's first identifier, system|value, where it has no id."),
}

_TOMBSTONE = {
    "retracted": {"description": "Always true: a document has no such field.", "const": True},
    "document_id": _DOCUMENT["document_id"],
    "version": _count("The highest version of the document that is taken back."),
    "patient_id": _DOCUMENT["patient_id"],
    "timestamp": _time("When the reading was taken."),
    "retracted_at": _time("When it was taken back."),
}

_ALERT = {
    "alert_id": _hexadecimal("The same from firing to recovery, and over replays.", 16),
    "patient_id": _text("The patient's key; null where the alert is not about a patient."),
    "rule": _text("The rule's name."),
    "title": _text("The rule in words."),
    "kind": _one_of("About the patient, or about the measuring.", (PHYSIOLOGICAL, TECHNICAL)),
    "state": _one_of("What happened to the alert.", (FIRING, CHANGED, RECOVERED, ACKNOWLEDGED)),
    "severity": _one_of("How soon somebody should look.", SEVERITY_NAMES[Severity.LOW :]),
    "since": _time("When the first reading that offends the rule was taken, to the second."),
    "taken_at": _time(
        "When the reading was taken that made it fire, change or recover; else the last one."
    ),
    "message": _text("The alert as a sentence."),
    "systolic": _pressure("Null where it was not measured.", SYSTOLIC_RANGE),
    "diastolic": _pressure("Null where it was not measured.", DIASTOLIC_RANGE),
    "mean": _pressure("Mean arterial pressure; null where it is not known.", MEAN_RANGE),
    "measure": _one_of("What crossed the limit; null where nothing did.", MEASURES),
    "limit": {"description": "The bound that `measure` crossed; mmHg, but for an artefact."},
    "limit_from": _one_of(
        "Whether that bound is the patient's own, the profile's or the default; null without one.",
        (DEFAULT, PROFILE, PATIENT),
    ),
    "document_id": _hexadecimal("The reading's document; null where it is about none.", 32),
    "repeat": _count("How often it was said before that it fires, and nobody acknowledged it."),
    "silenced": {"description": "Whether a person does not want to be notified of it for now."},
    "by": _text("Who acknowledged it; null for any other event."),
    "comment": {"description": "What that person said; null for any other event."},
    "at": _time("When it was acknowledged; null for any other event."),
}
