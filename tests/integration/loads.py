"""Loads of simulated readings, sent in the ways that producers send."""

import random
from datetime import UTC, datetime

from confluent_kafka import Producer
from kafka import KafkaProducer

from bpstream.simulator import Message, Simulator
from tests.integration.oracle import Sent


def messages(count: int, *, patients: int, seed: int) -> list[Message]:
    simulator = Simulator(patients=patients, seed=seed)
    stream = simulator.stream(start=datetime(2025, 6, 1, tzinfo=UTC), interval=60)
    drawn = [next(stream) for _ in range(count)]
    random.Random(seed).shuffle(drawn)
    return drawn


def send_as_the_original_did(kafka: str, topic: str, drawn: list[Message]) -> list[Sent]:
    """kafka-python, without keys."""
    producer = KafkaProducer(bootstrap_servers=kafka, linger_ms=20)
    futures = [producer.send(topic, message.value) for message in drawn]
    producer.flush()
    placed = [future.get(timeout=30) for future in futures]
    producer.close()
    return [
        Sent(message.value, at.partition, at.offset)
        for message, at in zip(drawn, placed, strict=True)
    ]


def send_keyed(kafka: str, topic: str, drawn: list[Message], *, partitioner: str) -> list[Sent]:
    sent: list[Sent] = []
    producer = Producer({"bootstrap.servers": kafka, "partitioner": partitioner, "linger.ms": 20})
    for message in drawn:
        producer.produce(
            topic,
            message.value,
            message.key,
            on_delivery=lambda error, at: sent.append(
                Sent(at.value(), at.partition(), at.offset())
            ),
        )
        producer.poll(0)
    assert producer.flush(30) == 0
    return sent
