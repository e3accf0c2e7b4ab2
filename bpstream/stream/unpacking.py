"""Unpacking a fetch into columns: aiokafka makes an object of eleven fields a record."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

from bpstream.stream.fetched import Headers, Records

_NO_TIMESTAMP = -1
"""Of a record in the oldest format."""


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

    def _unpack_records(self) -> Iterator[Records]:
        """As aiokafka's own: which batches count, and where the next fetch begins."""
        offsets: list[int] = []
        timestamps: list[int | None] = []
        keys: list[bytes | None] = []
        values: list[bytes | None] = []
        headers: dict[int, Headers] = {}
        batches = self._records
        while batches.has_next():
            batch = batches.next_batch()
            if self._check_crcs and not batch.validate_crc():
                # Fetched again, with those before it: nothing of them was given.
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if self._is_void(batch):
                self.next_fetch_offset = batch.next_offset
                continue
            position = self.next_fetch_offset
            for record in batch:
                offset = record.offset
                if offset < position:
                    continue
                if told := record.headers:
                    headers[len(offsets)] = tuple(told)
                offsets.append(offset)
                timestamps.append(record.timestamp)
                keys.append(record.key)
                values.append(record.value)
            # Behind what compaction has left out at its end, too.
            self.next_fetch_offset = batch.next_offset
        if offsets:
            if None in timestamps:
                timestamps = [_NO_TIMESTAMP if at is None else at for at in timestamps]
            yield Records(
                self._tp.topic,
                self._tp.partition,
                np.array(offsets, np.int64),
                np.array(timestamps, np.int64),
                keys,
                values,
                headers,
            )

    def _is_void(self, batch: Any) -> bool:
        """Whether a batch is a transaction's marker, or was taken back."""
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)
