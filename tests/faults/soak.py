"""A long run under faults, and a table of what was lost and what was there twice.

    python -m tests.faults.soak --minutes 10 [--seed 1] [--json PATH]

A Kafka, an Elasticsearch and three workers of its own; a steady load.  Two of the workers are
killed in turns and started again at once; between that Elasticsearch and the broker are
killed and started again, and a worker stands still for longer than its session lasts.  The
third worker is spared: its memory and open files are those of a worker that lives long.  Exit
status 0: everything is there once; 1: it is not.  Ctrl-C ends it early, and it still checks.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults import oracle, stored
from tests.faults.loads import Hospital
from tests.faults.oracle import Difference
from tests.faults.run import Run, differences
from tests.integration.workers import Worker
from tests.services import Service, running

RATE = 450.0  # messages a second
PATIENTS = 200
KILL_EVERY = (13.0, 17.0)  # seconds
FROZEN_FOR = 15.0  # seconds; a session lasts 10
MEASURED = 4  # times, evenly over the run: when the worker is warm, and at the end
DRAINED_WITHIN = 180.0
READY_WITHIN = 90.0

_TURN = 0.25


@dataclass
class Slot:
    """A place for a worker that is killed and started again."""

    worker: Worker
    killed_at: float | None = None
    frozen_until: float | None = None


@dataclass
class Report:
    """What happened, and what came of it."""

    minutes: float = 0.0
    readings: int = 0
    kills: int = 0
    elasticsearch_restarts: int = 0
    broker_restarts: int = 0
    freezes: int = 0
    seconds_to_recover: list[float] = field(default_factory=list)
    """From each kill until the worker started in its place was ready."""
    memory: list[float] = field(default_factory=list)
    """MiB of the spared worker, after each quarter of the run."""
    open_files: list[int] = field(default_factory=list)
    parts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Lost, repeated and wrong, by part of the outcome."""
    differs: bool = False

    def table(self) -> str:
        """For a person."""
        recovered = self.seconds_to_recover or [0.0]
        lines = [
            ("minutes", f"{self.minutes:.1f}"),
            ("readings", f"{self.readings:,}"),
            ("workers killed (SIGKILL)", str(self.kills)),
            ("Elasticsearch killed", str(self.elasticsearch_restarts)),
            ("broker killed", str(self.broker_restarts)),
            (f"workers frozen {FROZEN_FOR:.0f} s", str(self.freezes)),
            ("seconds to recover, median", f"{statistics.median(recovered):.1f}"),
            ("seconds to recover, worst", f"{max(recovered):.1f}"),
            ("MiB of the worker that is spared", _in_turn(self.memory)),
            ("its open files", _in_turn(self.open_files)),
        ]
        told = [f"| {name} | {value} |" for name, value in lines]
        told += ["", "| | lost | repeated | wrong |", "|---|---|---|---|"]
        told += [
            f"| {name} | {part['lost']} | {part['repeated']} | {part['wrong']} |"
            for name, part in self.parts.items()
        ]
        return "\n".join(["| | |", "|---|---|", *told])


