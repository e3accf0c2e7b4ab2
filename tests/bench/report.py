"""The report: medians of the runs, as JSON and as a table for a person.

The JSON has `date` (ISO 8601, UTC), `versions` (by name; Kafka's is null for a broker that
was running before), `machine` {system, processor, cores}, `runs`, and `tables`, each with its
number of `patients` and its `peers`.  A peer has `name`, `readings` (of each run), the medians
`cpu_us` (µs of CPU per reading), `readings_per_second` (wall clock) and `peak_mb`,
`times_bpstream` (its `cpu_us` over bpstream's), `job` (its checksum), and `cpu_us_of_runs`.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

import bpstream
from tests.bench.peer import Answer

BPSTREAM = "bpstream"
_LIBRARIES = {
    "faust": "faust-streaming",
    "aiokafka": "aiokafka",
    "kafka-python": "kafka-python",
    "scikit-learn": "scikit-learn",
    "numpy": "numpy",
}


def report(
    answers: Mapping[int, Mapping[str, Sequence[Answer]]],
    *,
    versions: Mapping[str, str | None],
) -> dict[str, Any]:
    """The report of `answers`: by number of patients, the runs of each peer by its name.

    All have as many runs.  `versions` are those of the services, and of more libraries.
    """
    return {
        **circumstances(versions),
        "runs": len(next(iter(answers.values()))[BPSTREAM]),
        "tables": [
            {"patients": patients, "peers": _peers(by_name)}
            for patients, by_name in answers.items()
        ],
    }


def circumstances(versions: Mapping[str, str | None]) -> dict[str, Any]:
    """The date, the versions and the machine of a report."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "bpstream": bpstream.__version__,
            "python": platform.python_version(),
            **{name: version(package) for name, package in _LIBRARIES.items()},
            **versions,
        },
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
    }


def write(found: Mapping[str, Any], path: Path) -> None:
    """The report as JSON at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n")


def heading(found: Mapping[str, Any]) -> list[str]:
    """When, with what and where it was measured, as lines of text."""
    versions = (f"{name} {number or '?'}" for name, number in found["versions"].items())
    machine = found["machine"]
    return [
        f"{found['date']}  {machine['system']}, {machine['processor']}, {machine['cores']} cores",
        ", ".join(versions),
    ]


def table(found: Mapping[str, Any]) -> str:
    """The report as lines of text."""
    lines = [*heading(found), f"medians of {found['runs']} run(s)"]
    for each in found["tables"]:
        lines += [
            "",
            f"{each['patients']:,} patients",
            f"{'peer':<16}{'readings':>10}{'µs CPU/reading':>16}{'readings/s':>12}{'peak MB':>9}"
            f"{'x bpstream':>12}",
        ]
        lines += [
            f"{peer['name']:<16}{peer['readings']:>10,}{peer['cpu_us']:>16.1f}"
            f"{peer['readings_per_second']:>12,.0f}{peer['peak_mb']:>9.0f}"
            f"{peer['times_bpstream']:>12.1f}"
            for peer in each["peers"]
        ]
    return "\n".join(lines)


def plot(found: Mapping[str, Any], path: Path) -> None:
    """Draw the CPU of every peer, a panel for each number of patients, as a PNG at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = found["tables"]
    figure = Figure(figsize=(4.5 * len(tables), 3.6), layout="constrained")
    for panel, each in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables, strict=True):
        peers = each["peers"][::-1]
        colors = ["tab:blue" if peer["name"] == BPSTREAM else "silver" for peer in peers]
        bars = panel.barh(
            [peer["name"] for peer in peers], [peer["cpu_us"] for peer in peers], color=colors
        )
        panel.bar_label(bars, fmt=" %.1f")
        panel.set_xscale("log")
        panel.margins(x=0.2)
        panel.set_title(f"{each['patients']:,} patients")
        panel.set_xlabel("CPU µs a reading, log scale")
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def _peers(answers: Mapping[str, Sequence[Answer]]) -> list[dict[str, Any]]:
    ours = median(_cpu_us(answers[BPSTREAM]))
    return [_peer(name, runs, ours) for name, runs in answers.items()]


def _peer(name: str, runs: Sequence[Answer], ours: float) -> dict[str, Any]:
    cpu_us = _cpu_us(runs)
    return {
        "name": name,
        "readings": runs[0].readings,
        "cpu_us": round(median(cpu_us), 2),
        "readings_per_second": round(median(run.readings / run.wall for run in runs)),
        "peak_mb": round(median(run.peak_mb for run in runs), 1),
        "times_bpstream": round(median(cpu_us) / ours, 2),
        "job": asdict(runs[0].job),
        "cpu_us_of_runs": [round(each, 2) for each in cpu_us],
    }


def _cpu_us(runs: Sequence[Answer]) -> list[float]:
    return [run.cpu / run.readings * 1e6 for run in runs]
