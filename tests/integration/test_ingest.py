"""Ingest and replay on a real Kafka, with a worker, and on the embedded broker."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bpstream.commands import cli
from bpstream.patients import RECENT
from bpstream.simulator import Simulator
from tests.fhir.messages import a_bundle, an_observation, at
from tests.integration.workers import Worker, names, until, worker
from tests.stream.brokers import everything_on, make_topic

SAMPLES = Path(__file__).parents[1] / "samples"
SHARED = Path(__file__).parents[3] / "shared" / "fhir"
_FATES = {"quarantine": "rejected", "retract": "retraction", "ignore": "ignored"}


def run(settings: dict[str, str], *arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)], env=settings, prog_name="bpstream")


def documents_of(data: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The documents of a worker's data folder, each with the store that holds it."""
    index = sqlite3.connect(data / "index.sqlite")
    for (body,) in index.execute("SELECT body FROM documents"):
        yield "index", json.loads(body)
    index.close()
    for path in (data / "archive").rglob("*.jsonl*"):
        lines = path.read_bytes()
        for line in (gzip.decompress(lines) if path.suffix == ".gz" else lines).splitlines():
            yield "archive", json.loads(line)


def expected_of(folder: Path) -> dict[str, Any]:
    """Fate and readings by the name of the file."""
    if folder == SAMPLES:
        return dict(json.loads((folder / "expected.json").read_bytes()))
    rows = json.loads((folder / "EXPECTED.json").read_bytes())
    del rows["r11_uscore_bp.json"]  # It has the patient and the id of another: a version of it.
    return {name: _retold(name, row) for name, row in rows.items()}


def _retold(name: str, row: dict[str, Any]) -> dict[str, Any]:
    readings = [
        {
            # In this Bundle is the Patient, and so the urn is resolved.
            "patient": each["patient"]
            .removeprefix("Patient/")
            .removeprefix("urn:uuid:" if name.startswith("r33") else "Patient/"),
            "effective": each["effective"],
            "systolic": each["sbp"],
            "diastolic": each["dbp"],
        }
        for each in row["readings"]
    ]
    return {"fate": _FATES.get(row["disposition"], row["disposition"]), "readings": readings}


def brief(
    patient: str, taken_at: str, systolic: float | None, diastolic: float | None
) -> tuple[object, ...]:
    """What is compared of a reading."""
    numbers = (None if each is None else round(each, 1) for each in (systolic, diastolic))
    return (patient, at(taken_at), *numbers)


