"""What of an object in Kibana a person may have changed: what Kibana adds by itself is left out."""

import json
from typing import Any

from bpstream.kibana.saved import SavedObject

# Of a rule or a connector, what bpstream says of it.  That one was silenced for a while
# (muted, snoozed) is no change of it.
_SAID = (
    "name",
    "connector_type_id",
    "config",
    "rule_type_id",
    "consumer",
    "enabled",
    "tags",
    "schedule",
    "params",
    "alert_delay",
)

# Of an action, what we say of it; the rest (uuid, connector_type_id) Kibana adds.
_OF_AN_ACTION = ("group", "id", "params", "frequency")

# What Kibana adds to an object of its own accord when it brings it up to its version.
_ADDED = frozenset({"tabs"})


def of_saved(saved: SavedObject) -> dict[str, Any]:
    """What of a saved object a person may have changed, with the JSON in its texts read.

    Without what Kibana counts or adds by itself: times, versions, and how often a field was
    used (the `count` in a data view's `fieldAttrs`).
    """
    attributes = {
        name: _read(value) for name, value in saved["attributes"].items() if name not in _ADDED
    }
    fields = attributes.get("fieldAttrs")
    if isinstance(fields, dict):
        uncounted = {
            name: {key: value for key, value in each.items() if key != "count"}
            for name, each in fields.items()
        }
        attributes["fieldAttrs"] = {name: each for name, each in uncounted.items() if each}
    references = sorted(saved["references"], key=lambda each: str(each["name"]))
    return {**attributes, "references": references}


def _read(value: Any) -> Any:
    """`value`, where it is or holds a text of JSON with what that says in its place."""
    if isinstance(value, dict):
        return {name: _read(each) for name, each in value.items()}
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def of_held(body: dict[str, Any]) -> dict[str, Any]:
    """What bpstream says of a rule or connector; it never reads a secret back."""
    told = {name: body.get(name) for name in _SAID if name in body}
    if "actions" in body:
        told["actions"] = [
            {name: each.get(name) for name in _OF_AN_ACTION} for each in body["actions"]
        ]
    return told
