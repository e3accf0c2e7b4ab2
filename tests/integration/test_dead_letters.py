"""`bpstream dead-letters` on a real broker, with a real worker: found, read, and sent again."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from bpstream.commands import cli
from bpstream.simulator import Simulator
from bpstream.stream.topics import MAX_MESSAGE_BYTES
from tests.integration.workers import names, until, worker
from tests.stream.brokers import everything_on
from tests.stream.test_embedded import broker_note, demo

NOW = datetime.now(UTC)
GOOD = Simulator(patients=1, seed=5).round(datetime(2025, 6, 1, tzinfo=UTC))[0].value
AHEAD = Simulator(patients=3, seed=6).round(NOW + timedelta(hours=3))
"""Readings of three patients whose clocks are wrong, by more than is tolerated at first."""


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BPSTREAM_")]:
        monkeypatch.delenv(name)


class Letters:
    """The command, with settings."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings

    def __call__(self, *arguments: str, **changed: str) -> Result:
        return CliRunner().invoke(
            cli, ["dead-letters", *arguments], env=self.settings | changed, prog_name="bpstream"
        )

    def done(self, *arguments: str, **changed: str) -> str:
        done = self(*arguments, **changed)
        assert done.exit_code == 0, done.output
        return done.stdout

    def listed(self, *arguments: str) -> list[dict[str, object]]:
        return json.loads(self.done("list", "--json", *arguments))["letters"]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Letters and retried ones, by reason."""
        by_reason = json.loads(self.done("list", "--json", "--limit", "0"))["by_reason"]
        return {each["reason"]: (each["letters"], each["retried"]) for each in by_reason}


@pytest.fixture
def settings(kafka: str, unique_name: Callable[[str], str]) -> dict[str, str]:
    return {**names(unique_name), "BPSTREAM_BROKER": f"kafka://{kafka}"}


@pytest.fixture
def letters(settings: dict[str, str], tmp_path: Path) -> Letters:
    return Letters({**settings, "BPSTREAM_DATA_DIR": str(tmp_path)})


def send(settings: dict[str, str], *messages: tuple[bytes | None, bytes | None]) -> None:
    """Keys and values, all to partition 1."""
    servers = settings["BPSTREAM_BROKER"].removeprefix("kafka://")
    producer = Producer({"bootstrap.servers": servers, "message.max.bytes": 9_000_000})
    for key, value in messages:
        producer.produce(settings["BPSTREAM_TOPIC"], value, key, partition=1)
    assert producer.flush(30) == 0


@pytest.mark.services
def test_after_a_fix_each_letter_becomes_a_reading_once(
    settings: dict[str, str], letters: Letters, tmp_path: Path
) -> None:
    ahead = [(message.key.encode(), message.value) for message in AHEAD]
    with worker(tmp_path, settings) as running:
        running.ready()
        send(settings, *ahead, (b"x", b"{"), (None, b"[]"))
        until(lambda: running.get("/status")["dead_letters"] == 5, 30, running.told)
        assert running.stop() == 0

    assert letters.counts() == {
        "in_future": (3, 0),
        "invalid_json": (1, 0),
        "not_an_observation": (1, 0),
    }
    tried = letters.done("retry", "--dry-run", "--all")
    assert "3  in_future → dead letter: in_future" in tried
    fixed = {"BPSTREAM_MAX_SKEW": str(4 * 3600)}
    tried = letters.done("retry", "--dry-run", "--all", **fixed)
    assert "3  in_future → reading" in tried
    assert "1  invalid_json → dead letter: invalid_json" in tried
    assert tried.endswith("nothing was sent\n")
    assert len(everything_on(*at(settings, "TOPIC"))) == 5

    with worker(tmp_path, settings | fixed) as running:
        running.ready()
        # The command need not know the worker's settings to send.
        said = letters.done("retry", "--reason", "in_future")
        assert said == f"3 retried: on {settings['BPSTREAM_TOPIC']} again\n"
        until(lambda: running.get("/status")["readings"] == 3, 30, running.told)
        for again in (["--reason", "in_future"], ["1:0:0", "1:1:0"]):
            said = letters.done("retry", *again)
            assert said.startswith("0 retried: ")
            assert re.search(r"^\d retried before: not sent again$", said, re.M)
        for key, _ in ahead:
            assert running.patient(key.decode())["readings"] == 1
        assert running.get("/status")["dead_letters"] == 0
        assert running.stop() == 0

    sent = everything_on(*at(settings, "TOPIC"))
    retried = [message for message in sent if message.headers()]
    assert len(sent) == 5 + 3
    assert sorted((each.key(), each.value()) for each in retried) == sorted(ahead)
    assert {dict(each.headers())["retried"] for each in retried} == {b"1:0:0", b"1:1:0", b"1:2:0"}
    assert letters.counts()["in_future"] == (3, 3)
    assert {each["id"]: each["retried"] is not None for each in letters.listed()} == {
        "1:0:0": True,
        "1:1:0": True,
        "1:2:0": True,
        "1:3:0": False,
        "1:4:0": False,
    }


@pytest.mark.services
def test_what_still_cannot_be_used_becomes_a_new_letter(
    settings: dict[str, str], letters: Letters, tmp_path: Path
) -> None:
    entry = {"resource": {"resourceType": "Observation", **json.loads(GOOD), "status": "?"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": {}}, entry]}
    with worker(tmp_path, settings) as running:
        running.ready()
        send(settings, (b"x", b"{"), (b"y", None), (b"z", json.dumps(bundle).encode()))
        until(lambda: running.get("/status")["dead_letters"] == 4, 30, running.told)
        before = {each["id"] for each in letters.listed()}
        assert before == {"1:0:0", "1:1:0", "1:2:0", "1:2:1"}
        assert letters.done("retry", "--all").startswith("4 retried: ")
        until(lambda: running.get("/status")["dead_letters"] == 8, 30, running.told)
        assert running.stop() == 0
    after = letters.listed()
    assert Counter(each["reason"] for each in after) == {
        "invalid_json": 2,
        "empty_message": 2,
        "not_an_observation": 2,
        "invalid_status": 2,
    }
    assert {each["id"] for each in after if each["retried"]} == before
    # An entry of a Bundle goes its way alone.
    again = [message for message in everything_on(*at(settings, "TOPIC")) if message.headers()]
    (alone,) = (each for each in again if b"performer" in (each.value() or b""))
    assert json.loads(alone.value()) == entry["resource"]


@pytest.mark.services
def test_a_letter_is_shown_whole_and_listed_without_its_pressures(
    settings: dict[str, str], letters: Letters, tmp_path: Path
) -> None:
    absurd = GOOD.replace(b'"value":', b'"value":777.5,"was":')
    rubbish = b'\x1b[2J{"resourceType":\xff"\xc2\x9b'
    with worker(tmp_path, settings) as running:
        running.ready()
        send(settings, (b"PAT-001", absurd), (b"\x1b]0;x\x07", rubbish))
        until(lambda: running.get("/status")["dead_letters"] == 2, 30, running.told)
        assert running.stop() == 0
    table = letters.done("list")
    assert "777.5" not in table
    assert "777.5" not in letters.done("list", "--json")
    assert re.search(r"^1:0:0 .* out_of_range .* PAT-001 .*###", table, re.M)
    assert re.search(r"^out_of_range +1 +0$", table, re.M)
    whole = letters.done("show", "1:0:0")
    assert '      "valueQuantity": {\n        "value": 777.5,' in whole
    for name, value in [("reason", "out_of_range"), ("key", "PAT-001"), ("retried", "no")]:
        assert re.search(rf"^{name} +{value}$", whole, re.M)
    for text in (table, letters.done("show", "1:1:0")):
        assert all(each.isprintable() for each in text.replace("\n", ""))
        assert r"\x1b]0;x\x07" in text
    assert r"\x1b[2J{" in letters.done("show", "1:1:0")


@pytest.mark.services
def test_a_letter_of_which_only_the_head_was_kept_is_told_and_not_sent(
    settings: dict[str, str], letters: Letters, tmp_path: Path
) -> None:
    large = b"x" * (MAX_MESSAGE_BYTES - 120)
    with worker(tmp_path, settings) as running:
        running.ready()
        send(settings, (None, large))
        until(lambda: running.get("/status")["dead_letters"] == 1, 60, running.told)
        assert running.stop() == 0
    (letter,) = letters.listed()
    assert letter["truncated"] == len(large)
    assert f"the head of {len(large)} bytes" in letters.done("show", "1:0:0")
    assert "→ not sent: only the head of it was kept" in letters.done("retry", "--dry-run", "--all")
    done = letters("retry", "1:0:0")
    assert done.exit_code == 1
    assert "1 not retried: only the head of it was kept" in done.stdout
    assert letters("retry", "--all").exit_code == 0
    assert len(everything_on(*at(settings, "TOPIC"))) == 1


def test_the_letters_of_a_running_demo_are_found_and_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with demo(tmp_path, BPSTREAM_SIMULATE="0") as running:
        letters = Letters({"BPSTREAM_DATA_DIR": str(tmp_path / "demo")})
        done = letters("list")
        assert done.exit_code == 1
        assert "there is no topic blood_pressure_dead_letter" in done.stderr
        settings = {
            "BPSTREAM_BROKER": broker_note(running).read_text().strip(),
            "BPSTREAM_TOPIC": "blood_pressure_fhir",
        }
        send(settings, (b"x", b"{"))
        until(lambda: running.get("/status")["dead_letters"] == 1, 30, running.told)
        assert [each["id"] for each in letters.listed()] == ["1:0:0"]
        assert letters.done("retry", "--all").startswith("1 retried: ")
        until(lambda: running.get("/status")["dead_letters"] == 2, 30, running.told)
        assert len(letters.listed()) == 2
        assert letters.counts() == {"invalid_json": (2, 1)}


def at(settings: dict[str, str], name: str) -> tuple[str, str]:
    """A broker and a topic of it, by the setting that names it."""
    return settings["BPSTREAM_BROKER"].removeprefix("kafka://"), settings[f"BPSTREAM_{name}"]
