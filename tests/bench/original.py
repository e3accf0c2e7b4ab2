"""The original loop: one message, one decision, with the libraries a first version takes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from kafka import KafkaConsumer  # type: ignore[import-untyped]

from bpstream.resources import shipped
from tests.bench.job import Job, Patient, after
from tests.bench.peer import Meter, Task, answer

Keep = Callable[[Any, float, float, float], None]
"""Stores an Observation, given as JSON, with its pressures and its risk."""


def work(task: Task, meter: Meter, folder: Path, *, keep: Keep | None = None) -> Job:
    """Read with kafka-python, score with scikit-learn, count in a dictionary."""
    model = joblib.load(shipped("models") / "bp_logreg" / "bp_logreg.joblib")
    patients: dict[str, Patient] = {}
    consumer = KafkaConsumer(
        task.topic,
        bootstrap_servers=task.kafka,
        group_id=task.name,
        auto_offset_reset="earliest",
    )
    for seen, message in enumerate(consumer, start=1):
        meter.start()
        observation = json.loads(message.value)
        patient = observation["subject"]["reference"].removeprefix("Patient/")
        systolic, diastolic = (
            component["valueQuantity"]["value"] for component in observation["component"]
        )
        features = np.array([[systolic, diastolic]])
        model.predict(features)
        risk = float(model.predict_proba(features)[0, 1])
        patients[patient] = after(patients.get(patient, Patient()), systolic, diastolic, risk)
        if keep is not None:
            keep(observation, systolic, diastolic, risk)
        if seen == task.readings:
            break
    meter.stop()
    consumer.close()
    return Job.of(patients)


if __name__ == "__main__":
    answer(work)
