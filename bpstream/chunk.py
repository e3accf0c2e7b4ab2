"""A chunk: messages of one partition, as they were fetched, and where each of them first stood."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class Origins(NamedTuple):
    """Where each message of a chunk stood when it first came; columns of shape ``(n,)``."""

    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    entry: NDArray[np.int64]
    """The entry that a re-keyed message was; 0 for a message that came as it is."""

    def each(self) -> Iterator[tuple[int, int, int]]:
        """Partition, offset and entry of one message after the other."""
        return zip(*(column.tolist() for column in self), strict=True)


class Kept(NamedTuple):
    """Of a message that was made of an archived document: when that was archived."""

    lineage: str
    """The life of the input topics it was in."""
    at: int
    """Microseconds since 1970-01-01 UTC."""


@dataclass(slots=True)
class Chunk:
    """Messages of one partition of one topic, in the order of their offsets."""

    topic: str
    offset: NDArray[np.int64]
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    arrived_at: NDArray[np.int64]
    """When each message reached Kafka first, µs since 1970 UTC, shape ``(n,)``."""
    origins: Origins
    rekeyed: bool = False
    """The messages came through the re-keyed topic: they are at home."""
    paths: Sequence[str] = ()
    """For re-keyed messages: where in the original message each stood."""
    retried: frozenset[int] = frozenset()
    """Positions of the messages that were dead letters before."""
    archived: Mapping[int, Kept] = field(default_factory=dict)
    """By position, the messages that were made of archived documents."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, at: NDArray[np.intp]) -> Self:
        """The messages at the positions `at`."""
        positions, origins, kept = at.tolist(), self.origins, self.archived
        return type(self)(
            topic=self.topic,
            offset=self.offset[at],
            values=[self.values[i] for i in positions],
            keys=[self.keys[i] for i in positions],
            arrived_at=self.arrived_at[at],
            origins=Origins(origins.partition[at], origins.offset[at], origins.entry[at]),
            rekeyed=self.rekeyed,
            paths=[self.paths[i] for i in positions] if self.paths else (),
            retried=frozenset(new for new, i in enumerate(positions) if i in self.retried),
            archived={new: kept[i] for new, i in enumerate(positions) if i in kept},
        )
