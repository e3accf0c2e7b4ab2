"""What a worker cannot survive: it ends with a status, and a last line that says why."""

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree
from threading import Thread

import pytest
from confluent_kafka import Producer

from bpstream.resources import shipped
from bpstream.stream.partitioner import partition_of
from tests.faults.loads import messages, send_keyed
from tests.integration.workers import Worker, names, until, worker
from tests.stream.brokers import make_topic

ENDS_WITHIN = 30.0


def ended(running: Worker) -> tuple[int, str]:
    """The exit status of a worker that ends by itself, and its last line."""
    assert running.process is not None
    status = running.process.wait(ENDS_WITHIN)
    return status, running.log.read_text().splitlines()[-1]


def demo(folder: Path, **settings: str) -> Worker:
    """A worker with a broker of its own."""
    return Worker(folder, settings).start(sys.executable, "-m", "bpstream", "demo")


# What waiting would not mend: exit status 1 (2 where a setting is wrong), and a last line.


@pytest.mark.parametrize("layout", ["segments", "files"])
def test_an_archive_that_is_no_folder_ends_the_worker_and_is_named(tmp_path, layout):
    (tmp_path / "in-the-way").write_text("")
    folder = str(tmp_path / "in-the-way" / "archive")
    running = demo(tmp_path, BPSTREAM_ARCHIVE_DIR=folder, BPSTREAM_ARCHIVE_LAYOUT=layout)
    status, last = ended(running)
    assert status == 1
    assert last.startswith("bpstream: ")
    assert folder in last


def test_a_data_folder_that_cannot_be_made_ends_the_worker_and_is_named(tmp_path):
    (tmp_path / "in-the-way").write_text("")
    status, last = ended(demo(tmp_path, BPSTREAM_DATA_DIR=str(tmp_path / "in-the-way" / "var")))
    assert status == 1
    assert last.startswith("bpstream: BPSTREAM_DATA_DIR cannot be written")
    assert str(tmp_path / "in-the-way") in last


def test_a_port_in_use_ends_the_worker_and_is_named_with_its_setting(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, last = ended(demo(tmp_path, BPSTREAM_WEB_PORT=port))
    assert status == 1
    assert last.startswith(f"bpstream: the web server cannot listen on 127.0.0.1:{port}")
    assert "BPSTREAM_WEB_PORT" in last


def test_a_damaged_model_ends_the_worker_and_is_named(tmp_path):
    folder = copytree(shipped("models") / "bp_additive", tmp_path / "model")
    model = folder / "model.json"
    model.write_bytes(model.read_bytes().replace(b"0", b"1", 1))
    status, last = ended(demo(tmp_path, BPSTREAM_MODEL=str(folder)))
    assert status == 1
    assert last.startswith(f"bpstream: {model} has SHA-256")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("BPSTREAM_TOPICS", "x", "BPSTREAM_TOPICS is not a setting; did you mean BPSTREAM_TOPIC?"),
        ("BPSTREAM_PARTITIONS", "0", "BPSTREAM_PARTITIONS must be a whole number of at least 1"),
        ("BPSTREAM_WEB_HOST", "0.0.0.0", "set BPSTREAM_WEB_TOKEN as well"),
    ],
)
def test_a_wrong_setting_ends_the_worker_with_the_status_of_wrong_usage(
    tmp_path, name, value, told
):
    status, last = ended(Worker(tmp_path, {name: value}).start())
    assert status == 2
    assert told in last


def test_fausts_own_option_opens_no_door_that_the_setting_would_not(tmp_path):
    faust = str(Path(sys.executable).with_name("faust"))
    running = Worker(tmp_path, {})
    running.start(faust, "-A", "bpstream", "worker", "--web-bind", "0.0.0.0")
    status, last = ended(running)
    assert status == 1
    assert "set BPSTREAM_WEB_TOKEN as well" in last


