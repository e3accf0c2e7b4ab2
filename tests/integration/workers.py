"""Workers as processes of their own, as a person starts them, and what they answer."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from prometheus_client.parser import text_string_to_metric_families

START_WITHIN = 90.0


class Worker:
    """`bpstream worker` with settings of its own.  Its log is in `folder`."""

    def __init__(self, folder: Path, settings: dict[str, str], *, name: str = "worker") -> None:
        self.folder, self.name = folder, name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{name}.log"
        self.environ = {
            **{name: value for name, value in os.environ.items() if "BPSTREAM" not in name},
            "BPSTREAM_DATA_DIR": str(folder / name),
            "BPSTREAM_WEB_PORT": str(self.port),
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str) -> Self:
        command = command or (sys.executable, "-m", "bpstream", "worker")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environ,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for the test, which ends its workers.
            )
        return self

    def ready(self, within: float = START_WITHIN) -> Self:
        until(lambda: self.ended() or self.status("/health/ready") == 200, within, self.told)
        assert not self.ended(), self.told()
        return self

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def get(self, path: str) -> Any:
        with urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def feed(self, query: str = "") -> Iterator[Any]:
        """The data of the feed's events, until the worker ends it."""
        with urlopen(f"{self.url}/feed?{query}", timeout=10) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def patient(self, patient_id: str) -> Any:
        return self.get(f"/patients/{quote(patient_id, safe='')}/")

    def tell(self, path: str, body: Any) -> int:
        """The status of the answer to a POST of `body`."""
        told = Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urlopen(told, timeout=10) as answer:
            return int(answer.status)

    def status(self, path: str) -> int | None:
        try:
            with urlopen(self.url + path, timeout=5) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except (URLError, OSError):
            return None

    def stop(self, sign: int = signal.SIGTERM, within: float = 20.0) -> int:
        """Ask it to end; returns its exit status."""
        self._signal(sign)
        assert self.process is not None
        return self.process.wait(within)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it stand still, its connections open, until it is thawed."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        self._signal(signal.SIGCONT)

    def _signal(self, sign: int) -> None:
        assert self.process is not None
        self.process.send_signal(sign)

    @property
    def partitions(self) -> list[int]:
        """The partitions that it holds, as it sees it."""
        return list(self.get("/status?scope=worker")["partitions"])

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric of /metrics over every label that is not given."""
        with urlopen(self.url + "/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def told(self) -> str:
        """The end of its log, for a test that failed."""
        status = self.process.poll() if self.process else "not started"
        return f"{self.name} ({status}):\n" + self.log.read_text()[-4000:]


@contextmanager
def worker(folder: Path, settings: dict[str, str], *, name: str = "worker") -> Iterator[Worker]:
    """A worker that is gone at the end of the block."""
    running = Worker(folder, settings, name=name).start()
    try:
        yield running
    finally:
        if not running.ended():
            running.kill()


def until(holds: Any, within: float, told: Any = lambda: "") -> Any:
    """Wait until `holds()` is true, and return what it returned."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:.0f} s\n{told()}")
        time.sleep(0.2)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def names(unique_name: Any) -> dict[str, str]:
    """Settings under which a test meets no other."""
    return {
        "BPSTREAM_APP_ID": unique_name("app"),
        "BPSTREAM_TOPIC": unique_name("fhir"),
        "BPSTREAM_REKEYED_TOPIC": unique_name("rekeyed"),
        "BPSTREAM_DEAD_LETTER_TOPIC": unique_name("dead"),
        "BPSTREAM_ALERTS_TOPIC": unique_name("alerts"),
        "BPSTREAM_LIMITS_TOPIC": unique_name("limits"),
        "BPSTREAM_ACKNOWLEDGEMENTS_TOPIC": unique_name("acknowledgements"),
        "BPSTREAM_INDEX": unique_name("bp"),
    }
