"""No framework: confluent-kafka's consumer, msgspec's typed decoding, numpy a batch."""

from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka import Consumer

from bpstream.clinical import rules
from tests.bench.job import Job, Patient
from tests.bench.model import original_risk
from tests.bench.peer import Meter, Task, answer

_BATCH = 4000


class Subject(msgspec.Struct):
    reference: str


class Quantity(msgspec.Struct):
    value: float


class Component(msgspec.Struct):
    value: Quantity = msgspec.field(name="valueQuantity")


class Observation(msgspec.Struct):
    subject: Subject
    component: tuple[Component, Component]


def work(task: Task, meter: Meter, folder: Path) -> Job:
    """Decode, then judge and count in columns; offsets are committed as librdkafka does."""
    consumer = Consumer(
        {
            "bootstrap.servers": task.kafka,
            "group.id": task.name,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([task.topic])
    decode, model = msgspec.json.Decoder(Observation).decode, original_risk()
    positions: dict[str, int] = {}
    counts = np.zeros((0, 2), np.int64)
    risks = np.zeros(0)
    seen = 0
    while seen < task.readings:
        messages = consumer.consume(_BATCH, timeout=1.0)
        if not messages:
            continue
        meter.start()
        observations = [decode(message.value()) for message in messages]
        who = np.array(
            [positions.setdefault(each.subject.reference, len(positions)) for each in observations]
        )
        systolic, diastolic = np.array(
            [[part.value.value for part in each.component] for each in observations]
        ).T
        anomaly = (
            (systolic > rules.HYPERTENSION_SYSTOLIC_ABOVE)
            | (systolic < rules.HYPOTENSION_SYSTOLIC_BELOW)
            | (diastolic > rules.HYPERTENSION_DIASTOLIC_ABOVE)
            | (diastolic < rules.HYPOTENSION_DIASTOLIC_BELOW)
        )
        risk = np.where(systolic > diastolic, model.score(systolic, diastolic), np.nan)
        missing = len(positions) - len(counts)
        counts = np.concatenate([counts, np.zeros((missing, 2), np.int64)])
        risks = np.concatenate([risks, np.full(missing, np.nan)])
        counts[:, 0] += np.bincount(who, minlength=len(positions))
        counts[:, 1] += np.bincount(who[anomaly], minlength=len(positions))
        risks[who] = risk  # Of several readings of a patient the last one stays.
        seen += len(messages)
    meter.stop()
    consumer.close()
    return Job.of(
        {
            who.removeprefix("Patient/"): Patient(*counts[at].tolist(), float(risks[at]))
            for who, at in positions.items()
        }
    )


if __name__ == "__main__":
    answer(work)