BROKEN_INDEX = """
import os
from bpstream.settings import Settings
from bpstream.sinks.local import LocalIndex
from bpstream.stream.app import App
from bpstream.stream.embedded import EmbeddedBroker
from bpstream.stream.sinks import local_index
from bpstream.stream.worker import Worker

class BrokenIndex(LocalIndex):
    async def write(self, entries):
        raise RuntimeError("out of luck")

class BrokenApp(App):
    new_index = staticmethod(lambda settings: BrokenIndex(local_index(settings)))

with EmbeddedBroker() as broker:
    settings = Settings.from_env({**os.environ, "BPSTREAM_BROKER": f"kafka://{broker.address}"})
    app = BrokenApp(settings, embedded_run=broker.run)
    Worker(app, loglevel="INFO", quiet=True).execute_from_commandline()
"""


def test_an_error_nobody_expected_ends_the_worker_loudly(tmp_path):
    running = Worker(tmp_path, {"BPSTREAM_SIMULATE": "50", "BPSTREAM_SIMULATE_INTERVAL": "0.2"})
    status, last = ended(running.start(sys.executable, "-c", BROKEN_INDEX))
    assert status == 1
    assert last == (
        "bpstream: stopped by an unexpected error, RuntimeError: out of luck; see the log above"
    )
    log = running.log.read_text()
    assert log.count("ERROR   an unexpected error") == log.count("RuntimeError: out of luck\n") == 1


class Refuses(BaseHTTPRequestHandler):
    """Elasticsearch, as it answers a user it does not let in."""

    def do_GET(self) -> None:
        body = (
            b'{"error": {"type": "security_exception", '
            b'"reason": "unable to authenticate user [bp]"}, "status": 401}'
        )
        self.send_response(401)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_elasticsearch_that_refuses_the_password_ends_the_worker_which_keeps_the_secret(
    tmp_path, refusing
):
    running = demo(
        tmp_path,
        BPSTREAM_ELASTICSEARCH_URL=refusing,
        BPSTREAM_ELASTICSEARCH_USERNAME="bp",
        BPSTREAM_ELASTICSEARCH_PASSWORD="s3cret",
    )
    status, last = ended(running)
    assert status == 1
    assert last.startswith(f"bpstream: {refusing} refused the user 'bp'")
    assert "unable to authenticate" in last
    assert "s3cret" not in running.log.read_text()


@pytest.mark.services
def test_a_changelog_that_cannot_be_read_ends_the_worker_and_says_what_it_found(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    settings = {**names(unique_name), "BPSTREAM_BROKER": f"kafka://{kafka}"}
    changelog = make_topic(kafka, f"{settings['BPSTREAM_APP_ID']}-patients-changelog")
    producer = Producer({"bootstrap.servers": kafka})
    number = partition_of(b"p1", 4)
    producer.produce(changelog, b"\x07 of another version", b"p1", number)
    assert producer.flush(30) == 0
    with worker(tmp_path, settings) as running:
        status, last = ended(running)
    assert status == 1
    assert last.startswith(f"bpstream: {changelog} {number} cannot be read: a patient's row has")
    assert "Traceback" not in running.log.read_text()


@pytest.mark.services
def test_the_faust_command_runs_the_worker_and_ends_it_in_order(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    settings = {**names(unique_name), "BPSTREAM_BROKER": f"kafka://{kafka}"}
    running = Worker(tmp_path, settings)
    del running.environ["BPSTREAM_WEB_PORT"]  # The option says it instead.
    faust = str(Path(sys.executable).with_name("faust"))
    running.start(faust, "-A", "bpstream", "worker", "--web-port", str(running.port))
    try:
        running.ready()
        drawn = messages(50, patients=5, seed=2)
        topic = settings["BPSTREAM_TOPIC"]
        send_keyed(kafka, topic, drawn, partitioner="murmur2_random")
        until(lambda: running.get("/status")["readings"] == 50, 30, running.told)
        assert running.stop(signal.SIGTERM, within=10) == 0
    finally:
        if not running.ended():
            running.kill()
