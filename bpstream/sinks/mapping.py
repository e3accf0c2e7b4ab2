"""The mapping of a document in Elasticsearch, and the template of the indices it lies in."""

from typing import Any

# Lucene refuses a term above 32766 bytes, and with it the document; a character takes
# at most 4.  A longer text is stored, and not searchable.
_LONGEST_TERM = 32766 // 4

# Above Elasticsearch's own templates, which stand at 100 to 200.
_PRIORITY = 500

_KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": _LONGEST_TERM}
# The original's index was mapped dynamically: its views ask for `patient_id.keyword`.
_KEYWORD_TWICE: dict[str, Any] = _KEYWORD | {"fields": {"keyword": _KEYWORD}}
_NUMBER = {"type": "double"}
_DATE = {"type": "date"}

PROPERTIES: dict[str, Any] = {
    "timestamp": _DATE,
    "@timestamp": _DATE,
    "patient_id": _KEYWORD_TWICE,
    "practitioner_id": _KEYWORD,
    "systolic_pressure": _NUMBER,
    "diastolic_pressure": _NUMBER,
    "mean_arterial_pressure": _NUMBER,
    "pulse_pressure": _NUMBER,
    "anomaly_type": _KEYWORD_TWICE,
    "anomaly_details": _KEYWORD_TWICE,
    "category": _KEYWORD,
    "severity": _KEYWORD,
    "ml_risk_score": _NUMBER,
    "ml_prediction": {"type": "integer"},
    "early_warning": {
        "properties": {"hypotension": _NUMBER, "low_map": _NUMBER, "severe": _NUMBER}
    },
    "early_warning_reasons": {
        "properties": {
            "target": _KEYWORD,
            "feature": _KEYWORD,
            "value": _NUMBER,
            "contribution": _NUMBER,
        }
    },
    "kind": _KEYWORD,
    # As it stood in the Observation, and so are the ends of a period: no date for certain.
    "original_time": _KEYWORD,
    "period": _KEYWORD,
    "flags": _KEYWORD,
    "series": _KEYWORD,
    "device": _KEYWORD,
    "body_site": _KEYWORD,
    "security_labels": _KEYWORD,
    "observation_id": _KEYWORD,
    "identifier": _KEYWORD,
    "source": _KEYWORD,
    "comparators": {"properties": {"systolic": _KEYWORD, "diastolic": _KEYWORD, "mean": _KEYWORD}},
    "document_id": _KEYWORD,
    "version": {"type": "long"},
    "kafka": {
        "properties": {
            "topic": _KEYWORD,
            "partition": {"type": "integer"},
            "offset": {"type": "long"},
        }
    },
    "model": {"properties": {"name": _KEYWORD, "version": _KEYWORD}},
    "ingested_at": _DATE,
}
"""Every field of a document.  One that is not here is refused, and its document with it."""


def index_template(alias: str) -> dict[str, Any]:
    """The composable template of the indices `alias`-YYYY.MM and `alias`-old.

    What a site adds, a lifecycle policy for one, it puts into the component template
    `alias`@custom, which need not exist.
    """
    custom = [f"{alias}@custom"]
    return {
        "index_patterns": [f"{alias}-*"],
        "priority": _PRIORITY,
        "composed_of": custom,
        "ignore_missing_component_templates": custom,
        "template": {
            # What a site may choose is left out: it would win over its `@custom`.
            "settings": {"auto_expand_replicas": "0-1"},
            "mappings": {"dynamic": "strict", "properties": PROPERTIES},
            "aliases": {alias: {}},
        },
    }
