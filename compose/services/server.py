"""A server: one JVM process on 127.0.0.1, launched, waited for and stopped by its pid."""
# ruff: noqa: S603 - it starts programs.

import os
import random
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from jvm import HERE, ServiceError, build, find_java, last_lines

HOST = "127.0.0.1"
START_SECONDS, STOP_SECONDS, LOOK_SECONDS = 120.0, 20.0, 0.1
# Below the ports that outgoing connections are given (Linux: from 32768, macOS: from 49152).
# A client that waits for a stopped server could be given that server's own port otherwise.
FREE_PORTS = range(20000, 32000)


class Server(ABC):
    """One server in a folder of its own, which keeps its data from one start to the next."""

    name: str
    default_port: int
    jvm: Sequence[str]
    """What its JVM is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve() / self.name
        self.data = self.folder / "data"
        # Stands on the command line of the process: a pid may belong to another by now.
        self.mark = f"-Dbpstream.folder={self.folder}"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def configure(self, port: int, settings: Sequence[str]) -> None:
        """Write its configuration; each of `settings` is NAME=VALUE."""

    @abstractmethod
    def program(self, home: Path) -> list[str]:
        """Its main class and arguments; `home` is what Maven built."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does its work; OSError says the same as False."""

    @abstractmethod
    def prepare(self, java: Sequence[str]) -> None:
        """Do what the first start needs; `java` is the command up to the main class."""

    @property
    def port(self) -> int:
        """The port it listens on, or last did; 0 before its first start."""
        file = self.folder / "port"
        return int(file.read_text()) if file.exists() else 0

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process where that is alive: after a crash None, whatever the pid file says."""
        if self._process:
            return self._process.pid if self._process.poll() is None else None
        try:
            pid = int((self.folder / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if self.mark in _command_line(pid) else None

    @property
    def said(self) -> str:
        """Its log since its last start."""
        return (self.folder / "log").read_text(errors="replace")

    def launch(self, port: int, settings: Sequence[str] = ()) -> None:
        """Start its process, which does not answer yet.  Port 0 is any free one."""
        java = find_java()
        if port and not _is_free(port):
            option = f"--{self.name}-port (0: any free one)"
            raise ServiceError(f"{self.name}: port {port} is in use: free it, or choose {option}")
        home = build(self.name)
        port = port or free_port()
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        command = [java, *self.jvm, "-XX:+UseSerialGC", "-Djava.awt.headless=true", self.mark]
        command += [f"-Djava.io.tmpdir={temporary}", "-cp", f"{home}/lib/*"]
        command += [f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"]
        self.configure(port, settings)
        self.prepare(command)
        (self.folder / "port").write_text(str(port))
        with (self.folder / "log").open("wb") as log:
            # A session of its own: Ctrl-C in the terminal is for whoever started it.
            self._process = subprocess.Popen(
                [*command, *self.program(home)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (self.folder / "pid").write_text(str(self._process.pid))

    def wait(self) -> None:
        """Return once it answers; raise ServiceError, with its last words, where it does not."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_up():
            if self.pid is None:
                raise ServiceError(f"{self.name} ended while it started; {last_lines(self.said)}")
            if time.monotonic() > deadline:
                waited = f"{self.name} does not answer after {START_SECONDS:.0f} s"
                raise ServiceError(f"{waited}; {last_lines(self.said)}")
            time.sleep(LOOK_SECONDS)

    def is_up(self) -> bool:
        """Whether its process is alive and answers."""
        try:
            return self.pid is not None and self.answers()
        except OSError:
            return False

    def stop(self) -> bool:
        """Ask it to end, and end it where it does not; False where it was not running."""
        pid = self.pid
        if pid is None:
            return False
        for kind in (signal.SIGTERM, signal.SIGKILL):
            os.killpg(pid, kind)
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline:
                if self.pid is None:
                    (self.folder / "pid").unlink()
                    return True
                time.sleep(LOOK_SECONDS)
        raise ServiceError(f"{self.name} (pid {pid}) cannot be ended")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        if _is_free(port):
            return port
    raise ServiceError(f"no port of {FREE_PORTS.start}-{FREE_PORTS.stop - 1} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        # As the JVM does: a port whose last connections still linger is free.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True


def _command_line(pid: int) -> str:
    """Of a live process; empty where there is none, or only its exit status is left of it."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return ""
    ps = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout
