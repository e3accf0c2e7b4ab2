"""A peer: how it is asked, how it measures itself, and its answer.  It is a process of its own."""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests.bench.job import Job, NoResult

_ROOT = Path(__file__).parents[2]
_ANSWERS_WITHIN = 900.0


@dataclass(frozen=True)
class Task:
    """What a peer is asked; the fields are the options of its command line."""

    kafka: str
    """``HOST:PORT``."""
    topic: str
    name: str
    """Of this run alone: the consumer group, and the first part of topics the peer makes."""
    readings: int
    """How many the topic holds: all are read, from the beginning."""
    elasticsearch: str = ""
    """Its URL, for a peer that stores; `name` is the first part of its indices' names."""


@dataclass(frozen=True)
class Answer:
    """What a peer found out about itself, from the first message to the last."""

    task: Task
    cpu: float
    """Seconds, user and system, of all threads of the process."""
    wall: float
    """Seconds."""
    peak_mb: float
    """Largest resident memory from the start of the process, imports included."""
    job: Job

    @property
    def readings(self) -> int:
        """How many it read."""
        return self.task.readings


class Meter:
    """Measures this process from `start` to `stop`; of several calls the first one counts.

    Imports, the connection and the wait for partitions come before `start` for every peer;
    so does, unavoidably, the fetch that brings the first message.  It brings up to 1 MB of
    each partition, which of 100,000 readings is about one in thirteen.
    """

    def __init__(self) -> None:
        self._started: tuple[float, float] | None = None
        self._stopped: tuple[float, float] | None = None
        self.peak_mb = 0.0
        """Largest resident memory until `stop`."""

    def start(self) -> None:
        """The first message is there."""
        self._started = self._started or _clocks()

    def stop(self) -> None:
        """The last message is done."""
        if self._stopped is None:
            self._stopped, self.peak_mb = _clocks(), _peak_mb()

    @property
    def spent(self) -> tuple[float, float]:
        """CPU and wall seconds between the two.  Raises NoResult where one did not happen."""
        if self._started is None or self._stopped is None:
            raise NoResult("the peer ended before its last message")
        return self._stopped[0] - self._started[0], self._stopped[1] - self._started[1]


def ask(module: str, task: Task, *, python: Path = Path(sys.executable)) -> Answer:
    """Run the peer that is `module` with this interpreter.

    Raises :class:`NoResult` with its last words.
    """
    try:
        done = subprocess.run(
            command(module, task, python=python),
            cwd=_ROOT,
            capture_output=True,
            timeout=_ANSWERS_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        words = (error.stderr or b"").decode(errors="replace")[-2000:]
        raise NoResult(f"{module} has not ended in {_ANSWERS_WITHIN:.0f} s: {words}") from None
    if done.returncode or not done.stdout:
        words = done.stderr.decode(errors="replace")[-2000:]
        raise NoResult(f"{module} ended with status {done.returncode}: {words}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Answer)


def command(module: str, task: Task, *, python: Path = Path(sys.executable)) -> list[str]:
    """What runs the peer that is `module`."""
    options = (f"--{name}={value}" for name, value in asdict(task).items())
    return [str(python), "-m", module, *options]


def answer(work: Callable[[Task, Meter, Path], Job]) -> None:
    """Do `work` as the command line asks, and print the answer, the last line on stdout.

    `work` is given an empty folder, which is gone afterwards.
    """
    parser = argparse.ArgumentParser()
    for name in ("kafka", "topic", "name", "elasticsearch"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--readings", type=int, required=True)
    task, meter = Task(**vars(parser.parse_args())), Meter()
    with TemporaryDirectory() as folder:
        job = work(task, meter, Path(folder))
    cpu, wall = meter.spent
    print(msgspec.json.encode(Answer(task, cpu, wall, meter.peak_mb, job)).decode())


def _clocks() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.perf_counter()


def _peak_mb() -> float:
    # On Linux ru_maxrss begins at what the process had that started this one.
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 / (1024 if sys.platform == "darwin" else 1)
