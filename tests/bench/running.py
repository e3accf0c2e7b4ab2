"""What the benchmarks share: services to run on, peers that take turns, and the command line."""

import argparse
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pytest

from tests.bench.job import NoResult
from tests.bench.peer import Answer, Task, ask
from tests.bench.peers import Peer
from tests.bench.topics import Topics
from tests.services import running

_POMS = Path(__file__).parents[2] / "compose" / "services"


def say(line: str) -> None:
    """What a person may read while it lasts."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def told(measure: Callable[[], int]) -> int:
    """The exit status of `measure`: 1, with one line that says why, where there is no result."""
    # A run that is terminated stops its services, as one that is interrupted does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return measure()
    except (NoResult, pytest.skip.Exception, pytest.fail.Exception) as error:
        say(str(error))
        return 1


def at_least(least: int) -> Callable[[str], int]:
    """A whole number of the command line."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a number of at least {least}, not {text!r}")
        return int(text)

    return number


def add_kafka(parser: argparse.ArgumentParser) -> None:
    """The option that names a broker."""
    _add(parser, "kafka", "HOST:PORT")


def add_elasticsearch(parser: argparse.ArgumentParser) -> None:
    """The option that names an Elasticsearch."""
    _add(parser, "elasticsearch", "URL")


def add_report(parser: argparse.ArgumentParser) -> None:
    """The options that say where the report goes."""
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _add(parser: argparse.ArgumentParser, name: str, metavar: str) -> None:
    variable = f"TEST_{name.upper()}"
    parser.add_argument(
        f"--{name}",
        metavar=metavar,
        default=os.environ.get(variable),
        help=f"a running one; else {variable}, else one is started (java >= 17, mvn)",
    )


@contextmanager
def service_of(name: str, address: str | None) -> Iterator[tuple[str, str | None]]:
    """An address, and the version where that is known: where the service is started here."""
    if address:
        yield address, None
        return
    say(f"starting {name.title()}")
    pom = ElementTree.parse(_POMS / name / "pom.xml")
    version = pom.findtext(f"{{*}}properties/{{*}}{name}.version")
    with TemporaryDirectory() as folder, running(name, Path(folder)) as service:
        yield service.address, version


def table_by_patients(
    module: str,
    about: str | None,
    measure: Callable[[Topics, str, int], Mapping[str, float]],
    arguments: Sequence[str] | None,
) -> int:
    """Print what `measure` finds of a topic of readings: a column for each number of patients.

    It is given the topic and how many readings are there, and gives CPU seconds by row.  Does
    what the command line says, and returns the exit status.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--readings", type=at_least(100), default=300_000)
    parser.add_argument("--patients", type=at_least(1), nargs="+", default=[1000, 100_000])
    add_kafka(parser)
    options = parser.parse_args(arguments)

    def measured() -> int:
        columns = []
        with service_of("kafka", options.kafka) as (kafka, _), Topics(kafka) as topics:
            for patients in options.patients:
                say(f"filling a topic with {options.readings:,} readings of {patients:,} patients")
                topic, _ = topics.fill(options.readings, patients)
                columns.append(measure(topics, topic, options.readings))
        print(f"{'µs CPU a reading':<38}", *(f"{each:>9,} patients" for each in options.patients))
        for row in columns[0]:
            each = (column[row] / options.readings * 1e6 for column in columns)
            print(f"{row:<38}", *(f"{cpu:>18.2f}" for cpu in each))
        return 0

    return told(measured)


def take_turns(
    topics: Topics,
    peers: Sequence[Peer],
    *,
    readings: int,
    patients: int,
    runs: int,
    profile: str = "uniform",
    elasticsearch: str = "",
) -> dict[str, list[Answer]]:
    """The answers of every peer, by its name.  The peers take turns, so that all of them
    have their part of what else the machine does.

    Raises :class:`NoResult` for a peer that fails or does another job than was expected.
    """
    answers = defaultdict[str, list[Answer]](list)
    filled = {}
    for one_in in sorted({peer.one_in for peer in peers}):
        count = readings // one_in
        say(f"filling a topic with {count:,} readings of {patients:,} patients")
        topic, expected = topics.fill(count, patients, profile=profile)
        filled[one_in] = count, topic, expected if elasticsearch else expected.without_stores()
    for run in range(1, runs + 1):
        for peer in peers:
            count, topic, expected = filled[peer.one_in]
            name = f"{topic}-{run}-{peer.module.rpartition('.')[2]}"
            task = Task(topics.kafka, topic, name, count, elasticsearch)
            answer = ask(peer.module, task, python=peer.python)
            differences = answer.job.differences(expected)
            if differences:
                what = ", ".join(differences)
                raise NoResult(
                    f"{peer.name} did another job: {what} of {answer.job}, not {expected}"
                )
            each = answer.cpu / answer.readings * 1e6
            say(f"run {run} of {runs}: {peer.name} {each:.1f} µs a reading")
            answers[peer.name].append(answer)
    return dict(answers)
