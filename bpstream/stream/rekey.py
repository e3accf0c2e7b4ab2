"""The way home: a reading whose patient belongs to another partition goes there once.

Producers key by something else, by nothing, or with another partitioner.  The message goes
on as it came, under the patient's key, and its headers tell where it stood first.
"""

import re
from collections.abc import Mapping

import numpy as np

from bpstream.batch import Batch
from bpstream.chunk import Chunk, Kept, Origins
from bpstream.reading import Origin
from bpstream.stream.fetched import Records
from bpstream.stream.packing import Record

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


def chunk_of(records: Records) -> Chunk:
    """Records of the input topic as a chunk."""
    n, offset = len(records), records.offsets
    told = {at: dict(headers) for at, headers in records.headers.items()}
    return Chunk(
        topic=records.topic,
        offset=offset,
        values=records.values,
        keys=records.keys,
        arrived_at=records.timestamps * 1000,
        origins=Origins(np.full(n, records.partition, np.int32), offset, np.zeros(n, np.int64)),
        retried=_retried(told),
        archived=_archived(told),
    )


def rekeyed_chunk_of(records: Records, *, topic: str) -> Chunk:
    """Records of the re-keyed topic as a chunk.

    They tell where they came from.  What does not say that it came from the input topic
    `topic` is left out: apps with other input topics may share the re-keyed one.
    """
    ours = topic.encode()
    home, told, stood = [], [], []
    for position, headers in records.headers.items():
        each = dict(headers)
        origin = _STOOD.fullmatch(each.get(_ORIGIN) or b"")
        if origin and origin[1] == ours:
            home.append(position)
            told.append(each)
            stood.append(list(map(int, origin.groups()[1:])))
    origins = np.array(stood, np.int64).reshape(len(home), 4)
    return Chunk(
        topic=records.topic,
        offset=records.offsets[home],
        values=[records.values[position] for position in home],
        # The original one.  Without, it had none.
        keys=[each.get(_KEY) for each in told],
        arrived_at=origins[:, 3],
        origins=Origins(origins[:, 0].astype(np.int32), origins[:, 1], origins[:, 2]),
        rekeyed=True,
        paths=[(each.get(_PATH) or b"").decode(errors="replace") for each in told],
        retried=_retried(dict(enumerate(told))),
        archived=_archived(dict(enumerate(told))),
    )


def _retried(told: Mapping[int, Mapping[str, bytes]]) -> frozenset[int]:
    return frozenset(position for position, headers in told.items() if RETRIED in headers)


def _archived(told: Mapping[int, Mapping[str, bytes]]) -> dict[int, Kept]:
    found = {
        position: _KEPT.fullmatch(headers.get(ARCHIVED) or b"")
        for position, headers in told.items()
    }
    return {
        position: Kept(kept[1].decode(errors="replace"), int(kept[2]))
        for position, kept in found.items()
        if kept
    }
