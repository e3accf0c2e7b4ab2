"""Unpacking a fetch into columns: aiokafka makes an object of eleven fields a record."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

from bpstream.compiled import LOOPS, address
from bpstream.messages import Messages
from bpstream.stream.fetched import Headers, Records

_NO_TIMESTAMP = -1
"""Of a record in the oldest format."""

# Where things stand in a record batch: https://kafka.apache.org/documentation/#recordbatch
_LENGTH, _MAGIC, _CRC, _CHECKED, _COUNT = slice(8, 12), 16, slice(17, 21), 21, slice(57, 61)
_BEFORE_LENGTH_COUNTS = 12
_MAGIC_NOW = 2


class Fetch(MemoryRecords):
    """The batches of a fetch, which tells the bytes it was given; aiokafka's does not."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


fetcher.MemoryRecords = Fetch


def unpack_in_columns(fetcher: Any, wants: Callable[[str], bool]) -> None:
    """Let a fetcher (aiokafka's) give one :class:`Records` a fetch for the topics it `wants`.

    It is given whole: a limit to how many records are given does not divide it.
    """
    process = fetcher._proc_fetch_request

    async def process_for_columns(assignment: Any, node_id: int, request: Any) -> bool:
        has_new: bool = await process(assignment, node_id, request)
        # Nobody has seen what is new: nothing was waited for since it was put there.
        for tp, result in fetcher._records.items():
            if type(result) is FetchResult and wants(tp.topic):
                as_columns(result._partition_records)
        return has_new

    fetcher._proc_fetch_request = process_for_columns


def as_columns(found: Any) -> None:
    """Let what was fetched of a partition, and not looked at yet, be unpacked in columns."""
    # Not twice: what was begun would go on behind a batch that is damaged.
    if type(found) is PartitionRecords:
        found.__class__ = _InColumns
        found._records_iterator = found._unpack_records()


class _InColumns(PartitionRecords):
    """Iterates once over all there is.  Keys and values stay bytes."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Records]:
        """As aiokafka's own: which batches count, and where the next fetch begins."""
        batches, first = self._records, self.next_fetch_offset
        data = getattr(batches, "data", b"")
        counted, begins, begin = list[Any](), list[int](), 0
        while batches.has_next():
            batch = batches.next_batch()
            if self._check_crcs and not _is_sound(batch, data, begin):
                # Fetched again, with those before it: nothing of them was given.
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not self._is_void(batch):
                counted.append(batch)
                begins.append(begin)
            begin += _BEFORE_LENGTH_COUNTS + _number(data, begin, _LENGTH)
            # Behind what compaction has left out at its end, too.
            self.next_fetch_offset = batch.next_offset
        place = self._tp.topic, self._tp.partition
        records = _at_once(*place, data, begins, first)
        if records is None:
            records = _one_by_one(*place, counted, first)
        if records:
            yield records

    def _is_void(self, batch: Any) -> bool:
        """Whether a batch is a transaction's marker, or was taken back."""
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)


def _is_sound(batch: Any, data: bytes, begin: int) -> bool:
    """Whether the batch, which begins there in `data`, has the checksum that it tells."""
    if LOOPS is not None and data and data[begin + _MAGIC] == _MAGIC_NOW:
        end = begin + _BEFORE_LENGTH_COUNTS + _number(data, begin, _LENGTH)
        found = LOOPS.crc32c(data, begin + _CHECKED, end)
        if found >= 0:  # Else the processor has no instruction for it.
            return bool(found == _number(data, begin, _CRC))
    return bool(batch.validate_crc())


def _at_once(
    topic: str, partition: int, data: bytes, begins: Sequence[int], first: int
) -> Records | None:
    """The records from the offset `first` on, of batches that begin there in `data`.

    None where a batch is compressed, or of an old format, or has a record with headers.
    """
    if LOOPS is None or not data:
        return None
    room = sum(_number(data, begin, _COUNT) for begin in begins)
    columns = np.empty((6, min(room, len(data))), np.int64)
    told = np.array(begins, np.int64)
    n = LOOPS.read_records(
        *(data, len(data), address(told), len(told), first),
        *(address(columns), columns.shape[1]),
    )
    if n < 0:
        return None
    offsets, timestamps, *bounds = columns[:, :n]
    keys, values = (Messages(data, *bounds[at : at + 2]) for at in (0, 2))
    return Records(topic, partition, offsets, timestamps, keys, values, {})


def _one_by_one(topic: str, partition: int, batches: Sequence[Any], first: int) -> Records:
    """The records from the offset `first` on, as aiokafka reads them."""
    offsets: list[int] = []
    timestamps: list[int] = []
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    headers: dict[int, Headers] = {}
    for batch in batches:
        for record in batch:
            if record.offset < first:
                continue
            if told := record.headers:
                headers[len(offsets)] = tuple(told)
            offsets.append(record.offset)
            timestamps.append(_NO_TIMESTAMP if record.timestamp is None else record.timestamp)
            keys.append(record.key)
            values.append(record.value)
    columns = np.array(offsets, np.int64), np.array(timestamps, np.int64)
    return Records(topic, partition, *columns, keys, values, headers)


def _number(data: bytes, begin: int, field: slice) -> int:
    """What stands in a field of the batch that begins there."""
    return int.from_bytes(data[begin + field.start : begin + field.stop])
