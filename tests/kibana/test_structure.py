"""Saved objects and rules hold together: references, versions, layout, fields."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from bpstream.kibana.columns import RECORDS
from bpstream.kibana.ids import Ids
from bpstream.kibana.rules import connector, rules
from bpstream.kibana.views import saved_objects
from bpstream.sinks.mapping import PROPERTIES
from tests.kibana.kuery import fields_of, to_query
from tests.kibana.objects import (
    form_of,
    layer_of,
    lens_of,
    panels_of,
    source_of,
    vega_of,
)
from tests.kibana.ruled import fields_used

ROOT = Path(__file__).parents[2]
IDS = Ids("bp-anomalies")
OBJECTS = saved_objects(IDS)
DASHBOARDS = [each for each in OBJECTS if each["type"] == "dashboard"]
SEARCHES = [each for each in OBJECTS if each["type"] == "search"]
RULES = rules(IDS)
PANELS = [(each["attributes"]["title"], panel) for each in DASHBOARDS for panel in panels_of(each)]
CHARTS = [lens_of(panel) for _, panel in PANELS if panel["type"] == "lens"]

# What Kibana 8.19 knows: newer is refused, and much older is changed on its way in.
VERSIONS = {"index-pattern": "8.0.0", "search": "10.5.0", "dashboard": "10.2.0"}

# The types each operation of Lens takes a field of.
NUMBERS = {"double", "integer", "long"}
TAKES = {
    "average": NUMBERS,
    "range": NUMBERS,
    "min": NUMBERS,
    "max": NUMBERS | {"date"},
    "date_histogram": {"date"},
    "terms": {"keyword"},
    "unique_count": {"keyword"},
}


def mapped(properties: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """The type of every field and sub-field of the index template."""
    found = {}
    for name, field in properties.items():
        if "properties" in field:
            found |= mapped(field["properties"], f"{prefix}{name}.")
        else:
            found[prefix + name] = field["type"]
            found |= mapped(field.get("fields", {}), f"{prefix}{name}.")
    return found


FIELDS = mapped(PROPERTIES)


# Versions and references.


@pytest.mark.parametrize("saved", OBJECTS, ids=lambda each: each["attributes"]["title"])
def test_an_object_has_the_version_of_its_shape_in_kibana_8_19(saved):
    assert saved["coreMigrationVersion"] == "8.8.0"
    assert saved["typeMigrationVersion"] == VERSIONS[saved["type"]]
    assert "migrationVersion" not in saved


@pytest.mark.parametrize("saved", OBJECTS, ids=lambda each: each["attributes"]["title"])
def test_every_reference_leads_to_an_object_and_is_used(saved):
    there = {(each["type"], each["id"]) for each in OBJECTS}
    for reference in saved["references"]:
        assert (reference["type"], reference["id"]) in there
    assert {each["name"] for each in saved["references"]} == names_used(saved)


def names_used(saved: dict[str, Any]) -> set[str]:
    """The names of references that an object's attributes stand on."""
    if saved["type"] == "search":
        return {source_of(saved)["indexRefName"]}
    names = set()
    for panel in panels_of(saved):
        index = panel["panelIndex"]
        if panel["type"] == "search":
            names.add(f"{index}:{panel['panelRefName']}")
        elif panel["type"] == "lens":
            layer, _ = layer_of(lens_of(panel))
            names.add(f"{index}:indexpattern-datasource-layer-{layer}")
    return names


def test_an_object_comes_before_those_that_refer_to_it():
    seen: set[str] = set()
    for saved in OBJECTS:
        assert {each["id"] for each in saved["references"]} <= seen
        seen.add(saved["id"])


def test_a_chart_refers_to_the_data_view_as_its_dashboard_does():
    for saved in DASHBOARDS:
        of_dashboard = {each["name"]: each["id"] for each in saved["references"]}
        for panel in panels_of(saved):
            if panel["type"] == "lens":
                (reference,) = lens_of(panel)["references"]
                assert of_dashboard[f"{panel['panelIndex']}:{reference['name']}"] == reference["id"]


# Layout.


@pytest.mark.parametrize("saved", DASHBOARDS, ids=lambda each: each["attributes"]["title"])
def test_panels_lie_on_the_grid_and_not_on_each_other(saved):
    places = [panel["gridData"] for panel in panels_of(saved)]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 48
        assert min(place["y"], place["h"] - 1) >= 0
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart


@pytest.mark.parametrize("saved", DASHBOARDS, ids=lambda each: each["attributes"]["title"])
def test_a_panel_is_known_by_one_index(saved):
    panels = panels_of(saved)
    assert all(panel["gridData"]["i"] == panel["panelIndex"] for panel in panels)
    assert len({panel["panelIndex"] for panel in panels}) == len(panels)


