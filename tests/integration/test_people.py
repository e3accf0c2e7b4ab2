"""What people say, on a real Kafka and two workers: heeded by all, and not lost with one."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bpstream.commands import cli
from tests.integration.ward import Ward, events
from tests.integration.workers import Worker, names, until, worker
from tests.stream.brokers import everything_on

pytestmark = pytest.mark.services

PATIENTS = [f"PAT-{number:03d}" for number in range(8)]


def command(asked: Worker, *words: str, status: int = 0) -> str:
    """What a command that asks this worker says."""
    done = CliRunner().invoke(cli, list(words), env={"BPSTREAM_WEB_URL": asked.url})
    assert done.exit_code == status, done.output
    return done.output


def firing(asked: Worker) -> dict[str, Any]:
    """By patient, the alert of high systolic pressure that fires.

    What the model warns of beside it lasts as long as the model says.
    """
    found = asked.get("/alerts/")
    assert "missing" not in found
    return {
        each["patient_id"]: each
        for each in found["alerts"]
        if (each["rule"], each["state"]) == ("systolic_hypertension", "firing")
    }


def test_what_people_say_is_heeded_by_every_worker_and_outlives_one(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    settings = {
        **names(unique_name),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "archive"),
        "BPSTREAM_REMIND_AFTER": "2",
    }
    ward = Ward(kafka, settings["BPSTREAM_TOPIC"], PATIENTS)
    with ExitStack() as stack:
        one, two = (stack.enter_context(worker(tmp_path, settings, name=n)) for n in ("1", "2"))
        one.ready()
        two.ready()
        until(lambda: one.partitions and two.partitions, 30, one.told)

        def told() -> str:
            return one.told() + two.told()

        def counted() -> bool:
            return bool(one.get("/status")["readings"] == ward.taken)

        # A limit that is set at one worker holds for patients of both.
        for patient_id in PATIENTS[::2]:
            words = ["--by", "Dr Ada", "--reason", "long-standing"]
            command(one, "limits", "set", patient_id, "systolic_high=160", *words)
        refused = command(two, "limits", "set", "PAT-001", "systolic_high=190", *words, status=1)
        assert "the ceiling is 180" in refused
        for _ in range(2):
            ward.take(150)
        until(counted, 30, told)
        until(lambda: set(firing(two)) == set(PATIENTS[1::2]), 10, told)
        assert all(each.get("/patients/?scope=worker")["total"] for each in (one, two))
        for asked in (one, two):
            bounds = asked.patient("PAT-000")["limits"]["bounds"]
            assert (bounds["systolic_high"]["value"], bounds["systolic_high"]["from"]) == (
                160.0,
                "patient",
            )

        # What is severe fires at once all the same; what nobody acknowledges is said again.
        ward.take(185)
        until(lambda: set(firing(one)) == set(PATIENTS), 30, told)
        first, second = (firing(one)[each]["alert_id"] for each in PATIENTS[:2])
        command(two, "alerts", "ack", first, "--by", "Ann", "--comment", "on my way")
        again = command(one, "alerts", "ack", first, "--by", "Bob", status=1)
        assert "Ann acknowledged the alert" in again
        until(lambda: any(each["repeat"] for each in events(kafka, settings, second)), 20, told)

        # Both workers are gone at once; the next one knows all that was said.
        one.kill()
        two.kill()
        three = stack.enter_context(worker(tmp_path, settings, name="3")).ready()
        until(lambda: len(three.partitions) == 4, 30, three.told)
        said = firing(three)[PATIENTS[0]]["acknowledged"]
        assert (said["by"], said["comment"]) == ("Ann", "on my way")
        assert firing(three)[PATIENTS[1]]["acknowledged"] is None
        # Nobody was reminded of it any more.
        assert [each["by"] for each in events(kafka, settings, first)][-1] == "Ann"
        history = json.loads(command(three, "alerts", "list", "--all", "--json"))["alerts"]
        told_of = {each["alert_id"]: each["by"] for each in history if each["by"]}
        assert told_of == {first: "Ann"}

        # With the alert its acknowledgement ends.
        for _ in range(2):
            ward.take(120)
        until(lambda: firing(three) == {}, 30, three.told)
        until(lambda: forgotten(kafka, settings, first), 10, three.told)


def forgotten(kafka: str, settings: dict[str, str], alert_id: str) -> bool:
    topic = settings["BPSTREAM_ACKNOWLEDGEMENTS_TOPIC"]
    records = everything_on(kafka, topic)
    values = [each.value() for each in records if each.key() == alert_id.encode()]
    return len(values) > 1 and values[-1] is None
