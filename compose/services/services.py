"""Starts a real Kafka and a real Elasticsearch on 127.0.0.1: JVM processes, no Docker.

    python compose/services/services.py start|stop|status [kafka] [elasticsearch]

Needs java >= 17 and mvn, which resolves the published jars once.  Data stay in the folder from
one start to the next.  Exit status: 0 done; 1 a service failed, or does not answer; 2 wrong
usage; 3 java or mvn is missing; 130 interrupted.
"""
# ruff: noqa: T201 - it talks to a person.

import argparse
import base64
import json
import signal
import socket
import string
import sys
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from jvm import HERE, ServiceError, run
from server import HOST, Server, free_port

VAR = HERE.parents[1] / "var" / "services"


class Kafka(Server):
    """One process, broker and controller at once (KRaft)."""

    name = "kafka"
    default_port = 9092
    jvm = ("-Xms128m", "-Xmx512m")

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def configure(self, port: int, settings: Sequence[str]) -> None:
        """Write server.properties."""
        template = string.Template((HERE / "kafka" / "server.properties").read_text())
        values = {"port": port, "controller_port": free_port(), "data": self.data}
        lines = [template.substitute(values), *settings]  # Of two lines the later one counts.
        self._properties.write_text("\n".join(lines))

    def prepare(self, java: Sequence[str]) -> None:
        """Format the data folder."""
        if (self.data / "meta.properties").exists():
            return
        # A UUID in 22 letters; the tool takes a leading dash for an option.
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode().replace("-", "_")
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)]
        run([*java, *tool], f"kafka: {self.data} cannot be formatted")

    def program(self, home: Path) -> list[str]:
        """Kafka's own main class."""
        return ["kafka.Kafka", str(self._properties)]

    def answers(self) -> bool:
        """Whether it says that it started, and tells a client what it can."""
        if "Kafka Server started" not in self.said:
            return False
        # ApiVersions (18), version 0, correlation 1, no client id: every broker knows it.
        with socket.create_connection((HOST, self.port), timeout=2) as connection:
            connection.sendall(bytes.fromhex("0000000a 0012 0000 00000001 ffff"))
            return connection.recv(8)[4:] == bytes.fromhex("00000001")


class Elasticsearch(Server):
    """One node, without security, and without the modules that are not published."""

    name = "elasticsearch"
    default_port = 9200
    jvm = ("-Xms256m", "-Xmx512m")

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"http://{HOST}:{self.port}"

    def configure(self, port: int, settings: Sequence[str]) -> None:
        """Write elasticsearch.yml."""
        chosen = {
            "cluster.name": "bpstream",
            "node.name": "bpstream",
            "discovery.type": "single-node",
            "network.host": HOST,
            "http.port": str(port),
            "transport.port": "0",
            "path.data": str(self.data),
            "path.logs": str(self.folder),
            # The nearly full disk of a laptop is no reason to refuse a shard.
            "cluster.routing.allocation.disk.threshold_enabled": "false",
        }
        for setting in settings:
            name, _, value = setting.partition("=")
            chosen[name] = value
        lines = [f"{name}: {json.dumps(value)}\n" for name, value in chosen.items()]
        (self.folder / "elasticsearch.yml").write_text("".join(lines))

    def prepare(self, java: Sequence[str]) -> None:
        """Nothing: a node makes its folder by itself."""

    def program(self, home: Path) -> list[str]:
        """Our launcher: the published jars have no main class that runs a server."""
        return ["bpstream.services.ElasticsearchNode", str(home), str(self.folder)]

    def answers(self) -> bool:
        """Whether it tells its version and every primary shard is there."""
        # Below yellow for a second the second one is 408.
        paths = ("/", "/_cluster/health?wait_for_status=yellow&timeout=1s")
        return all(self._status(path) == HTTPStatus.OK for path in paths)

    def _status(self, path: str) -> int:
        # Not urllib, which would ask a proxy of the environment.
        connection = HTTPConnection(HOST, self.port, timeout=3)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()


SERVERS: dict[str, type[Server]] = {server.name: server for server in (Kafka, Elasticsearch)}


def start(servers: Sequence[Server], options: argparse.Namespace) -> int:
    """Start all of them, or, where one fails, none."""
    launched = []
    try:
        for server in servers:
            if server.pid is None:
                launched.append(server)
                port = getattr(options, f"{server.name}_port")
                server.launch(port, getattr(options, f"{server.name}_settings"))
        for server in servers:
            server.wait()
            print(f"{server.name} {server.address} pid {server.pid}", flush=True)
    except BaseException:
        for server in launched:
            server.stop()
        raise
    return 0


def stop(servers: Sequence[Server]) -> int:
    """Stop those that run; the data stay."""
    for server in servers:
        print(f"{server.name} {'stopped' if server.stop() else 'was not running'}", flush=True)
    return 0


def status(servers: Sequence[Server]) -> int:
    """0 where all of them answer."""
    up = [server.is_up() for server in servers]
    for server, answers in zip(servers, up, strict=True):
        state = "answers" if answers else "does not answer"
        running = f"{server.address} pid {server.pid} {state}"
        print(server.name, running if server.pid else "is not running")
    return 0 if all(up) else 1


def named(name: str) -> type[Server]:
    """The server of that name."""
    if name not in SERVERS:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(SERVERS)}")
    return SERVERS[name]


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["start", "stop", "status"])
    everything = list(SERVERS.values())
    parser.add_argument("services", nargs="*", type=named, default=everything, help="both, if none")
    parser.add_argument("--dir", type=Path, default=VAR, help="configuration, data, logs, pids")
    for server in SERVERS.values():
        where = f"default: {server.default_port}; 0: any free one"
        parser.add_argument(
            f"--{server.name}-port", type=int, default=server.default_port, help=where
        )
    for option, server in (("--kafka-setting", Kafka), ("--es-setting", Elasticsearch)):
        parser.add_argument(
            option,
            dest=f"{server.name}_settings",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help=f"a setting of {server.name} itself; may be repeated",
        )
    options = parser.parse_intermixed_args(arguments)
    servers = [server(options.dir) for server in options.services]
    # A terminated start stops what it launched, as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.action == "start":
            return start(servers, options)
        return stop(servers) if options.action == "stop" else status(servers)
    except ServiceError as error:
        print(f"services: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
