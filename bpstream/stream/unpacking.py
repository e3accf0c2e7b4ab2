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

_HEADER_BYTES = 61
"""Of a record batch."""


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
        data, counted = _Data(getattr(batches, "data", b"")), list[Any]()
        while batches.has_next():
            batch = batches.next_batch()
            data.go_on()
            if self._check_crcs and not data.is_sound(batch):
                # Fetched again, with those before it: nothing of them was given.
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not self._is_void(batch):
                counted.append(batch)
                data.count()
            # Behind what compaction has left out at its end, too.
            self.next_fetch_offset = batch.next_offset
        records = data.records(self._tp, first)
        if records is None:
            records = _one_by_one(self._tp, counted, first)
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


class _Data:
    """The bytes of a fetch, for the loops in C: batch after batch as aiokafka goes through them."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._counted = data, -1, list[int]()
        self._begins, self._counts = np.empty((2, len(data) // _HEADER_BYTES), np.int64)
        are_sound, found = np.empty(len(self._begins), np.int8), 0
        if LOOPS is not None:
            found = LOOPS.read_batches(
                *(data, len(data)),
                *(address(self._begins), address(self._counts), address(are_sound)),
            )
        self._is_known = found > 0
        self._are_sound: list[int] = are_sound[: max(found, 0)].tolist()

    def go_on(self) -> None:
        """To the next batch."""
        self._at += 1

    def is_sound(self, batch: Any) -> bool:
        """Whether the batch, which aiokafka has as `batch`, has the checksum that it tells."""
        sound = self._are_sound[self._at] if self._is_known else -1
        return bool(batch.validate_crc() if sound < 0 else sound)

    def count(self) -> None:
        """The batch's records count."""
        self._counted.append(self._at)

    def records(self, tp: Any, first: int) -> Records | None:
        """Those that count, from the offset `first` on.

        None where a batch is of an old format, or compressed, or a record has headers.
        """
        if LOOPS is None or not self._is_known:
            return None
        data, begins = self._data, self._begins[self._counted]
        # A count that is not true is found out: it is not what is read.
        room = min(int(self._counts[self._counted].sum()), len(data))
        columns = np.empty((6, max(room, 0)), np.int64)
        n = LOOPS.read_records(
            *(data, len(data), address(begins), len(begins), first),
            *(address(columns), columns.shape[1]),
        )
        if n < 0:
            return None
        offsets, timestamps, *bounds = columns[:, :n]
        keys, values = (Messages(data, *bounds[at : at + 2]) for at in (0, 2))
        return Records(tp.topic, tp.partition, offsets, timestamps, keys, values, {})


def _one_by_one(tp: Any, batches: Sequence[Any], first: int) -> Records:
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
    return Records(tp.topic, tp.partition, *columns, keys, values, headers)
