"""`python -m tests.bench.scale`: what many patients cost, and what a second worker brings.

A row for each number of patients: what a reading costs a worker whose sinks take nothing, and
how a second life of it, on an empty disk, comes by the patients again.  Then the same messages
to one worker with everything on, and to several.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from tests.bench import peers, second_life, several
from tests.bench.peer import Task
from tests.bench.report import BPSTREAM, circumstances, heading, report, write
from tests.bench.running import add_kafka, add_report, at_least, say, service_of, take_turns, told
from tests.bench.topics import PARTITIONS, Topics


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 where there is no result."""
    options = _options(arguments)
    if max(options.workers) > PARTITIONS:
        say(f"--workers: there are {PARTITIONS} partitions, so no more workers than that")
        return 2
    return told(lambda: _measure(options))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument(
        "--readings",
        type=at_least(100),
        default=300_000,
        help="of all patients together; at least one of each",
    )
    parser.add_argument(
        "--patients",
        type=at_least(1),
        nargs="+",
        default=[1000, 100_000, 1_000_000],
        help="a row for each number; the workers share patients of the first",
    )
    parser.add_argument("--profile", choices=("patients", "uniform"), default="uniform")
    parser.add_argument("--runs", type=at_least(1), default=3)
    parser.add_argument(
        "--workers", type=at_least(1), nargs="+", default=[1, 2], help="a row for each number"
    )
    add_kafka(parser)
    add_report(parser)
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace) -> int:
    with service_of("kafka", options.kafka) as (kafka, version), Topics(kafka) as topics:
        empty = None
        if max(options.patients) >= second_life.ENOUGH:
            say("starting a worker that has nothing to recover")
            nobody = Task(kafka, f"{topics.prefix}nobody", f"{topics.prefix}empty", 0)
            empty = second_life.begun(nobody, runs=options.runs)
        by_patients = [_with(each, topics, options, empty) for each in options.patients]
        by_workers = several.measure(
            topics,
            numbers=options.workers,
            readings=options.readings,
            patients=options.patients[0],
            profile=options.profile,
            runs=options.runs,
        )
    found = {
        **circumstances({"kafka": version}),
        "profile": options.profile,
        "runs": options.runs,
        "empty": None if empty is None else empty._asdict(),
        "patients": by_patients,
        "workers": by_workers,
    }
    if options.report:
        write(found, options.report)
    print(json.dumps(found) if options.json else table(found))
    return 0


def _with(
    patients: int, topics: Topics, options: argparse.Namespace, empty: second_life.Start | None
) -> dict[str, Any]:
    """The row of so many patients."""
    answers = take_turns(
        topics,
        [each for each in peers.ALL if each.name == BPSTREAM],
        readings=max(options.readings, patients),
        patients=patients,
        runs=options.runs,
        profile=options.profile,
    )
    (peer,) = report({patients: answers}, versions={})["tables"][0]["peers"]
    row = {key: peer[key] for key in ("readings", "cpu_us", "readings_per_second", "peak_mb")}
    last = answers[BPSTREAM][-1]
    say(f"starting the worker of {patients:,} patients again, on an empty disk")
    again = second_life.begun(last.task, patients=last.job.patients, runs=options.runs)
    return {"patients": patients, **row, **second_life.recovery(again, empty)}


def table(found: dict[str, Any]) -> str:
    """The report as lines of text."""
    lines = [
        *heading(found),
        f"profile {found['profile']}, medians of {found['runs']} run(s)",
        "",
        f"{'patients':>10}{'readings':>11}{'µs CPU/reading':>16}{'readings/s':>12}{'peak MB':>9}"
        f"{'changelog':>11}{'ready s':>9}{'recovery s':>12}{'µs CPU/record':>15}"
        f"{'bytes/patient':>15}",
    ]
    lines += [
        f"{each['patients']:>10,}{each['readings']:>11,}{each['cpu_us']:>16.1f}"
        f"{each['readings_per_second']:>12,}{each['peak_mb']:>9.0f}{each['records']:>11,}"
        f"{each['ready_s']:>9.1f}{_told(each['recovery_s']):>12}"
        f"{_told(each['cpu_us_a_record']):>15}{_told(each['bytes_a_patient']):>15}"
        for each in found["patients"]
    ]
    lines += [
        "(ready: from its start until every patient is known; recovery: beyond the start of a",
        "worker without patients; bytes: of resident memory, beyond the id and such a worker's)",
        "",
        f"{'workers':>10}{'readings':>11}{'µs CPU/reading':>16}{'readings/s':>12}"
        "  partitions and share of the readings, by worker",
    ]
    lines += [
        f"{each['workers']:>10,}{each['readings']:>11,}{each['cpu_us']:>16.1f}"
        f"{each['readings_per_second']:>12,}  "
        + ", ".join(
            f"{partitions} ({share:.0%})"
            for partitions, share in zip(each["partitions"], each["shares"], strict=True)
        )
        for each in found["workers"]
    ]
    return "\n".join(lines)


def _told(number: float | None) -> str:
    """With a decimal where it is no whole number; a dash where there are too few patients."""
    if number is None:
        return "-"
    return f"{number:,}" if isinstance(number, int) else f"{number:.1f}"


if __name__ == "__main__":
    sys.exit(main())
