"""`python -m tests.bench`: measures every peer on one broker, each run in a process of its own."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import peers
from tests.bench.report import plot, report, table, write
from tests.bench.running import add_kafka, add_report, at_least, say, service_of, take_turns, told
from tests.bench.topics import Topics


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 where there is no result."""
    options = _options(arguments)
    return told(lambda: _measure(options))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--readings", type=at_least(100), default=300_000)
    parser.add_argument(
        "--patients",
        type=at_least(1),
        nargs="+",
        default=[1000, 100_000],
        help="a table for each number",
    )
    parser.add_argument("--runs", type=at_least(1), default=3)
    add_kafka(parser)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the report as a picture")
    add_report(parser)
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace) -> int:
    present = peers.present()
    with service_of("kafka", options.kafka) as (kafka, version), Topics(kafka) as topics:
        for left_out in set(peers.ALL).difference(present):
            say(f"{left_out.name} is left out: no {left_out.python} (`make bench` makes it)")
        answers = {
            each: take_turns(
                topics, present, readings=options.readings, patients=each, runs=options.runs
            )
            for each in options.patients
        }
    found = report(answers, versions={"kafka": version, **peers.versions()})
    if options.plot:
        plot(found, options.plot)
    if options.report:
        write(found, options.report)
    print(json.dumps(found) if options.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
