"""Saved objects read back: the JSON in their texts, and their panels."""

import json
from typing import Any

from bpstream.kibana.saved import SavedObject

Json = dict[str, Any]


def source_of(saved: SavedObject) -> Json:
    """The search source of a search or a dashboard."""
    return json.loads(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])


def panels_of(saved: SavedObject) -> list[Json]:
    """The panels of a dashboard; none of another object."""
    return json.loads(saved["attributes"].get("panelsJSON", "[]"))


def lens_of(panel: Json) -> Json:
    """A Lens panel's chart: its attributes."""
    return panel["embeddableConfig"]["attributes"]


def layer_of(chart: Json) -> tuple[str, Json]:
    """The id and the content of a chart's one layer."""
    ((name, layer),) = chart["state"]["datasourceStates"]["formBased"]["layers"].items()
    return name, layer


def vega_of(panel: Json) -> Json:
    """The Vega-Lite spec of a panel."""
    return json.loads(panel["embeddableConfig"]["savedVis"]["params"]["spec"])


def form_of(panel: Json) -> str:
    """What a panel is drawn as: `lnsPie`, `vega`, `search`, or a series such as `bar`."""
    if panel["type"] == "search":
        return "search"
    if panel["type"] == "visualization":
        return panel["embeddableConfig"]["savedVis"]["type"]
    chart = lens_of(panel)
    if chart["visualizationType"] != "lnsXY":
        return chart["visualizationType"]
    (layer,) = chart["state"]["visualization"]["layers"]
    return layer["seriesType"]
