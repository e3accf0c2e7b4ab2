"""The original loop with its stores: a request an anomaly, and a file a normal reading."""

import json
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import original
from tests.bench.job import Job, tags_of
from tests.bench.peer import Meter, Task, answer
from tests.bench.stored import Elasticsearch, with_stores


def work(task: Task, meter: Meter, folder: Path) -> Job:
    """Store each reading as soon as it is judged; neither store is waited for to sync."""
    with Elasticsearch(task.elasticsearch) as client:
        client.info()  # Connected before the first message, as bpstream is.
        job = original.work(task, meter, folder, keep=partial(_keep, client, task.name, folder))
    return with_stores(job, task, folder)


def _keep(
    client: Elasticsearch,
    index: str,
    folder: Path,
    observation: Any,
    systolic: float,
    diastolic: float,
    risk: float,
) -> None:
    tags = tags_of(systolic, diastolic)
    hypertension = any(tag.startswith("hyper") for tag in tags)
    patient = observation["subject"]["reference"].removeprefix("Patient/")
    document = {
        "timestamp": observation["effectiveDateTime"],
        "patient_id": patient,
        "systolic_pressure": systolic,
        "diastolic_pressure": diastolic,
        "anomaly_type": "hypertension" if hypertension else "hypotension" if tags else "normal",
        "anomaly_details": tags,
        "ml_risk_score": risk,
    }
    if tags:
        client.index(index=index, document=document)
        return
    practitioner = observation["performer"][0]["reference"].removeprefix("Practitioner/")
    moment = datetime.fromisoformat(document["timestamp"])
    name = f"{patient}_{practitioner}_{moment:%Y%m%d_%H%M%S_%f}.json"
    (folder / name).write_text(json.dumps(document))


if __name__ == "__main__":
    answer(work)
