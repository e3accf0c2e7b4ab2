"""How far a partition has come: written with the patients' rows, in one record batch.

Kafka appends a record batch as a whole or not at all, so what a worker recovers is the
state after some step and never between two.  Whatever is delivered again up to there is
skipped: this is what makes at-least-once delivery count each reading once.
"""

from typing import NamedTuple, Self

import msgspec

KEY = b"\xffcheckpoint"
"""The checkpoint's key in the changelog: not UTF-8, so no patient's id can be equal to it."""

CLAIM = b"\xffclaim"
"""The key of a claim in the changelog."""

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


class Paused(NamedTuple):
    """A store does not take what the partition holds: an alert says so."""

    alert_id: str
    since: int
    """Microseconds since 1970-01-01 UTC."""


class RuleName(NamedTuple):
    """A rule by which the patients' alerts were judged."""

    name: str
    title: str
    kind: str


class Earlier(NamedTuple):
    """What was known of a reading before it was taken back, or corrected."""

    taken_at: int
    """Microseconds since 1970-01-01 UTC."""
    version: int
    tags: int
    is_spot: bool
    in_index: bool
    in_archive: bool


class Claim(msgspec.Struct, frozen=True):
    """A worker begins to own a partition: what an earlier owner writes after it does not count.

    A worker that was frozen may claim what it lost meanwhile.  Of two that did not know of
    each other the one of the later generation owns the partition.
    """

    epoch: int
    generation: int
    """The consumer group's generation in which the partition was given to the worker."""
    base: int
    """The worker knew the changelog up to this offset."""

    def encode(self) -> bytes:
        """The claim as the value of its changelog record."""
        return _encode(self)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """The claim that `encode` wrote; msgspec.DecodeError for anything else."""
        return msgspec.json.decode(value, type=cls)


class Checkpoint(msgspec.Struct, kw_only=True):
    """What a partition's owner knows of its own progress."""

    epoch: int = 0
    """Counts the partition's owners; a record of an earlier one is a straggler's."""
    step: int = 0
    """Counts the steps of the epoch."""
    lineage: str = ""
    """Which life of the input topics the offsets belong to."""
    since: int = 0
    """When the counters began, µs since 1970 UTC; 0: before that was written down."""
    applied: dict[str, Applied] = msgspec.field(default_factory=dict)
    """By topic, as delivered to this partition."""
    rekeyed: dict[int, Applied] = msgspec.field(default_factory=dict)
    """By original partition: what came home through the re-keyed topic."""
    archived: Archived | None = None
    paused: Paused | None = None
    """The alert that intake is paused, while it is."""
    rules: tuple[RuleName, ...] = ()
    """The rules of the alerts that the rows hold."""
    anomalies: dict[int, int] = msgspec.field(default_factory=dict)
    """How many anomalous readings were live lately, by bucket (`ward`)."""
    looked_up: dict[str, Earlier | None] = msgspec.field(default_factory=dict)
    """By document id, what the stores held of readings that the state has forgotten: written
    down before they are changed, because after a crash they would not be found again."""

    @property
    def stamp(self) -> int:
        """Of two records of one key the one with the higher stamp is the later."""
        return self.epoch << _STEP_BITS | self.step

    def copy(self) -> Self:
        """The checkpoint as it is now, whatever becomes of this one."""
        return msgspec.structs.replace(
            self,
            applied={**self.applied},
            rekeyed={**self.rekeyed},
            looked_up={**self.looked_up},
            anomalies={**self.anomalies},
        )

    def encode(self) -> bytes:
        """The checkpoint as the value of its changelog record."""
        return _encode(self)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """The checkpoint that `encode` wrote.

        Raises msgspec.DecodeError for anything else, UnicodeDecodeError where it is not UTF-8.
        """
        return msgspec.json.decode(value, type=cls)


_STEP_BITS = 40

_encode = msgspec.json.Encoder().encode


def epoch_of(stamp: int) -> int:
    """The epoch in which a record was written."""
    return stamp >> _STEP_BITS
