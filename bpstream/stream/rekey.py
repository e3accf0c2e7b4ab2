"""The way home: a reading whose patient belongs to another partition goes there once.

Producers key by something else, by nothing, or with another partitioner.  The message goes
on as it came, under the patient's key, and its headers tell where it stood first.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpstream.batch import Batch
from bpstream.chunk import Chunk, Kept, Origins
from bpstream.reading import Origin
from bpstream.stream.publish import Record

_ORIGIN = "origin"
_PATH = "path"
_KEY = "key"
RETRIED = "retried"
"""The header of a message that was a dead letter: the letter's id."""

ARCHIVED = "archived"
"""The header of a message that was made of an archived document, as `archived` makes it."""

_KEPT = re.compile(rb"(.+):(\d{1,18})")
_STOOD = re.compile(rb"(.+)" + rb":(\d{1,18})" * 4)
"""An origin: topic, partition, offset, entry, and when it arrived (µs since 1970)."""


def archived(lineage: str, at: int) -> tuple[str, bytes]:
    """The header that tells when the document of a message was archived (`chunk.Kept`)."""
    return ARCHIVED, f"{lineage}:{at}".encode()


def going_home(batch: Batch) -> list[tuple[Origin, str]]:
    """Readings and retractions that are not at home, and whose: in the order of the input."""
    away = list(zip(batch.away.origin, batch.away.patient_id, strict=True))
    away += [(each.origin, each.patient_id) for each in batch.retractions_away]
    return sorted(away, key=lambda each: each[0][:2])


def homeward(batch: Batch) -> list[Record]:
    """One record for each of `going_home`, in that order."""
    chunk = batch.chunk
    origins = chunk.origins
    records = []
    for at, patient_id in going_home(batch):
        arrived_at = int(chunk.arrived_at[at.message])
        stood = (origins.partition[at.message], origins.offset[at.message], at.entry, arrived_at)
        headers = [(_ORIGIN, ":".join([chunk.topic, *map(str, stood)]).encode())]
        if at.path:
            headers.append((_PATH, at.path.encode()))
        if (key := chunk.keys[at.message]) is not None:
            headers.append((_KEY, key))
        if at.message in chunk.retried:
            headers.append((RETRIED, b""))
        if kept := chunk.archived.get(at.message):
            headers.append(archived(*kept))
        body = chunk.values[at.message] if at.body is None else at.body
        records.append(Record(patient_id.encode(), body, headers, arrived_at // 1000))
    return records


def chunk_of(records: Sequence[Any]) -> Chunk:
    """Records of one partition of the input topic (aiokafka's) as a chunk."""
    n = len(records)
    offset = _offsets(records)
    return Chunk(
        topic=records[0].topic,
        offset=offset,
        values=[record.value for record in records],
        keys=[record.key for record in records],
        arrived_at=np.fromiter((record.timestamp for record in records), np.int64, n) * 1000,
        origins=Origins(np.full(n, records[0].partition, np.int32), offset, np.zeros(n, np.int64)),
        retried=_retried(records),
        archived=_archived(records),
    )


def rekeyed_chunk_of(records: Sequence[Any], *, topic: str) -> Chunk:
    """Records of one partition of the re-keyed topic as a chunk.

    They tell where they came from.  What does not say that it came from the input topic
    `topic` is left out: apps with other input topics may share the re-keyed one.
    """
    told = [_STOOD.fullmatch(dict(record.headers).get(_ORIGIN) or b"") for record in records]
    ours = topic.encode()
    home = [(record, at) for record, at in zip(records, told, strict=True) if at and at[1] == ours]
    stood = np.array([list(map(int, at.groups()[1:])) for _, at in home], np.int64)
    stood = stood.reshape(len(home), 4)
    kept = [record for record, _ in home]
    return Chunk(
        topic=records[0].topic,
        offset=_offsets(kept),
        values=[record.value for record in kept],
        # The original one.  Without, it had none.
        keys=[dict(record.headers).get(_KEY) for record in kept],
        arrived_at=stood[:, 3],
        origins=Origins(stood[:, 0].astype(np.int32), stood[:, 1], stood[:, 2]),
        rekeyed=True,
        paths=[
            (dict(record.headers).get(_PATH) or b"").decode(errors="replace") for record in kept
        ],
        retried=_retried(kept),
        archived=_archived(kept),
    )


def _retried(records: Sequence[Any]) -> frozenset[int]:
    return frozenset(
        position
        for position, record in enumerate(records)
        if record.headers and RETRIED in dict(record.headers)
    )


def _archived(records: Sequence[Any]) -> dict[int, Kept]:
    told = {
        position: _KEPT.fullmatch(dict(record.headers).get(ARCHIVED) or b"")
        for position, record in enumerate(records)
        if record.headers
    }
    return {
        position: Kept(found[1].decode(errors="replace"), int(found[2]))
        for position, found in told.items()
        if found
    }


def _offsets(records: Sequence[Any]) -> NDArray[np.int64]:
    return np.fromiter((record.offset for record in records), np.int64, len(records))