# Charts.


@pytest.mark.parametrize("chart", CHARTS, ids=lambda each: each["title"])
def test_the_columns_of_a_chart_are_in_order_and_all_drawn(chart):
    name, layer = layer_of(chart)
    columns = layer["columns"]
    assert list(columns) == layer["columnOrder"]
    grouping = [columns[each]["isBucketed"] for each in layer["columnOrder"]]
    assert grouping == sorted(grouping, reverse=True)
    assert drawn_by(chart["state"]["visualization"], name) == sorted(columns)
    for column in columns.values():
        by = column["params"].get("orderBy", {"columnId": None})["columnId"]
        assert by is None or not columns[by]["isBucketed"]


def drawn_by(state: dict[str, Any], layer: str) -> list[str]:
    """The ids of the columns a visualization draws."""
    (drawn,) = state.get("layers", [state])
    assert (drawn["layerId"], drawn["layerType"]) == (layer, "data")
    one = [drawn.get(each) for each in ("xAccessor", "splitAccessor", "metricAccessor")]
    several = [*drawn.get("accessors", []), *drawn.get("primaryGroups", [])]
    several += [*drawn.get("metrics", []), *(each["columnId"] for each in drawn.get("columns", []))]
    return sorted([each for each in one if each] + several)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda each: each["title"])
def test_the_fields_of_a_chart_are_mapped_as_its_operations_need_them(chart):
    _, layer = layer_of(chart)
    queries = [chart["state"]["query"]["query"]]
    for column in layer["columns"].values():
        operation, field = column["operationType"], column.get("sourceField")
        if operation == "count":
            assert field == RECORDS
        elif operation != "filters":
            assert FIELDS[field] in TAKES[operation]
        queries += [each["input"]["query"] for each in column["params"].get("filters", [])]
        queries += [column["filter"]["query"]] if "filter" in column else []
    assert {field for each in queries for field in fields_of(to_query(each))} <= set(FIELDS)


@pytest.mark.parametrize("saved", SEARCHES, ids=lambda each: each["attributes"]["title"])
def test_the_fields_of_a_search_are_mapped(saved):
    fields = {*saved["attributes"]["columns"], *(by for by, _ in saved["attributes"]["sort"])}
    fields |= fields_of(to_query(source_of(saved)["query"]["query"]))
    assert fields <= set(FIELDS)


def test_the_fields_of_the_latency_are_mapped():
    (panel,) = (panel for _, panel in PANELS if form_of(panel) == "vega")
    url = vega_of(panel)["data"]["url"]
    assert FIELDS[url["%timefield%"]] == "date"
    found = asked_of(url["body"]["aggs"])
    assert found == {"@timestamp", "timestamp", "ingested_at", "flags"}
    assert found <= set(FIELDS)


def asked_of(aggs: Any) -> set[str]:
    """Every field that aggregations name."""
    if isinstance(aggs, list):
        return {field for each in aggs for field in asked_of(each)}
    if not isinstance(aggs, dict):
        return set()
    named = {aggs["field"]} if isinstance(aggs.get("field"), str) else set()
    named |= set(aggs["term"]) if "term" in aggs else set()
    return named | {field for each in aggs.values() for field in asked_of(each)}


# Rules.


@pytest.mark.parametrize("rule", RULES, ids=lambda each: each.name)
def test_the_fields_of_a_rule_are_mapped(rule):
    assert fields_used(rule.body) <= set(FIELDS)


@pytest.mark.parametrize("rule", RULES, ids=lambda each: each.name)
def test_a_rule_runs_every_minute_and_tells_its_log_of_changes_alone(rule):
    body = rule.body
    assert (body["schedule"], body["enabled"]) == ({"interval": "1m"}, True)
    assert body["consumer"] == "stackAlerts"
    fired = {".index-threshold": "threshold met", ".es-query": "query matched"}
    groups = [each["group"] for each in body["actions"]]
    assert groups == [fired[body["rule_type_id"]], "recovered"]
    for action in body["actions"]:
        assert action["id"] == connector(IDS).id
        assert action["params"]["level"] in {"info", "warn", "error"}
        assert action["frequency"] == {
            "summary": False,
            "notify_when": "onActionGroupChange",
            "throttle": None,
        }
    assert "notify_when" not in body


@pytest.mark.parametrize("rule", RULES, ids=lambda each: each.name)
def test_no_patient_gets_into_the_log(rule):
    assert rule.body["params"].get("size", 0) == 0
    for action in rule.body["actions"]:
        assert "context.hits" not in action["params"]["message"]
