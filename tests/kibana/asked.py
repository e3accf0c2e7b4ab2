"""What Kibana asks Elasticsearch for a panel, and what it makes of the answer.

A Lens column stands for one aggregation, the grouping ones within each other in their order;
source: x-pack/platform/plugins/shared/lens/public/datasources/form_based/operations of Kibana
8.19, and for Vega src/platform/plugins/private/vis_types/vega/public/data_model/es_query_parser.ts.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from elasticsearch import Elasticsearch

from tests.kibana.kuery import to_query
from tests.kibana.objects import Json, layer_of, source_of

_METRICS = {"average": "avg", "max": "max", "min": "min", "unique_count": "cardinality"}

Table = list[tuple[Any, ...]]


class Shown(NamedTuple):
    """What a person looks at: an index, a range of time, and the interval that is fit for it."""

    client: Elasticsearch
    index: str
    start: str
    end: str
    interval: str

    def search(self, query: Json, **more: Any) -> Json:
        """The answer to `query` within the range of time."""
        return dict(self.client.search(index=self.index, query=self._within(query), **more))

    def range(self) -> Json:
        """The range of time as Kibana filters by it."""
        bounds = {"gte": self.start, "lte": self.end, "format": "strict_date_optional_time"}
        return {"range": {"@timestamp": bounds}}

    def _within(self, query: Json) -> Json:
        return {"bool": {"filter": [query, self.range()]}}


# Lens.


def of_chart(chart: Json, shown: Shown) -> Table:
    """A row for each group: its keys, then what is measured of it."""
    _, layer = layer_of(chart)
    columns = [(name, layer["columns"][name]) for name in layer["columnOrder"]]
    groups = [each for each in columns if each[1]["isBucketed"]]
    metrics = [each for each in columns if not each[1]["isBucketed"]]
    query = chart["state"]["query"]
    assert query["language"] == "kuery"
    assert chart["state"]["filters"] == []
    aggs = _nested(groups, metrics, shown)
    answer = shown.search(to_query(query["query"]), size=0, aggs=aggs, track_total_hits=True)
    whole = {"doc_count": answer["hits"]["total"]["value"], **answer.get("aggregations", {})}
    return list(_rows(whole, groups, metrics))


def _nested(
    groups: list[tuple[str, Json]], metrics: list[tuple[str, Json]], shown: Shown
) -> dict[str, Json]:
    if not groups:
        measured = ((name, _measure(column)) for name, column in metrics)
        return {name: agg for name, agg in measured if agg}
    (name, column), *inner = groups
    aggs = _nested(inner, metrics, shown)
    order = column["params"].get("orderBy")
    if order and (by := _measure(dict(metrics)[order["columnId"]])):
        aggs[order["columnId"]] = by
    return {name: {**_group(column, dict(metrics), shown), "aggs": aggs}}


def _group(column: Json, metrics: dict[str, Json], shown: Shown) -> Json:
    params = column["params"]
    match column["operationType"]:
        case "date_histogram":
            assert params["interval"] == "auto"
            bounds = {"min": shown.start, "max": shown.end}
            least = {"min_doc_count": 0, "extended_bounds": bounds}
            more = least if params["includeEmptyRows"] else {"min_doc_count": 1}
            field = column["sourceField"]
            return {"date_histogram": {"field": field, "fixed_interval": shown.interval, **more}}
        case "terms":
            by = params["orderBy"]["columnId"]
            key = by if _measure(metrics[by]) else "_count"
            order = [{key: params["orderDirection"]}, {"_key": "asc"}]
            terms = {"field": column["sourceField"], "size": params["size"], "order": order}
            return {"terms": terms}
        case "range":
            assert params["type"] == "range"
            given = [
                {end: each[end] for end in ("from", "to") if each[end] is not None}
                for each in params["ranges"]
            ]
            return {"range": {"field": column["sourceField"], "ranges": given}}
        case "filters":
            queries = {
                each["label"]: to_query(each["input"]["query"]) for each in params["filters"]
            }
            return {"filters": {"filters": queries}}
    raise ValueError(f"{column['operationType']} groups by what is not known here")


def _measure(column: Json) -> Json:
    """The aggregation of a metric; empty where a bucket's own count is all it needs."""
    filtered = column.get("filter")
    if column["operationType"] == "count":
        return {"filter": to_query(filtered["query"])} if filtered else {}
    assert not filtered
    return {_METRICS[column["operationType"]]: {"field": column["sourceField"]}}


