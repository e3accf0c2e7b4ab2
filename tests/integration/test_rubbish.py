"""Rubbish on the topic: each is one dead letter with its reason, and the next reading goes on."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest
from confluent_kafka import Producer

from bpstream.simulator import Simulator
from bpstream.stream.topics import MAX_MESSAGE_BYTES
from tests.faults.stored import letters
from tests.integration.workers import Worker, names, until, worker

pytestmark = pytest.mark.services

GOOD = Simulator(patients=1, seed=5).round(datetime(2025, 6, 1, tzinfo=UTC))[0].value
NOISE = b"\x00" + os.urandom(5_000_000)

RUBBISH = {
    "truncated JSON": (GOOD[:200], "invalid_json"),
    "an empty message": (b"", "empty_message"),
    "a tombstone": (None, "empty_message"),
    "a Patient": (b'{"resourceType":"Patient","id":"x"}', "not_an_observation"),
    "5 MB of noise": (NOISE, "invalid_json"),
    "invalid UTF-8": (b'{"resourceType":"\xff\xfe"}', "invalid_json"),
    "NaN": (b"NaN", "invalid_json"),
    "nested 100,000 deep": (b"[" * 100_000, "too_deep"),
    "a reading of the year 2099": (GOOD.replace(b"2025", b"2099"), "in_future"),
    "a pressure of 0": (GOOD.replace(b'"value":', b'"value":0, "was":'), "out_of_range"),
}


def test_rubbish_is_a_dead_letter_as_it_came_and_the_next_reading_is_processed(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    settings = {**names(unique_name), "BPSTREAM_BROKER": f"kafka://{kafka}"}
    topic, count = settings["BPSTREAM_TOPIC"], len(RUBBISH)
    with worker(tmp_path, settings) as running:
        running.ready()
        producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 8_000_000})
        for name, (value, _) in RUBBISH.items():
            producer.produce(topic, value, name.encode(), partition=2)
        producer.produce(topic, GOOD, b"PAT-001", partition=2)
        assert producer.flush(30) == 0

        until(lambda: running.status("/patients/PAT-001/") == 200, 30, running.told)
        found = list(letters(kafka, settings["BPSTREAM_DEAD_LETTER_TOPIC"]))
        assert len(found) == count
        for key, value, headers in found:
            sent, reason = RUBBISH[key.decode()]
            assert (value, headers["reason"]) == (sent, reason)
            assert headers["topic"] == topic
            place = list(RUBBISH).index(key.decode())
            assert (headers["partition"], headers["offset"]) == ("2", str(place))
            assert datetime.fromisoformat(headers["time"]).tzinfo is not None
            assert headers["path"]
            assert headers["found"]
        assert running.get("/status")["dead_letters"] == count
        assert counted(running) == sorted(reason for _, reason in RUBBISH.values())
        assert running.stop() == 0


def test_an_observation_too_large_for_the_way_home_is_a_dead_letter(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    settings = {**names(unique_name), "BPSTREAM_BROKER": f"kafka://{kafka}"}
    note = b',"note":[{"text":""}]}'
    # It just fits the topic, without a key and a header.
    room = MAX_MESSAGE_BYTES - 100 - len(GOOD) - len(note) + 1
    large = GOOD[:-1] + note.replace(b'""', b'"' + b"x" * room + b'"')
    with worker(tmp_path, settings) as running:
        running.ready()
        producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 9_000_000})
        for partition in range(4):  # In three of them the patient is not at home.
            producer.produce(settings["BPSTREAM_TOPIC"], large, partition=partition)
        assert producer.flush(30) == 0
        until(lambda: running.get("/status")["dead_letters"] == 3, 60, running.told)
        found = list(letters(kafka, settings["BPSTREAM_DEAD_LETTER_TOPIC"]))
        assert {headers["reason"] for _, _, headers in found} == {"too_large_to_rekey"}
        assert {headers["truncated"] for _, _, headers in found} == {str(len(large))}
        assert running.patient("PAT-001")["readings"] == 1
        assert running.stop() == 0


def counted(running: Worker) -> list[str]:
    """The reason of every dead letter, as /metrics counts them."""
    with urlopen(running.url + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    start = 'bpstream_inputs_total{fate="dead_letter",reason="'
    reasons = []
    for line in lines:
        if line.startswith(start):
            reason, _, count = line.removeprefix(start).partition('"} ')
            reasons += [reason] * int(float(count))
    return sorted(reasons)
