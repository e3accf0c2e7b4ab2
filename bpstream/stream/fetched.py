"""What a fetch has brought of one partition: a column a field instead of an object a record."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, overload

import numpy as np
from numpy.typing import NDArray

Headers = Sequence[tuple[str, bytes]]


class Fetched(NamedTuple):
    """One record; the names are aiokafka's."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970."""
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True, eq=False)
class Records(Sequence[Fetched]):
    """Records of one partition in the order of their offsets.  A slice copies no message."""

    topic: str
    partition: int
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    """Milliseconds since 1970; -1 where the producer's format has none.  Shape ``(n,)``."""
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Mapping[int, Headers]
    """By position, of those that have any."""

    @classmethod
    def of(cls, topic: str, partition: int, records: Iterable[Any]) -> Self:
        """Take the fields out of records that have them one by one, as aiokafka's do."""
        each = list(records)
        return cls(
            topic,
            partition,
            np.array([record.offset for record in each], np.int64),
            np.array([record.timestamp for record in each], np.int64),
            [record.key for record in each],
            [record.value for record in each],
            {at: tuple(record.headers) for at, record in enumerate(each) if record.headers},
        )

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, at: int) -> Fetched: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> Fetched | Self:
        if not isinstance(at, slice):
            position = range(len(self))[at]
            return Fetched(
                self.topic,
                self.partition,
                int(self.offsets[position]),
                int(self.timestamps[position]),
                self.keys[position],
                self.values[position],
                self.headers.get(position, ()),
            )
        headers = self.headers
        positions = range(len(self))[at] if headers else ()
        return type(self)(
            self.topic,
            self.partition,
            self.offsets[at],
            self.timestamps[at],
            self.keys[at],
            self.values[at],
            {new: headers[old] for new, old in enumerate(positions) if old in headers},
        )

    def since(self, offset: int) -> Self:
        """Those from `offset` on."""
        return self[bisect_left(self.offsets, offset) :]
