"""`python -m tests.bench.profile`: a flame graph of the pipeline, without a broker, as an SVG.

Of Faust, Kafka and the stores there is nothing in it; `py-spy record --pid` shows a worker's.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bpstream.batch import Partition
from tests.bench.simulated import a_pipeline, rounds

_PATIENTS, _ROUNDS, _TURNS = 1000, 100, 5
_SAMPLES = 500
"""A second."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the graph; the exit status is py-spy's."""
    options = _options(arguments)
    if options.work:
        _work(options.profile)
        return 0
    options.out.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(Path(sys.executable).with_name("py-spy")),
        "record",
        "--output",
        str(options.out),
    ]
    command += [
        "--rate",
        str(_SAMPLES),
        "--",
        sys.executable,
        "-m",
        "tests.bench.profile",
        "--work",
    ]
    return subprocess.run([*command, "--profile", options.profile], check=False).returncode


def _work(profile: str) -> None:
    pipeline, chunks = a_pipeline(), rounds(_PATIENTS, _ROUNDS, profile=profile)
    for _ in range(_TURNS):
        partition = Partition(0)
        for chunk in chunks:
            batch = pipeline.read(chunk, partition)
            for _ in pipeline.steps(batch, partition, now=int(chunk.arrived_at[0])):
                pass


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("var/profile.svg"), metavar="FILE")
    parser.add_argument("--profile", choices=("uniform", "patients"), default="patients")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
