"""`python -m tests.bench.sinks`: the whole job, on a real Kafka, Elasticsearch and disk.

The original loop stores as the original did: a request an anomaly, a file a normal reading.
bpstream has everything on, with the archive in either layout.  All are given the same readings
and have to leave the same documents.  Archives are written below TMPDIR.  Besides, what each
sink costs on its own.

The JSON is that of `report`, where a `job` has how many documents are `indexed` and `archived`
and a hash of them, and `profile` and `costs`: a :class:`Cost` for each sink.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from tests.bench import peers, sink_costs
from tests.bench.report import report, table, write
from tests.bench.running import (
    add_elasticsearch,
    add_kafka,
    add_report,
    at_least,
    service_of,
    take_turns,
    told,
)
from tests.bench.topics import Topics


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 where there is no result."""
    options = _options(arguments)
    return told(lambda: _measure(options))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sinks", description=__doc__)
    parser.add_argument("--readings", type=at_least(100), default=300_000)
    parser.add_argument("--patients", type=at_least(1), default=1000)
    parser.add_argument("--profile", choices=("patients", "uniform"), default="patients")
    parser.add_argument("--runs", type=at_least(1), default=3)
    parser.add_argument(
        "--documents", type=at_least(2000), default=50_000, help="to measure each sink alone by"
    )
    add_kafka(parser)
    add_elasticsearch(parser)
    add_report(parser)
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace) -> int:
    with (
        service_of("kafka", options.kafka) as (kafka, kafka_version),
        service_of("elasticsearch", options.elasticsearch) as (store, store_version),
        Topics(kafka) as topics,
    ):
        answers = take_turns(
            topics,
            peers.STORING,
            readings=options.readings,
            patients=options.patients,
            runs=options.runs,
            profile=options.profile,
            elasticsearch=store,
        )
        costs = sink_costs.costs(store, documents=options.documents)
    versions = {
        "kafka": kafka_version,
        "elasticsearch": store_version,
        "elasticsearch-py": version("elasticsearch"),
    }
    found = report({options.patients: answers}, versions=versions)
    found |= {"profile": options.profile, "costs": [each._asdict() for each in costs]}
    if options.report:
        write(found, options.report)
    print(json.dumps(found) if options.json else "\n".join([told_of(found), "", *_alone(costs)]))
    return 0


def told_of(found: dict[str, Any]) -> str:
    """The table of the peers, and what they stored of how many."""
    (measured,) = found["tables"]
    job = measured["peers"][0]["job"]
    share = job["anomalies"] / job["counted"]
    return f"{table(found)}\nprofile {found['profile']}: {share:.1%} of the readings are anomalies"


def _alone(costs: Sequence[sink_costs.Cost]) -> list[str]:
    return [sink_costs.HEADING, *map(str, costs)]


if __name__ == "__main__":
    sys.exit(main())
