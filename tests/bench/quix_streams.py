"""Quix Streams: a StreamingDataFrame, one message at a time, counts in its state."""

import math
from pathlib import Path
from typing import Any

from quixstreams import Application

from tests.bench.job import Job, Patient, after
from tests.bench.model import original_risk
from tests.bench.peer import Meter, Task, answer


def work(task: Task, meter: Meter, folder: Path) -> Job:
    """Rules, the logistic formula and counts; the state is RocksDB's, with a changelog topic."""
    app = Application(
        broker_address=task.kafka,
        consumer_group=task.name,
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="WARNING",
    )
    model = original_risk()
    # What the state holds at the end is read here: Quix gives it to handlers only.
    patients: dict[str, Patient] = {}

    def classify(observation: Any, state: Any) -> Any:
        meter.start()
        patient = observation["subject"]["reference"].removeprefix("Patient/")
        systolic, diastolic = (
            component["valueQuantity"]["value"] for component in observation["component"]
        )
        logit = model.intercept + model.systolic * systolic + model.diastolic * diastolic
        score = 1 / (1 + math.exp(-logit))
        found = after(Patient(*state.get("patient", ())), systolic, diastolic, score)
        state.set("patient", list(found))
        patients[patient] = found
        return found

    observations = app.topic(task.topic, value_deserializer="json")
    app.dataframe(observations).apply(classify, stateful=True)
    app.run(count=task.readings, collect=False)  # It commits, and flushes the changelog.
    meter.stop()
    return Job.of(patients)


if __name__ == "__main__":
    answer(work)
