"""How far a partition has come: written with the patients' rows, in one record batch.

Kafka appends a record batch as a whole or not at all, so what a worker recovers is the
state after some step and never between two.  Whatever is delivered again up to there is
skipped: this is what makes at-least-once delivery count each reading once.
"""

from typing import NamedTuple, Self

import msgspec

KEY = b"\xffcheckpoint"
"""The checkpoint's key in the changelog: not UTF-8, so no patient's id can be equal to it."""

WHOLE_MESSAGE = 2**31 - 1
"""As an entry: the message is applied with all its entries."""


class Applied(NamedTuple):
    """The last input that was applied; inputs are ordered by offset, then by entry."""

    offset: int = -1
    entry: int = WHOLE_MESSAGE


class Archived(NamedTuple):
    """How much of the open archive segment belongs to what was applied."""

    name: str
    length: int


class Checkpoint(msgspec.Struct, kw_only=True):
    """What a partition's owner knows of its own progress."""

    epoch: int = 0
    """Counts the partition's owners; a record of an earlier one is a straggler's."""
    lineage: str = ""
    """Which life of the input topics the offsets belong to."""
    applied: dict[str, Applied] = msgspec.field(default_factory=dict)
    """By topic, as delivered to this partition."""
    rekeyed: dict[int, Applied] = msgspec.field(default_factory=dict)
    """By original partition: what came home through the re-keyed topic."""
    archived: Archived | None = None

    def encode(self) -> bytes:
        """The checkpoint as the value of its changelog record."""
        return _encode(self)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """The checkpoint that `encode` wrote.

        Raises msgspec.DecodeError for anything else, UnicodeDecodeError where it is not UTF-8.
        """
        return msgspec.json.decode(value, type=cls)


_encode = msgspec.json.Encoder().encode