def _rows(
    bucket: Json, groups: list[tuple[str, Json]], metrics: list[tuple[str, Json]]
) -> Iterator[tuple[Any, ...]]:
    if not groups:
        yield tuple(_value(bucket, name, column) for name, column in metrics)
        return
    (name, _), *inner = groups
    buckets = bucket[name]["buckets"]
    if isinstance(buckets, dict):
        buckets = [{**each, "key": key} for key, each in buckets.items()]
    for each in buckets:
        key = each.get("key_as_string", each.get("from", each["key"]))
        for row in _rows(each, inner, metrics):
            yield (key, *row)


def _value(bucket: Json, name: str, column: Json) -> Any:
    if column["operationType"] == "count":
        counted = bucket[name]["doc_count"] if column.get("filter") else bucket["doc_count"]
        return None if column["params"]["emptyAsNull"] and not counted else counted
    measured = bucket[name]
    value = measured.get("value_as_string", measured["value"])
    return round(value, 9) if isinstance(value, float) else value


# Vega.


def of_vega(spec: Json, shown: Shown) -> Table:
    """A row for each point: where it is on both axes, and its colour."""
    url = spec["data"]["url"]
    assert url["index"] == shown.index
    assert url["%context%"] is True
    body = _without_marks(url["body"], shown)
    assert "query" not in body
    answer = shown.client.search(index=url["index"], query=shown.range(), **body)
    points = _at(answer, spec["data"]["format"]["property"])
    for transform in spec["transform"]:
        points = list(_transformed(points, transform))
    axes = [spec["encoding"][each]["field"] for each in ("x", "color", "y")]
    return [tuple(point[axis] for axis in axes) for point in points]


def _without_marks(value: Any, shown: Shown) -> Any:
    """What Kibana makes of the words between percent signs."""
    if isinstance(value, list):
        return [_without_marks(each, shown) for each in value]
    if not isinstance(value, dict):
        return value
    made = {name: _without_marks(each, shown) for name, each in value.items()}
    if made.get("interval") == {"%autointerval%": True}:
        del made["interval"]
        made["fixed_interval"] = shown.interval
    assert not [name for name in made if "%" in name and name != "%autointerval%"]
    return made


def _transformed(points: list[Json], transform: Json) -> Iterator[Json]:
    for point in points:
        match transform:
            case {"flatten": [path], "as": [name]}:
                yield from ({**point, name: each} for each in _at(point, path))
            case {"filter": expression}:
                if _calculated(expression, point):
                    yield point
            case {"calculate": expression, "as": name}:
                yield {**point, name: _calculated(expression, point)}
            case _:
                raise ValueError(f"{transform} is a transform that is not known here")


def _calculated(expression: str, point: Json) -> Any:
    """An expression of paths, numbers and operators that Vega and Python read alike."""
    values: list[Any] = []

    def kept(path: re.Match[str]) -> str:
        values.append(_at(point, path[1]))
        return f"values[{len(values) - 1}]"

    written = re.sub(r"datum\.([\w.]+)", kept, expression)
    assert re.fullmatch(r"(values\[\d+\]|[-+*/()> 0-9])+", written), expression
    return eval(written, {"values": values})


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value[name]
    return value


# Searches.


def of_search(saved: Json, shown: Shown) -> Table:
    """A row for each document, with the columns of the search."""
    source = source_of(saved)
    assert source["filter"] == []
    columns = saved["attributes"]["columns"]
    sort = [{field: order} for field, order in saved["attributes"]["sort"]]
    found = shown.search(
        to_query(source["query"]["query"]), size=100, sort=sort, fields=columns, source=False
    )
    hits = [hit["fields"] for hit in found["hits"]["hits"]]
    return [tuple(_told(hit.get(column)) for column in columns) for hit in hits]


def _told(values: list[Any] | None) -> Any:
    """A field's one value, or all of several."""
    return values[0] if values is not None and len(values) == 1 else values
