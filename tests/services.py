"""A real server for the tests: Kafka or Elasticsearch in a process and a folder of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

_PROGRAM = Path(__file__).parents[1] / "compose" / "services" / "services.py"
_JAVA_OR_MAVEN_IS_MISSING = 3


class Service:
    """One server; killed or stopped and started again it keeps its port and its data.

    `options` are those of ``services.py start``: ``"--es-setting", "NAME=VALUE"``.
    """

    def __init__(self, name: str, folder: Path, *options: str) -> None:
        self.name, self.folder, self.options = name, folder, options
        self.address = ""
        """``127.0.0.1:PORT`` of Kafka, ``http://127.0.0.1:PORT`` of Elasticsearch."""

    @property
    def port(self) -> int:
        """The port of its address; 0 before its first start."""
        return int(self.address.rpartition(":")[2] or 0)

    @property
    def pid(self) -> int:
        """Its process, or what was its process."""
        return int((self.folder / self.name / "pid").read_text())

    def start(self) -> Self:
        """Return once it answers.  The test is skipped where java or mvn is missing."""
        done = self._run("start", f"--{self.name}-port", str(self.port), *self.options)
        if done.returncode == _JAVA_OR_MAVEN_IS_MISSING:
            _unavailable(done.stderr.strip(), f"TEST_{self.name.upper()}")
        if done.returncode:
            pytest.fail(done.stderr, pytrace=False)
        self.address = done.stdout.splitlines()[-1].split()[1]
        return self

    def stop(self) -> None:
        """Return once its process has ended; one that does not run is left as it is."""
        self._run("stop")

    def kill(self) -> None:
        """Return once SIGKILL has ended it, with no time to close a file or say goodbye."""
        os.kill(self.pid, signal.SIGKILL)
        with suppress(OSError):
            while True:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()

    def _run(self, action: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(_PROGRAM), action, self.name, "--dir", str(self.folder)]
        return subprocess.run([*command, *options], capture_output=True, text=True, check=False)


@contextmanager
def running(name: str, folder: Path, *options: str) -> Iterator[Service]:
    """A :class:`Service` that is stopped at the end, also where its start was interrupted."""
    service = Service(name, folder, *options)
    try:
        yield service.start()
    finally:
        service.stop()


def _unavailable(why: str, variable: str) -> None:
    """Skip the test; fail it where services are required."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"REQUIRE_SERVICES=1, and {why}", pytrace=False)
    pytest.skip(f"{why}; or name a running one in {variable}")
