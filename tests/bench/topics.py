"""The benchmark's topics: the same messages for every peer, and what their job should be."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any, Self
from uuid import uuid4

import numpy as np
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bpstream.simulator import Message, Simulator
from tests.bench.job import Job, NoResult, Patient, Tally, after, tags_of
from tests.bench.model import original_risk

PARTITIONS = 4
_SEED = 42
_INTERVAL = 1.0
"""Seconds between two readings of a patient."""
_SPEED = 300.0
"""Patients of the profile `patients` live five minutes meanwhile: the time between two cuffs."""
_ANSWERS_WITHIN, _DONE_WITHIN = 5.0, 60.0  # seconds


def client_of(kafka: str) -> dict[str, Any]:
    """The settings of a client of librdkafka's that does not say what its caller says."""
    return {"bootstrap.servers": kafka, "log_level": 0}


class Topics:
    """Topics of simulated readings, under names that no other run has; gone after the block."""

    def __init__(self, kafka: str) -> None:
        self.kafka = kafka
        self.prefix = f"bench-{uuid4().hex[:8]}-"
        self._admin = AdminClient(client_of(kafka))
        self._numbers = count(1)

    def __enter__(self) -> Self:
        """Raises NoResult where the broker does not answer."""
        try:
            self._admin.list_topics(timeout=_ANSWERS_WITHIN)
        except KafkaException as error:
            raise NoResult(f"Kafka does not answer at {self.kafka}: {error}") from None
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Delete them, and those the peers made."""
        names = self._admin.list_topics(timeout=_DONE_WITHIN).topics
        ours = [name for name in names if name.startswith(self.prefix)]
        for deleted in (self._admin.delete_topics(ours) if ours else {}).values():
            deleted.result(_DONE_WITHIN)

    def fill(self, readings: int, patients: int, *, profile: str = "uniform") -> tuple[str, Job]:
        """A new topic of so many readings, and what a peer that reads it should find and store.

        Each message is in the partition that murmur2 gives its patient's id.  Raises
        NoResult where Kafka did not take all of them.
        """
        topic = f"{self.prefix}{next(self._numbers)}"
        self._admin.create_topics([NewTopic(topic, PARTITIONS, -1)])[topic].result(_DONE_WITHIN)
        expected = _Expected()
        send(self.kafka, topic, map(expected.seen, simulated(readings, patients, profile)))
        return topic, expected.job()


def send(kafka: str, topic: str, messages: Iterable[Message]) -> None:
    """Send them as fast as Kafka takes them.  Raises NoResult where it did not take them all."""
    taken = sent = 0

    def delivered(error: Any, _: Any) -> None:
        nonlocal taken
        taken += error is None

    producer = Producer(
        {
            **client_of(kafka),
            "partitioner": "murmur2",
            "linger.ms": 20,
            "enable.idempotence": True,  # Else a retry may change the order.
        }
    )
    for message in messages:
        sent += 1
        while True:
            try:
                producer.produce(topic, message.value, message.key, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush(_DONE_WITHIN)
    if taken < sent:
        raise NoResult(f"{kafka} took {taken} of {sent} messages for {topic}")


class _Expected:
    """The job, done while the topic is filled."""

    def __init__(self) -> None:
        self._patients: dict[str, Patient] = {}
        self._indexed, self._archived = Tally(), Tally()
        self._model = original_risk()

    def seen(self, message: Message) -> Message:
        """Count the message, and hand it on."""
        observation = json.loads(message.value)
        patient = observation["subject"]["reference"].removeprefix("Patient/")
        systolic, diastolic = (
            component["valueQuantity"]["value"] for component in observation["component"]
        )
        score = self._model.score(np.array([systolic]), np.array([diastolic]))
        before = self._patients.get(patient, Patient())
        self._patients[patient] = after(before, systolic, diastolic, float(score[0]))
        tags = tags_of(systolic, diastolic)
        tally = self._indexed if tags else self._archived
        tally.add(patient, observation["effectiveDateTime"], systolic, diastolic, tags)
        return message

    def job(self) -> Job:
        """What was counted until now."""
        return replace(
            Job.of(self._patients), indexed=self._indexed.kept(), archived=self._archived.kept()
        )


def simulated(readings: int, patients: int, profile: str) -> Iterator[Message]:
    """The simulator's messages, the newest taken about now."""
    lasts = timedelta(seconds=readings / patients * _INTERVAL)
    simulator = Simulator(patients=patients, seed=_SEED, profile=profile, speed=_SPEED)
    stream = simulator.stream(start=datetime.now(UTC) - lasts, interval=_INTERVAL)
    return islice(stream, readings)
