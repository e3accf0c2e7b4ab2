"""Saved objects: a data view, searches and dashboards as Kibana 8.19 imports them.

An object carries the version of its type's shape.  Kibana refuses a newer one than it knows,
and brings an older one up to date.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from bpstream.kibana.columns import kuery
from bpstream.kibana.ids import within
from bpstream.kibana.lens import Chart

SavedObject = dict[str, Any]

TIME = "@timestamp"
"""The time of a reading, which Kibana's time range is about."""

# Of saved objects as such, and of each type: those of Kibana 8.19.
_CORE_VERSION = "8.8.0"
_TYPE_VERSIONS = {"index-pattern": "8.0.0", "search": "10.5.0", "dashboard": "10.2.0"}

_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"


class Search(NamedTuple):
    """A saved search: documents as the rows of a table, the newest first."""

    title: str
    description: str
    columns: Sequence[str]
    query: str
    """In KQL."""


class Vega(NamedTuple):
    """A chart in Vega-Lite, with an Elasticsearch request in its data."""

    spec: dict[str, Any]


class Panel(NamedTuple):
    """What a dashboard shows at one place; a search stands there by its reference."""

    title: str
    description: str
    shown: Chart | Search | Vega
    width: int
    """Of 48 columns."""


class Row(NamedTuple):
    """Panels beside each other."""

    height: int
    """In rows of Kibana's grid."""
    panels: Sequence[Panel]


def data_view(object_id: str, *, alias: str, name: str) -> SavedObject:
    """The fields behind `alias`; Kibana asks Elasticsearch for them."""
    attributes = {
        "title": alias,
        "name": name,
        "timeFieldName": TIME,
        "fields": "[]",
        "fieldAttrs": "{}",
        "fieldFormatMap": "{}",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "allowHidden": False,
    }
    return _saved("index-pattern", object_id, attributes, [])


def saved_search(object_id: str, search: Search, *, view: str) -> SavedObject:
    """`search` on the data view whose id is `view`."""
    source = {
        "query": kuery(search.query),
        "filter": [],
        "highlightAll": True,
        "version": True,
        "indexRefName": _SOURCE,
    }
    attributes = {
        "title": search.title,
        "description": search.description,
        "columns": list(search.columns),
        "sort": [[TIME, "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _compact(source)},
    }
    return _saved("search", object_id, attributes, [_reference("index-pattern", view, _SOURCE)])


def dashboard(
    object_id: str,
    title: str,
    description: str,
    rows: Iterable[Row],
    *,
    view: str,
    searches: dict[str, str],
) -> SavedObject:
    """The rows below each other; `searches` are the ids of saved searches by their title."""
    panels: list[dict[str, Any]] = []
    references: list[dict[str, str]] = []
    top = 0
    for row in rows:
        left = 0
        for panel in row.panels:
            index = within(title, panel.title, str(len(panels)))
            place = {"x": left, "y": top, "w": panel.width, "h": row.height, "i": index}
            content, referred = _content(panel, index, view, searches)
            panels.append({"panelIndex": index, "gridData": place, "title": panel.title, **content})
            references += referred
            left += panel.width
        top += row.height
    attributes = {
        "title": title,
        "description": description,
        "version": 3,
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 10_000},
        "optionsJSON": _compact(
            {
                "useMargins": True,
                "syncColors": True,
                "syncCursor": True,
                "syncTooltips": False,
                "hidePanelTitles": False,
            }
        ),
        "panelsJSON": _compact(panels),
        "kibanaSavedObjectMeta": {"searchSourceJSON": _compact({"query": kuery(""), "filter": []})},
    }
    return _saved("dashboard", object_id, attributes, references)


def ndjson(objects: Iterable[SavedObject]) -> str:
    """The objects as a file that Kibana's "Import saved objects" takes."""
    return "".join(f"{_compact(each)}\n" for each in objects)


def _content(
    panel: Panel, index: str, view: str, searches: dict[str, str]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """What is in a panel, and the references its dashboard has for it."""
    config: dict[str, Any] = {"description": panel.description, "enhancements": {}}
    if isinstance(panel.shown, Search):
        name = f"panel_{index}"
        reference = _reference("search", searches[panel.shown.title], f"{index}:{name}")
        return {"type": "search", "panelRefName": name, "embeddableConfig": config}, [reference]
    if isinstance(panel.shown, Vega):
        config["savedVis"] = _vega(panel)
        return {"type": "visualization", "embeddableConfig": config}, []
    attributes = panel.shown.attributes(panel.title, panel.description, view)
    references = [{**each, "name": f"{index}:{each['name']}"} for each in attributes["references"]]
    config["attributes"] = attributes
    return {"type": "lens", "embeddableConfig": config}, references


def _vega(panel: Panel) -> dict[str, Any]:
    assert isinstance(panel.shown, Vega)
    return {
        "id": "",
        "title": panel.title,
        "description": panel.description,
        "type": "vega",
        "params": {"spec": json.dumps(panel.shown.spec, indent=2, ensure_ascii=False)},
        "uiState": {},
        "data": {"aggs": [], "searchSource": {"query": kuery(""), "filter": []}},
    }


def _saved(
    kind: str, object_id: str, attributes: dict[str, Any], references: list[dict[str, str]]
) -> SavedObject:
    return {
        "type": kind,
        "id": object_id,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": _CORE_VERSION,
        "typeMigrationVersion": _TYPE_VERSIONS[kind],
        "managed": False,
    }


def _reference(kind: str, object_id: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": object_id, "name": name}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
