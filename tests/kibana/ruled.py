"""What a Kibana rule asks of Elasticsearch at a moment, and whether it fires.

Source: x-pack/platform/plugins/shared/stack_alerts of Kibana 8.19, for .es-query
common/build_sorted_events_query.ts (both ends of the window are in it), and for .index-threshold
triggers_actions_ui/server/data/lib/time_series_query.ts (the later end is not).
"""

import json
import operator
from datetime import datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch

from tests.kibana.kuery import fields_of, to_query

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_COMPARED = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}

Json = dict[str, Any]


def fires(client: Elasticsearch, rule: Json, now: datetime) -> bool:
    """Whether `rule`, as it is sent to Kibana, fires when it runs at `now` (UTC)."""
    params = rule["params"]
    assert (params["aggType"], params["groupBy"]) == ("count", "all")
    unit = {_UNITS[params["timeWindowUnit"]]: params["timeWindowSize"]}
    start, end = _iso(now - timedelta(**unit)), _iso(now)
    counted = _COUNTED[rule["rule_type_id"]](client, params, start, end)
    (threshold,) = params["threshold"]
    return _COMPARED[params["thresholdComparator"]](counted, threshold)


def fields_used(rule: Json) -> set[str]:
    """Every field the rule asks Elasticsearch for."""
    params = rule["params"]
    if "esQuery" in params:
        query = json.loads(params["esQuery"])["query"]
    else:
        query = to_query(params["filterKuery"])
    return {params["timeField"], *fields_of(query)}


def _by_query(client: Elasticsearch, params: Json, start: str, end: str) -> int:
    assert params["searchType"] == "esQuery"
    bounds = {"gte": start, "lte": end, "format": "strict_date_optional_time"}
    within = {"bool": {"filter": [{"range": {params["timeField"]: bounds}}]}}
    answer = client.search(
        index=params["index"],
        query={
            "bool": {"filter": [json.loads(params["esQuery"])["query"], within, {"match_all": {}}]}
        },
        size=params["size"],
        track_total_hits=True,
        ignore_unavailable=True,
        allow_no_indices=True,
        sort=[
            {
                params["timeField"]: {
                    "order": "desc",
                    "format": "strict_date_optional_time||epoch_millis",
                }
            }
        ],
    )
    return int(answer["hits"]["total"]["value"])


def _by_threshold(client: Elasticsearch, params: Json, start: str, end: str) -> int:
    field = params["timeField"]
    bounds = {"gte": start, "lt": end, "format": "strict_date_time"}
    answer = client.search(
        index=params["index"],
        size=0,
        query={"bool": {"filter": [{"range": {field: bounds}}, to_query(params["filterKuery"])]}},
        aggs={
            "dateAgg": {
                "date_range": {
                    "field": field,
                    "format": "strict_date_time",
                    "ranges": [{"from": start, "to": end}],
                }
            }
        },
        ignore_unavailable=True,
        allow_no_indices=True,
    )
    buckets = answer.get("aggregations", {}).get("dateAgg", {}).get("buckets", [])
    return sum(bucket["doc_count"] for bucket in buckets)


_COUNTED = {".es-query": _by_query, ".index-threshold": _by_threshold}


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
