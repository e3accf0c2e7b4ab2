"""Bytewax: a dataflow whose stateful step counts, with orjson and batches of 1,000 messages."""

import math
from pathlib import Path
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from tests.bench.job import Job, Patient, after
from tests.bench.model import original_risk
from tests.bench.peer import Meter, Task, answer

Reading = tuple[float, float, float]
"""Systolic, diastolic, score."""


class Kept(DynamicSink[tuple[str, Patient]], StatelessSinkPartition[tuple[str, Patient]]):
    """Keeps the last state of each patient."""

    def __init__(self, patients: dict[str, Patient]) -> None:
        self._patients = patients

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "Kept":
        del step_id, worker_index, worker_count
        return self

    def write_batch(self, items: list[tuple[str, Patient]]) -> None:
        self._patients.update(items)


def work(task: Task, meter: Meter, folder: Path) -> Job:
    """Rules, the logistic formula and counts; no recovery store, so no state is written."""
    del folder
    model = original_risk()
    patients: dict[str, Patient] = {}

    def read(message: Any) -> tuple[str, Reading]:
        meter.start()
        observation = orjson.loads(message.value)
        systolic, diastolic = (
            component["valueQuantity"]["value"] for component in observation["component"]
        )
        logit = model.intercept + model.systolic * systolic + model.diastolic * diastolic
        patient = observation["subject"]["reference"].removeprefix("Patient/")
        return patient, (systolic, diastolic, 1 / (1 + math.exp(-logit)))

    def count(patient: Patient | None, reading: Reading) -> tuple[Patient, Patient]:
        found = after(patient or Patient(), *reading)
        return found, found

    flow = Dataflow("bench")
    source = KafkaSource([task.kafka], [task.topic], tail=False)
    readings = op.map("read", op.input("in", flow, source), read)
    op.output("out", op.stateful_map("count", readings, count), Kept(patients))
    run_main(flow)
    meter.stop()
    return Job.of(patients)


if __name__ == "__main__":
    answer(work)