class Soak:
    """One soak: what goes wrong when is drawn by `seed`."""

    def __init__(self, run: Run, kafka: Service, elasticsearch: Service, *, seed: int) -> None:
        self._run, self._kafka, self._elasticsearch = run, kafka, elasticsearch
        self._chance = random.Random(seed)
        self._seed = seed
        self._began = time.monotonic()
        self.report = Report()
        self._restarts: list[Future[None]] = []
        self._spared = run.worker("spared")
        self._slots = [Slot(run.worker()), Slot(run.worker())]

    def go_on(self, minutes: float) -> None:
        """Let things go wrong while the load is sent; then wait until all is done, and check."""
        hospital = Hospital(patients=PATIENTS, seed=self._seed)
        self._began = time.monotonic()
        with ThreadPoolExecutor() as pool, self._run.sending(hospital, rate=RATE):
            try:
                self._strike_until(self._began + minutes * 60, pool)
            except KeyboardInterrupt:
                say("ended early")
            self._mend()
            self._measure()
        self.report.minutes = (time.monotonic() - self._began) / 60
        say("the load has stopped; waiting until all is done")
        self._run.drained(DRAINED_WITHIN)
        self._check()

    def _strike_until(self, end: float, pool: ThreadPoolExecutor) -> None:
        now = time.monotonic()
        next_kill = now + self._chance.uniform(*KILL_EVERY)
        quarter = (end - now) / MEASURED
        measure_at = now + quarter
        others = self._others(pool)
        while (now := time.monotonic()) < end:
            self._look_after(now)
            if measure_at <= now:
                self._measure()
                measure_at += quarter
            if next_kill <= now:
                next_kill = now + self._chance.uniform(*KILL_EVERY)
                self._kill(now)
                if self.report.kills % 2 == 0:
                    next(others)()
            time.sleep(_TURN)

    def _others(self, pool: ThreadPoolExecutor) -> Iterator[Callable[[], None]]:
        while True:
            yield lambda: self._restart(pool, self._elasticsearch)
            yield self._freeze
            yield lambda: self._restart(pool, self._kafka)

    def _kill(self, now: float) -> None:
        slot = self._chance.choice([slot for slot in self._slots if slot.frozen_until is None])
        slot.worker.kill()
        self.report.kills += 1
        self._say(f"killed {slot.worker.name}: kill {self.report.kills}")
        slot.worker = self._run.worker(ready=False)
        slot.killed_at = slot.killed_at or now

    def _freeze(self) -> None:
        slot = self._chance.choice(self._slots)
        slot.worker.freeze()
        slot.frozen_until = time.monotonic() + FROZEN_FOR
        slot.killed_at = None
        self.report.freezes += 1
        self._say(f"froze {slot.worker.name}")

    def _restart(self, pool: ThreadPoolExecutor, service: Service) -> None:
        def restart() -> None:
            service.kill()
            service.start()

        self._restarts.append(pool.submit(restart))
        if service is self._kafka:
            self.report.broker_restarts += 1
        else:
            self.report.elasticsearch_restarts += 1
        self._say(f"killed {service.name}")

    def _look_after(self, now: float) -> None:
        """Thaw, note who is back, and fail where a worker ended by itself."""
        for worker in (self._spared, *(slot.worker for slot in self._slots)):
            assert not worker.ended(), f"a worker ended by itself\n{worker.told()}"
        for slot in self._slots:
            if slot.frozen_until is not None:
                if slot.frozen_until <= now:
                    slot.worker.thaw()
                    slot.frozen_until = None
                    self._say(f"thawed {slot.worker.name}")
            elif slot.killed_at is not None and slot.worker.status("/health/ready") == 200:
                took = time.monotonic() - slot.killed_at
                self.report.seconds_to_recover.append(took)
                slot.killed_at = None
                self._say(f"{slot.worker.name} is ready, after {took:.1f} s")

    def _mend(self) -> None:
        """Nothing goes wrong any more."""
        for restart in self._restarts:
            restart.result()
        for slot in self._slots:
            if slot.frozen_until is not None:
                slot.worker.thaw()
                slot.frozen_until = None
        for worker in (self._spared, *(slot.worker for slot in self._slots)):
            worker.ready(READY_WITHIN)
        self._look_after(time.monotonic())

    def _measure(self) -> None:
        memory = self._spared.metric("process_resident_memory_bytes") / 2**20
        self.report.memory.append(round(memory, 1))
        self.report.open_files.append(int(self._spared.metric("process_open_fds")))
        self._say(f"the spared worker has {memory:.0f} MiB")

    def _check(self) -> None:
        say("checking")
        run, report = self._run, self.report
        should, found = run.expected(), run.found(self._spared)
        report.readings = sum(patient["readings"] for patient in should.counters.values())
        all_parts = oracle.differences(should, found)
        report.parts = {name: _numbers(part) for name, part in all_parts.items()}
        # The alerts topic may carry an event twice, under its key.
        alerts = stored.published(run.kafka, run.settings["BPSTREAM_ALERTS_TOPIC"])
        keys = Counter((each["alert_id"], each["state"], each["severity"]) for each in alerts)
        report.parts["alert events"] = {
            "lost": 0,
            "repeated": keys.total() - len(keys),
            "wrong": 0,
        }
        for name, part in differences(should, found).items():
            report.differs = True
            say(f"{name}: {part}")

    def _say(self, what: str) -> None:
        say(f"{time.monotonic() - self._began:6.1f} s  {what}")


def _in_turn(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.0f}" for number in numbers)


def _numbers(part: Difference) -> dict[str, int]:
    return {"lost": part.lost, "repeated": part.repeated, "wrong": part.wrong}


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> int:
    """Run it as the command line says; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the report to this file as well")
    arguments = parser.parse_args()
    try:
        report = _soak(arguments.minutes, arguments.seed)
    except (pytest.skip.Exception, pytest.fail.Exception) as error:
        print(error, file=sys.stderr)
        return 1
    print(report.table())
    if arguments.json:
        arguments.json.write_text(json.dumps(_as_json(report), indent=2) + "\n")
    return int(report.differs)


def _soak(minutes: float, seed: int) -> Report:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        kafka = stack.enter_context(running("kafka", folder / "services"))
        elasticsearch = stack.enter_context(running("elasticsearch", folder / "services"))
        run = stack.enter_context(
            Run(folder, kafka=kafka.address, elasticsearch=elasticsearch.address)
        )
        soak = Soak(run, kafka, elasticsearch, seed=seed)
        soak.go_on(minutes)
        return soak.report


def _as_json(report: Report) -> dict[str, Any]:
    return {**vars(report), "seconds_to_recover": [round(s, 1) for s in report.seconds_to_recover]}


if __name__ == "__main__":
    sys.exit(main())
