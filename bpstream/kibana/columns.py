"""Columns of a Lens layer: what is grouped by, and what is measured of each group.

A column stands for one aggregation of Elasticsearch.  Source of the names and defaults:
x-pack/platform/plugins/shared/lens/public/datasources/form_based in Kibana 8.19.
"""

from collections.abc import Sequence
from typing import Any

Column = dict[str, Any]

RECORDS = "___records___"
"""What Lens calls the documents themselves, as the source of a count."""


def kuery(query: str) -> dict[str, str]:
    """A query in KQL, Kibana's own language; empty for every document."""
    return {"query": query, "language": "kuery"}


# What is grouped by.


def over_time(field: str) -> Column:
    """A bucket for each interval; Kibana chooses it by the time range that is shown."""
    params = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
    return _bucket("date_histogram", field, field, params, data_type="date", scale="interval")


def top(field: str, label: str, *, by: str, size: int) -> Column:
    """The `size` values with the most of the column named `by`."""
    params = {
        "size": size,
        "orderBy": {"type": "column", "columnId": by},
        "orderDirection": "desc",
        "otherBucket": False,
        "missingBucket": False,
        "parentFormat": {"id": "terms"},
        "include": [],
        "exclude": [],
        "includeIsRegex": False,
        "excludeIsRegex": False,
    }
    return _bucket("terms", field, label, params)


def ranges(field: str, label: str, bounds: Sequence[float]) -> Column:
    """From each bound up to the next, which is not in it; the last holds all from there on."""
    formatted = {"id": "range", "params": {"template": "arrow_right", "replaceInfinity": True}}
    ends = [*bounds[1:], None]
    params = {
        "type": "range",
        "ranges": [{"from": a, "to": b, "label": ""} for a, b in zip(bounds, ends, strict=True)],
        "maxBars": "auto",
        "parentFormat": formatted,
    }
    return _bucket("range", field, label, params)


def matching(label: str, queries: dict[str, str]) -> Column:
    """A bucket for each query in KQL, by its label; a document may be in several."""
    filters = [{"label": name, "input": kuery(query)} for name, query in queries.items()]
    return _bucket("filters", None, label, {"filters": filters})


# What is measured.


def count(label: str, *, query: str = "") -> Column:
    """How many documents, of those that match `query`; none is told as 0."""
    return _metric("count", RECORDS, label, query=query)


def average(field: str, label: str) -> Column:
    """The mean of a number."""
    return _metric("average", field, label)


def lowest(field: str, label: str) -> Column:
    """The smallest of a number."""
    return _metric("min", field, label)


def highest(field: str, label: str) -> Column:
    """The largest of a number."""
    return _metric("max", field, label)


def newest(field: str, label: str) -> Column:
    """The latest of a date."""
    return _metric("max", field, label, data_type="date")


def distinct(field: str, label: str) -> Column:
    """How many values there are; above some 3,000 an estimate."""
    return _metric("unique_count", field, label)


def _bucket(
    operation: str,
    field: str | None,
    label: str,
    params: dict[str, Any],
    *,
    data_type: str = "string",
    scale: str = "ordinal",
) -> Column:
    column = {
        "label": label,
        "customLabel": True,
        "dataType": data_type,
        "operationType": operation,
        "isBucketed": True,
        "scale": scale,
        "params": params,
    }
    return column if field is None else {**column, "sourceField": field}


def _metric(
    operation: str, field: str, label: str, *, query: str = "", data_type: str = "number"
) -> Column:
    column = {
        "label": label,
        "customLabel": True,
        "dataType": data_type,
        "operationType": operation,
        "isBucketed": False,
        "scale": "ratio",
        "sourceField": field,
        "params": {"emptyAsNull": operation != "count"},
    }
    return {**column, "filter": kuery(query)} if query else column
