"""A house to reconcile: settings of its own, a worker that ran, and `bpstream reconcile`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from bpstream.commands import cli
from tests.faults.loads import messages, send_as_the_original_did, send_keyed
from tests.integration.workers import Worker, until


@dataclass
class House:
    folder: Path
    kafka: str
    settings: dict[str, str]

    @property
    def archive(self) -> Path:
        return Path(self.settings["BPSTREAM_ARCHIVE_DIR"])

    @property
    def topic(self) -> str:
        return self.settings["BPSTREAM_TOPIC"]

    @property
    def changelog(self) -> str:
        return f"{self.settings['BPSTREAM_APP_ID']}-patients-changelog"

    def worker(self) -> Worker:
        return Worker(self.folder, self.settings)

    def send(self, count: int, *, patients: int, seed: int) -> None:
        """Readings in the three ways that producers send."""
        drawn = messages(count, patients=patients, seed=seed)
        third = count // 3
        send_as_the_original_did(self.kafka, self.topic, drawn[:third])
        for part, way in (
            (drawn[third : 2 * third], "consistent_random"),
            (drawn[2 * third :], "murmur2_random"),
        ):
            send_keyed(self.kafka, self.topic, part, partitioner=way)

    def reconcile(self, *options: str) -> Result:
        """`bpstream reconcile` in this process."""
        return CliRunner().invoke(
            cli, ["reconcile", *options], env=self.settings, prog_name="bpstream"
        )

    def told(self, *options: str) -> tuple[int, dict[str, Any]]:
        """The exit status, and what `--json` says."""
        done = self.reconcile("--json", *options)
        assert done.stdout, (done.stderr, done.exception)
        return done.exit_code, json.loads(done.stdout)

    def differences(self, *options: str) -> dict[str, int]:
        """Kinds and counts; the exit status goes with them."""
        status, told = self.told(*options)
        found = {each["kind"]: each["count"] for each in told["differences"]}
        assert told["equal"] == (not found)
        assert status == (1 if found else 0)
        return found


def counted(worker: Worker) -> int:
    page = worker.get("/patients/?limit=1000")["patients"]
    return sum(patient["readings"] for patient in page)


def settled(worker: Worker, readings: int) -> None:
    """Wait until all readings are counted, and everything is committed."""
    until(
        lambda: counted(worker) >= readings and worker.get("/status")["lag"] == 0, 60, worker.told
    )