@pytest.mark.services
@pytest.mark.parametrize(
    "folder",
    [
        SAMPLES,
        pytest.param(
            SHARED, marks=pytest.mark.skipif(not SHARED.is_dir(), reason="they are not here")
        ),
    ],
    ids=["samples", "shared samples"],
)
def test_a_corpus_ends_where_it_should(
    folder: Path, kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    settings = names(unique_name) | {
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_DATA_DIR": str(tmp_path / "worker"),
    }
    expected = expected_of(folder)
    readings = [each for row in expected.values() for each in row["readings"]]
    with worker(tmp_path, settings) as running:
        running.ready()
        done = run(settings, "ingest", *(folder / name for name in sorted(expected)))
        assert done.exit_code == 0, done.output
        until(lambda: len(list(documents_of(tmp_path / "worker"))) >= len(readings), 60)
        until(lambda: running.get("/status")["lag"] == 0, 60, running.told)
        found = list(documents_of(tmp_path / "worker"))
        assert running.stop() == 0

    stored = Counter(
        brief(
            each["patient_id"],
            each["timestamp"],
            each["systolic_pressure"],
            each["diastolic_pressure"],
        )
        for _, each in found
    )
    assert stored == Counter(
        brief(
            each["patient"],
            each["effective"].rpartition("/")[2],
            each["systolic"],
            each["diastolic"],
        )
        for each in readings
    )
    for store, each in found:
        assert (store == "index") == (each["anomaly_type"] not in {"normal", None})
    reasons = Counter(
        dict(letter.headers())["reason"].decode()
        for letter in everything_on(kafka, settings["BPSTREAM_DEAD_LETTER_TOPIC"])
    )
    rejected = [row for row in expected.values() if row["fate"] == "rejected"]
    assert sum(reasons[each] for each in reasons if "retraction" not in each) == len(rejected)
    assert all(reasons[row["reason"]] for row in rejected if "reason" in row)


def a_file(path: Path, lines: int) -> Path:
    """Lines which are numbers of one length, so that each is known again."""
    path.write_bytes(b"".join(b"%07d\n" % number for number in range(lines)))
    return path


def started(settings: dict[str, str], *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "bpstream", "ingest", *map(str, arguments)],
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def confirmed(data: Path) -> int:
    """Lines that are written down as sent."""
    if not (data / "ingest.sqlite").exists():
        return 0
    journal = sqlite3.connect(data / "ingest.sqlite")
    try:
        return int(journal.execute("SELECT coalesce(sum(done), 0) FROM sent").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        journal.close()


@pytest.mark.services
@pytest.mark.parametrize(
    ("sign", "status"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)],
    ids=["kill -9", "Ctrl-C"],
)
def test_a_call_that_was_ended_is_gone_on_with(
    sign: int, status: int, kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    topic, lines = make_topic(kafka, unique_name("fhir")), 100_000
    settings = {
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_TOPIC": topic,
        "BPSTREAM_DATA_DIR": str(tmp_path / "data"),
    }
    path = a_file(tmp_path / "a.ndjson", lines)
    first = started(settings, path, "--rate", 10_000)
    until(lambda: confirmed(tmp_path / "data") > 0, 30)
    first.send_signal(sign)
    first.communicate(timeout=30)
    assert first.returncode == status
    known = confirmed(tmp_path / "data")
    assert 0 < known < lines

    second = run(settings, "ingest", path)
    assert second.exit_code == 0, second.output
    assert f"sent {lines - known} messages of 1 file to {topic}" in second.stdout
    found = Counter(int(message.value()) for message in everything_on(kafka, topic))
    assert found.keys() == set(range(lines))
    again = [number for number, times in found.items() if times > 1]
    # Killed: a second's worth at that rate, and what one flush may wait for.  Interrupted: what
    # was handed over and not yet noted.
    assert len(again) <= (1 if sign == signal.SIGINT else 30_000)
    assert all(number >= known for number in again)

    third = run(settings, "ingest", path)
    assert "sent 0 messages of 0 files" in third.stdout
    assert "1 file sent by an earlier call left out" in third.stdout
    other = run(settings, "ingest", path, "--no-resume")
    assert f"sent {lines} messages of 1 file" in other.stdout


@pytest.mark.services
def test_a_topic_that_is_not_there_is_told(kafka: str, unique_name: Callable[[str], str]) -> None:
    settings = {"BPSTREAM_BROKER": f"kafka://{kafka}", "BPSTREAM_TOPIC": unique_name("none")}
    done = run(settings, "ingest", SAMPLES)
    assert done.exit_code == 1
    assert f"has no topic {settings['BPSTREAM_TOPIC']} (BPSTREAM_TOPIC)" in done.stderr


@pytest.mark.services
def test_a_topic_that_takes_little_gets_a_bundle_in_parts(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    config = {"max.message.bytes": "20000"}
    topic = make_topic(kafka, unique_name("fhir"), config=config)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(a_bundle(*(an_observation(id=f"o{n}") for n in range(100)))))
    settings = {
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_TOPIC": topic,
        "BPSTREAM_DATA_DIR": str(tmp_path / "data"),
    }
    done = run(settings, "ingest", path)
    assert done.exit_code == 0, done.output
    found = [json.loads(message.value())["id"] for message in everything_on(kafka, topic)]
    assert sorted(found) == sorted(f"o{n}" for n in range(100))


@pytest.mark.services
def test_what_is_replayed_becomes_the_same_documents_once(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    def a_worker(name: str) -> dict[str, str]:
        return names(unique_name) | {
            "BPSTREAM_BROKER": f"kafka://{kafka}",
            "BPSTREAM_DATA_DIR": str(tmp_path / name),
            "BPSTREAM_ARCHIVE_READINGS": "all",
        }

    def archived(name: str) -> list[dict[str, Any]]:
        found = [each for store, each in documents_of(tmp_path / name) if store == "archive"]
        return sorted(found, key=lambda each: each["document_id"])

    simulator = Simulator(patients=40, seed=9)
    path = tmp_path / "a.ndjson"
    rounds = [simulator.round(datetime(2026, 1, day, tzinfo=UTC)) for day in range(1, 9)]
    path.write_bytes(b"\n".join(message.value for each in rounds for message in each))
    one = a_worker("one")
    with worker(tmp_path, one, name="one") as running:
        running.ready()
        assert run(one, "ingest", path).exit_code == 0
        until(lambda: len(archived("one")) == 320, 60, running.told)
        assert running.stop() == 0

    other = a_worker("other")
    replay = [*("replay", "--since", "2026-01-02"), *("--until", "2026-01-04T00:00:00Z")]
    with worker(tmp_path, other, name="other") as running:
        running.ready()
        archive = {**other, "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "one" / "archive")}
        counted = run(archive, "replay", "--patient", "PAT-007", "--dry-run")
        assert counted.stdout == "8 readings to send; nothing was sent\n"
        done = run(archive, *replay, "--patient", "PAT-001", "--patient", "PAT-002")
        assert done.stdout == f"4 readings sent to {other['BPSTREAM_TOPIC']}\n", done.output
        until(lambda: len(archived("other")) == 4, 60, running.told)
        for _ in range(2):
            assert run(archive, "replay").exit_code == 0
        until(lambda: len(archived("other")) == 320, 60, running.told)
        until(lambda: running.get("/status")["lag"] == 0, 60, running.told)
        assert running.patient("PAT-007")["readings"] == 8
        assert running.stop() == 0
    # Of two patients the readings came in another order: what is told of their next is another.
    ahead = {"early_warning": None, "early_warning_reasons": None}
    of_arrival = {"kafka": None, "ingested_at": None}
    ones, others = (
        [
            each | of_arrival | (ahead if each["patient_id"] in ("PAT-001", "PAT-002") else {})
            for each in archived(name)
        ]
        for name in ("one", "other")
    )
    assert others == ones


def test_what_the_embedded_broker_cannot_keep_is_ingested_whole_and_replayed_without_effect(
    tmp_path: Path,
) -> None:
    readings, note = 6000, [{"text": "x" * 10_000}]
    path = tmp_path / "a.ndjson"
    with path.open("w") as file:
        for number in range(readings):
            # Half of the patients are not found by a look: their readings go home.
            reference = {"reference": f"Patient/p{number % 300}"}
            subject = reference if number % 2 else {"display": "a patient", **reference}
            changes = {"id": f"o{number}", "subject": subject, "note": note}
            file.write(json.dumps(an_observation(**changes)) + "\n")
    assert path.stat().st_size > 60_000_000
    demo = Worker(tmp_path, {}, name="demo")
    demo.start(sys.executable, "-m", "bpstream", "demo", "--patients", "0")
    try:
        demo.ready()
        done = run(demo.environ, "ingest", path)
        assert done.exit_code == 0, done.output
        until(lambda: demo.get("/status")["readings"] >= readings, 60, demo.told)
        assert demo.get("/status")["readings"] == readings
        found = list(documents_of(tmp_path / "demo"))
        assert len({each["document_id"] for _, each in found}) == readings
        # Each patient has more readings than the worker knows by themselves.
        assert demo.patient("p7")["readings"] > RECENT
        done = run(demo.environ, "replay")
        assert done.stdout == f"{readings} readings sent to blood_pressure_fhir\n", done.output
        until(lambda: demo.get("/status")["lag"] == 0, 30, demo.told)
        assert demo.get("/status")["readings"] == readings
        assert list(documents_of(tmp_path / "demo")) == found
    finally:
        assert demo.stop() == 0
