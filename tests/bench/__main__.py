"""`python -m tests.bench`: measures every peer on one broker, each run in a process of its own."""

import argparse
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pytest

from tests.bench import peers
from tests.bench.job import NoResult
from tests.bench.peer import Answer, Task, ask
from tests.bench.report import plot, report, table
from tests.bench.topics import Topics
from tests.services import running

_POM = Path(__file__).parents[2] / "compose" / "services" / "kafka" / "pom.xml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 where there is no result."""
    options = _options(arguments)
    # A run that is terminated stops its broker, as one that is interrupted does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with kafka_of(options.kafka) as (address, version):
            answers = {each: _measure(address, options, each) for each in options.patients}
    except (NoResult, pytest.skip.Exception, pytest.fail.Exception) as error:
        _say(str(error))
        return 1
    found = report(answers, versions=peers.versions(), kafka_version=version)
    if options.plot:
        plot(found, options.plot)
    if options.report:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found) if options.json else table(found))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--readings", type=_at_least(100), default=300_000)
    parser.add_argument(
        "--patients",
        type=_at_least(1),
        nargs="+",
        default=[1000, 100_000],
        help="a table for each number",
    )
    parser.add_argument("--runs", type=_at_least(1), default=3)
    parser.add_argument(
        "--kafka",
        metavar="HOST:PORT",
        default=os.environ.get("TEST_KAFKA"),
        help="a running broker; else TEST_KAFKA, else one is started (java >= 17, mvn)",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the report as a picture")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args(arguments)


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a number of at least {least}, not {text!r}")
        return int(text)

    return number


@contextmanager
def kafka_of(address: str | None) -> Iterator[tuple[str, str | None]]:
    """A broker's address, and its version where that is known: where it is started here."""
    if address:
        yield address, None
        return
    _say("starting Kafka")
    version = ElementTree.parse(_POM).findtext("{*}properties/{*}kafka.version")
    with TemporaryDirectory() as folder, running("kafka", Path(folder)) as service:
        yield service.address, version


def _measure(kafka: str, options: argparse.Namespace, patients: int) -> dict[str, list[Answer]]:
    """The answers of every peer, by its name.  The peers take turns, so that all of them
    have their part of what else the machine does.

    Raises :class:`NoResult` for a peer that fails or does another job than was expected.
    """
    answers = defaultdict[str, list[Answer]](list)
    present = peers.present()
    for left_out in set(peers.ALL).difference(present):
        _say(f"{left_out.name} is left out: there is no {left_out.python} (`make bench` makes it)")
    with Topics(kafka) as topics:
        filled = {}
        for one_in in sorted({peer.one_in for peer in present}):
            readings = options.readings // one_in
            _say(f"filling a topic with {readings:,} readings of {patients:,} patients")
            filled[one_in] = readings, *topics.fill(readings, patients)
        for run in range(1, options.runs + 1):
            for peer in present:
                readings, topic, expected = filled[peer.one_in]
                name = f"{topics.prefix}{run}-{peer.module.rpartition('.')[2]}"
                answer = ask(peer.module, Task(kafka, topic, name, readings), python=peer.python)
                differences = answer.job.differences(expected)
                if differences:
                    what = ", ".join(differences)
                    raise NoResult(
                        f"{peer.name} did another job: {what} of {answer.job}, not {expected}"
                    )
                each = answer.cpu / answer.readings * 1e6
                _say(f"run {run} of {options.runs}: {peer.name} {each:.1f} µs a reading")
                answers[peer.name].append(answer)
    return dict(answers)


def _say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
