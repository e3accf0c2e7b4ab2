"""`bpstream purge` beside workers, on a real Kafka and a real Elasticsearch."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from bpstream.commands import cli
from bpstream.simulator import Message, Simulator
from tests.faults import stored
from tests.faults.loads import send_keyed
from tests.integration.workers import Worker, names, until
from tests.reconcile.house import House, counted, settled

pytestmark = pytest.mark.services

PATIENTS, STEPS = 20, 30
READINGS = PATIENTS * STEPS
"""Of each month that is sent."""
BEFORE = datetime(2025, 6, 1, 0, 15, tzinfo=UTC)
"""All of one month was taken before, and half of the next."""


@pytest.fixture
def house(kafka: str, elasticsearch: str, tmp_path: Path) -> House:
    settings = {
        **names(lambda stem: f"{stem}-{uuid4().hex[:12]}"),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_ELASTICSEARCH_URL": elasticsearch,
        "BPSTREAM_DATA_DIR": str(tmp_path / "var"),
        "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "archive"),
    }
    return House(tmp_path, kafka, settings)


@pytest.fixture
def start(house: House) -> Iterator[Callable[[], Worker]]:
    started = []

    def worker() -> Worker:
        started.append(house.worker().start())
        return started[-1].ready()

    yield worker
    for each in started:
        if not each.ended():
            each.kill()


def a_month(month: int) -> list[Message]:
    stream = Simulator(patients=PATIENTS, seed=month).stream(
        start=datetime(2025, month, 1, tzinfo=UTC), interval=60
    )
    return [next(stream) for _ in range(READINGS)]


def taken_at(message: Message) -> datetime:
    return datetime.fromisoformat(json.loads(message.value)["effectiveDateTime"])


def send(house: House, messages: list[Message]) -> None:
    send_keyed(house.kafka, house.topic, messages, partitioner="murmur2_random")


def purge(house: House, *options: str) -> str:
    done = CliRunner().invoke(
        cli,
        ["purge", "--before", BEFORE.isoformat(), *options],
        env=house.settings,
        prog_name="bpstream",
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def removed(told: str) -> int:
    return sum(map(int, re.findall(r"(?:would remove|removed) (\d+) readings", told)))


def documents(house: House) -> list[str]:
    """The times of all that is in the index and in the archive, but for tombstones."""
    of = house.settings
    indexed = stored.indexed(of["BPSTREAM_ELASTICSEARCH_URL"], of["BPSTREAM_INDEX"])
    archived = [each for each in stored.archived(house.archive) if "retracted" not in each]
    return [each["timestamp"] for each in [*indexed, *archived]]


def old(house: House) -> int:
    return sum(each < BEFORE.strftime("%Y-%m-%dT%H:%M") for each in documents(house))


def test_it_purges_beside_a_worker_that_goes_on_and_nothing_is_called_lost(house, start):
    first = start()
    may, june = a_month(5), a_month(6)
    send(house, may + june)
    settled(first, 2 * READINGS)
    assert first.stop() == 0
    second = start()  # It seals what the first has left open.
    more = a_month(7)
    send(house, more)

    are_old = [each for each in may + june if taken_at(each) < BEFORE]
    assert READINGS < len(are_old) < 2 * READINGS
    assert removed(purge(house, "--dry-run")) == len(are_old)
    told = purge(house, "--yes")
    assert removed(told) == len(are_old)
    assert f"{house.settings['BPSTREAM_INDEX']}-2025.05 whole" in told
    settled(second, 3 * READINGS)
    assert old(house) == 0
    assert len(documents(house)) == 3 * READINGS - len(are_old)

    # Everything is there but for what was purged, nothing is mended, and counters are as before.
    status, found = house.told("--repair")
    assert (status, found["differences"], found["purged"]) == (0, [], len(are_old))
    assert found["counters_of_what_was_purged"] == 0
    assert (found["repaired"]["indexed"], found["repaired"]["archived"]) == (0, 0)
    assert (old(house), counted(second)) == (0, 3 * READINGS)

    # What was purged, and is long forgotten, is corrected, taken back, and sent once more.
    corrected, taken_back, resent = are_old[0], are_old[PATIENTS + 1], are_old[2]
    send(
        house,
        [changed(corrected, "corrected"), changed(taken_back, "entered-in-error"), resent],
    )
    until(
        lambda: second.metric("bpstream_inputs_total", reason="unknown_retraction") == 1,
        30,
        second.told,
    )
    settled(second, 3 * READINGS + 2)
    # Two are stored, and counted, as what nobody knows; they are the next purge's.
    assert (old(house), counted(second)) == (2, 3 * READINGS + 2)
    assert second.status("/health/ready") == 200
    assert house.differences() == {}
    assert second.stop() == 0


def changed(message: Message, status: str) -> Message:
    """A later version of it."""
    observation = json.loads(message.value)
    observation["status"] = status
    meta = observation.setdefault("meta", {})
    meta["versionId"] = str(int(meta.get("versionId", "0")) + 1)
    return message._replace(value=json.dumps(observation).encode())


def test_a_demo_goes_on_while_its_local_index_is_purged(tmp_path):
    house = House(tmp_path, "", {"BPSTREAM_DATA_DIR": str(tmp_path / "var")})
    house.settings["BPSTREAM_ARCHIVE_DIR"] = str(tmp_path / "var" / "archive")
    demo = (sys.executable, "-m", "bpstream", "demo", "--patients", "20", "--interval", "0.1")
    running = house.worker().start(*demo)
    try:
        running.ready()
        until(lambda: running.get("/status")["readings"] > 100, 60, running.told)
        now = datetime.now(UTC) - timedelta(seconds=0.5)
        done = CliRunner().invoke(
            cli, ["purge", "--before", now.isoformat(), "--yes"], env=house.settings
        )
        assert done.exit_code == 0, done.output
        assert "an open segment: its worker seals it by" in done.stdout
        at = running.get("/status")["readings"]
        until(lambda: running.get("/status")["readings"] > at + 50, 60, running.told)
        assert running.status("/health/ready") == 200
        assert house.differences() == {}
        assert running.stop() == 0
    finally:
        if not running.ended():
            running.kill()
