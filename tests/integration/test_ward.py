"""Alarms that no single reading tells, on two workers: of the ward, and of a patient's silence."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from bpstream.stream.partitioner import partition_of
from tests.integration.workers import Worker, names, until, worker
from tests.stream.brokers import everything_on, partitions_of

pytestmark = pytest.mark.services

PARTITIONS = 4
RULES = """
[[rule]]
name = "stale"
title = "No reading"
kind = "technical"
severity = "low"
when = "silence >= 0.15 and missed >= 4"

[[rule]]
name = "spike"
title = "Many anomalies"
severity = "medium"
when = "anomalies > 20"
within = "30 s"
"""


def observation(patient: str, *, systolic: int, ago: float = 0.0) -> bytes:
    taken_at = datetime.now(UTC) - timedelta(seconds=ago)
    return json.dumps(
        {
            "resourceType": "Observation",
            "id": f"{patient}-{taken_at.timestamp():.3f}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
            "subject": {"reference": f"Patient/{patient}"},
            "effectiveDateTime": taken_at.isoformat(),
            "component": [
                {
                    "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                    "valueQuantity": {"value": value, "unit": "mmHg", "code": "mm[Hg]"},
                }
                for code, value in (("8480-6", systolic), ("8462-4", 80))
            ],
        }
    ).encode()


def patients(partitions: list[int], count: int) -> list[str]:
    """So many patients whose home is in one of the partitions."""
    every = (f"p{nth}" for nth in range(1000))
    return [who for who in every if partition_of(who.encode(), PARTITIONS) in partitions][:count]


def test_the_ward_and_the_silent_are_told_once_whoever_counts_looks_or_dies(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    settings = {
        **names(unique_name),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_PARTITIONS": str(PARTITIONS),
        "BPSTREAM_ALARM_RULES": str(rules),
        "BPSTREAM_MODEL": "bp_additive",
        "BPSTREAM_ARCHIVE_DIR": str(tmp_path / "archive"),
    }
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2"})

    def send(patient: str, **reading: Any) -> None:
        producer.produce(settings["BPSTREAM_TOPIC"], observation(patient, **reading), patient)
        producer.flush()

    def alerts(rule: str) -> list[tuple[str, str]]:
        topic = settings["BPSTREAM_ALERTS_TOPIC"]
        if topic not in partitions_of(kafka):
            return []
        found = [json.loads(each.value() or b"") for each in everything_on(kafka, topic)]
        return [(each["state"], each["alert_id"]) for each in found if each["rule"] == rule]

    with ExitStack() as stack:
        one, two = (
            stack.enter_context(worker(tmp_path, settings, name=name)) for name in ("one", "two")
        )
        one.ready()
        two.ready()
        until(lambda: one.partitions and two.partitions, 60, lambda: one.told() + two.told())

        # Neither worker has more than 20 of its own.
        for each in (one, two):
            for patient in patients(each.partitions, 12):
                send(patient, systolic=150)
        (silent,) = patients([0], 1)
        for ago in (4.0, 3.0, 2.0, 1.0, 0.0):
            send(silent, systolic=120, ago=ago)
        until(lambda: alerts("spike") and alerts("stale"), 60, lambda: one.told() + two.told())
        (told,) = alerts("spike")
        for each in (one, two):
            assert told[1] in {alert["alert_id"] for alert in each.get("/alerts/")["alerts"]}

        judge, other = (one, two) if 0 in one.partitions else (two, one)
        judge.kill()
        until(lambda: owns_all(other), 60, other.told)
        send(silent, systolic=120)
        until(lambda: len(alerts("spike")) > 1 and len(alerts("stale")) > 1, 90, other.told)

    for rule in ("spike", "stale"):
        (fired, first), (recovered, last) = alerts(rule)[:2]
        assert (fired, recovered, first) == ("firing", "recovered", last)
    assert len(alerts("spike")) == 2


def owns_all(asked: Worker) -> bool:
    return asked.status("/health/ready") == 200 and len(asked.partitions) == PARTITIONS
