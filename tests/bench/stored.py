"""What a peer's stores hold, read back when its run is over, and its indices' removal."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpstream.sinks.client  # noqa: F401 - it has elasticsearch leave pyarrow out

# isort: split
from elasticsearch import Elasticsearch, helpers

from tests.bench.job import Job, Kept, Tally
from tests.bench.peer import Task

__all__ = ["Elasticsearch", "remove_indices", "with_stores"]


def with_stores(job: Job, task: Task, archive: Path) -> Job:
    """`job` with what its peer's indices and its archive hold.  The indices are gone then."""
    with Elasticsearch(task.elasticsearch) as client:
        indexed = _tally(_indexed(client, task.name))
        remove_indices(client, task.name)
    return replace(job, indexed=indexed, archived=_tally(_archived(archive)))


def remove_indices(client: Elasticsearch, prefix: str) -> None:
    """Delete the indices whose names begin with `prefix`, and a template of that name."""
    # By name: a wildcard is refused.
    for name in client.indices.get(index=f"{prefix}*"):
        client.indices.delete(index=name)
    client.options(ignore_status=404).indices.delete_index_template(name=prefix)


def _tally(documents: Iterable[Mapping[str, Any]]) -> Kept:
    tally = Tally()
    for each in documents:
        tally.add(
            each["patient_id"],
            each["timestamp"],
            each["systolic_pressure"],
            each["diastolic_pressure"],
            each["anomaly_details"],
        )
    return tally.kept()


def _indexed(client: Elasticsearch, prefix: str) -> Iterator[Mapping[str, Any]]:
    client.indices.refresh(index=f"{prefix}*")
    for hit in helpers.scan(client, index=f"{prefix}*"):
        yield hit["_source"]


def _archived(folder: Path) -> Iterator[Mapping[str, Any]]:
    for path in folder.rglob("*.json*"):
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rb") as file:
            yield from map(json.loads, file)
