"""Packing records into a record batch: aiokafka takes them one by one, a loop in C by columns."""

import time
from collections.abc import Iterator, Sequence
from ctypes import CDLL, byref, c_int64
from dataclasses import dataclass
from struct import Struct
from typing import Any, overload

import msgspec
import numpy as np
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c
from numpy.typing import NDArray

from bpstream.compiled import LOOPS, address
from bpstream.jsonlines import Parts, parts
from bpstream.listed import Listed

_EMPTY: list[tuple[str, bytes]] = []

# https://kafka.apache.org/documentation/#recordbatch: before the checksum, itself, and behind it.
_FRONT, _CHECKSUM, _CHECKED = Struct(">qiib"), Struct(">I"), Struct(">hiqqqhii")
_HEADER_BYTES = _FRONT.size + _CHECKSUM.size + _CHECKED.size
_COUNTED_BYTES = 12
"""What is not counted in a batch's own length."""
_MAGIC, _NOBODY = 2, -1
_RECORD_BYTES = 5 * 5 + 2
"""At most, of a record beside its key and value: five lengths of at most five bytes each."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """What is published: key, value, headers, and a time (ms since 1970) or now."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int | None = None


@dataclass(slots=True, frozen=True, eq=False)
class Columns(Listed[Record]):
    """Records of now, with a key and a value each and no headers; a `Record` when asked for."""

    keys: Parts
    values: Parts
    first: tuple[bytes, bytes] | None = None
    """Key and value of one that goes before them."""

    def __len__(self) -> int:
        return len(self.keys.begins) + (self.first is not None)

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Record]: ...
    def __getitem__(self, at: int | slice) -> Record | Sequence[Record]:
        if not isinstance(at, slice) or at.step not in (None, 1):
            return list(self)[at]
        # Whoever sends a batch keeps its records: of thousands no object is to be made.
        start, stop, _ = at.indices(len(self))
        before = int(self.first is not None)
        some = slice(max(start - before, 0), max(stop - before, 0))
        first = self.first if start < min(before, stop) else None
        return Columns(self.keys.take(some), self.values.take(some), first)

    def __iter__(self) -> Iterator[Record]:
        if self.first is not None:
            yield Record(*self.first)
        yield from map(Record, self.keys.each(), self.values.each())


def packed(
    records: Sequence[Record], start: int, *, room: int, loops: CDLL | None = LOOPS
) -> tuple[BatchBuilder, int]:
    """A batch of the records from `start` on, and the position of the first left out.

    Fewer than `room` bytes, unless the first record alone takes more.
    """
    now = time.time_ns() // 1_000_000
    records = records[start:] if start else records
    if loops is not None and isinstance(records, Columns):
        batch: BatchBuilder = _Packed(records, now, room, loops)
        return batch, start + batch.record_count()
    batch = BatchBuilder(room, compression_type=0)
    # What `batch.append` calls; by it a record would cost more than twice as much.
    append, count = batch._builder.append, 0
    for record in records:
        at = now if record.timestamp is None else record.timestamp
        headers = list(record.headers) if record.headers else _EMPTY
        if append(count, at, record.key, record.value, headers) is None:
            batch.close()
            break
        count += 1
    batch._relative_offset = count
    return batch, start + count


class _Packed(BatchBuilder):
    """A batch that takes no more records.  Not for a producer with a state: nobody wrote it."""

    def __init__(self, records: Columns, now: int, room: int, loops: CDLL) -> None:
        pieces = [(records.keys, records.values)]
        if records.first is not None:
            key, value = records.first
            pieces.insert(0, (parts([key]), parts([value])))
        sizes = _RECORD_BYTES + np.concatenate(
            [keys.ends - keys.begins + values.ends - values.begins for keys, values in pieces]
        )
        # The first is taken in any case.
        most = max(room, _HEADER_BYTES + int(sizes.max(initial=0)))
        out = np.empty(min(most, _HEADER_BYTES + int(sizes.sum())), np.uint8)
        used, count = c_int64(_HEADER_BYTES), 0
        for keys, values in pieces:
            count += loops.write_records(
                *(address(out), byref(used), room, count, len(keys.begins)),
                *(address(each) for each in (*keys, *values)),
            )
        self._buffer: Any = _with_header(out[: used.value], count, now, loops).data
        self._relative_offset, self._closed = count, True


def _with_header(batch: NDArray[np.uint8], count: int, now: int, loops: CDLL) -> NDArray[np.uint8]:
    """The batch, in which so many records stand behind the room for its header."""
    of_nobody = _NOBODY, _NOBODY, 0  # producer id, its epoch, and the first sequence
    behind = _FRONT.size + _CHECKSUM.size
    _CHECKED.pack_into(batch.data, behind, 0, count - 1, now, now, *of_nobody, count)
    checksum = loops.crc32c(address(batch), behind, len(batch))
    _FRONT.pack_into(batch.data, 0, 0, len(batch) - _COUNTED_BYTES, _NOBODY, _MAGIC)
    _CHECKSUM.pack_into(
        batch.data, _FRONT.size, calc_crc32c(batch[behind:]) if checksum < 0 else checksum
    )
    return batch
