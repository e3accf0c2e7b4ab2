"""Plain Faust: an agent that takes one Record at a time, and counts in a dictionary or a Table."""

import math
import signal
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import faust

from bpstream.stream.records import Observation
from tests.bench.job import Job, Patient, after
from tests.bench.model import original_risk
from tests.bench.peer import Meter, Task, answer


def work(task: Task, meter: Meter, folder: Path, *, table: bool = False) -> Job:
    """Rules, the logistic formula and counts, one event at a time."""
    app = faust.App(
        task.name,
        broker=f"kafka://{task.kafka}",
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
        topic_partitions=4,
        # Faust's fetch waits for idle partitions, those of its leader topic too.
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_recovery_delay=0.0,
        producer_linger=0.02,
        datadir=str(folder),
    )
    observations = app.topic(task.topic, key_type=bytes, value_type=Observation)
    patients: MutableMapping[str, Any] = app.Table("patients") if table else {}
    model = original_risk()
    jobs: list[Job] = []

    async def classify(stream: Any) -> None:
        seen = 0
        async for observation in stream:
            meter.start()
            patient = observation.subject.reference.removeprefix("Patient/")
            systolic, diastolic = (
                component.valueQuantity.value for component in observation.component
            )
            logit = model.intercept + model.systolic * systolic + model.diastolic * diastolic
            score = 1 / (1 + math.exp(-logit))
            before = Patient(*patients.get(patient, ()))
            patients[patient] = after(before, systolic, diastolic, score)
            seen += 1
            if seen == task.readings:
                await app.producer.flush()  # The Table's last records; nothing without one.
                meter.stop()
                jobs.append(Job.of({who: Patient(*each) for who, each in patients.items()}))
                signal.raise_signal(signal.SIGTERM)

    app.agent(observations)(classify)
    worker = faust.Worker(app, loglevel="warning", quiet=True, redirect_stdouts=False)
    worker.spinner = None  # It draws on stdout, where the answer goes.
    try:
        worker.execute_from_commandline()
    except SystemExit:
        if not jobs:
            raise
    return jobs[0]


if __name__ == "__main__":
    answer(work)
