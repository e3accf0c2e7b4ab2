"""Latency in Vega-Lite: from a reading's time until bpstream wrote it.

Lens averages no dates, and a runtime field would run a script on every document.  The mean of
the differences is the difference of the means, which Elasticsearch has by itself.
"""

from typing import Any

from bpstream.kibana.saved import TIME


def spec(alias: str) -> dict[str, Any]:
    """Mean seconds in each interval, of all readings behind `alias` and of those not late.

    What stands between percent signs, Kibana replaces before it asks Elasticsearch.
    """
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {
            "url": {
                "%context%": True,
                "%timefield%": TIME,
                "index": alias,
                "body": {
                    "size": 0,
                    "aggs": {
                        "time": {
                            "date_histogram": {
                                "field": TIME,
                                "interval": {"%autointerval%": True},
                                "min_doc_count": 1,
                            },
                            "aggs": {
                                "readings": {
                                    "filters": {
                                        "keyed": False,
                                        "filters": {
                                            "all": {"match_all": {}},
                                            "not late": {
                                                "bool": {"must_not": {"term": {"flags": "late"}}}
                                            },
                                        },
                                    },
                                    "aggs": {
                                        "taken": {"avg": {"field": "timestamp"}},
                                        "ingested": {"avg": {"field": "ingested_at"}},
                                    },
                                }
                            },
                        }
                    },
                },
            },
            "format": {"property": "aggregations.time.buckets"},
        },
        "transform": [
            {"flatten": ["readings.buckets"], "as": ["readings"]},
            {"filter": "datum.readings.doc_count > 0"},
            {
                "calculate": "(datum.readings.ingested.value - datum.readings.taken.value) / 1000",
                "as": "seconds",
            },
            {"calculate": "datum.readings.key", "as": "which"},
        ],
        "mark": {"type": "line", "point": True, "tooltip": True},
        "encoding": {
            "x": {"field": "key", "type": "temporal", "title": None},
            "y": {"field": "seconds", "type": "quantitative", "title": "seconds"},
            "color": {"field": "which", "type": "nominal", "title": "readings"},
        },
    }
