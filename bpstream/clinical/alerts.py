"""An alert: its place in a patient's row, its id, and what happens to it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.conditions import Floats, Positions

SLOT = np.dtype(
    [
        ("alert", "<u8"),  # the alert's id
        ("since", "<u4"),  # when its first offending reading was taken, s since 1970 UTC
        ("mark", "<u2"),  # the rule's; a slot with another rule's mark is empty
        ("state", "u1"),
        ("count", "u1"),  # consecutive readings: offending while pending, clear while firing
        ("severity", "i1"),  # the highest since the first offending reading
        ("released", "u1"),  # 1: acknowledged at this severity, so that a latched one may recover
    ]
)
"""What a patient's row keeps of one rule, at the rule's position; zeros: nothing going on."""


class State(IntEnum):
    """Where an alert is."""

    NORMAL = 0
    PENDING = 1
    FIRING = 2


class Change(IntEnum):
    """What happened to an alert at a reading."""

    FIRING = 0
    CHANGED = 1
    """Its severity rose."""
    RECOVERED = 2


@dataclass(frozen=True, slots=True)
class Edges:
    """What changed, in the order of the readings and then of the rules; columns ``(m,)``."""

    reading: Positions
    """Position among the readings given."""
    rule: Positions
    change: NDArray[np.int8]
    """Values of :class:`Change`."""
    severity: NDArray[np.int8]
    """The alert's, from here on; when it recovered, the highest it had."""
    alert: NDArray[np.uint64]
    since: NDArray[np.int64]
    """When the alert's first offending reading was taken, s since 1970 UTC."""
    measure: NDArray[np.int8]
    """Position in MEASURES of what offended, the severe condition's first; -1: recovered."""
    bound: Floats
    """The number that was crossed; NaN: recovered."""

    def __len__(self) -> int:
        return len(self.reading)

    @classmethod
    def none(cls) -> Self:
        """No change."""
        return cls(
            reading=np.zeros(0, np.intp),
            rule=np.zeros(0, np.intp),
            change=np.zeros(0, np.int8),
            severity=np.zeros(0, np.int8),
            alert=np.zeros(0, np.uint64),
            since=np.zeros(0, np.int64),
            measure=np.zeros(0, np.int8),
            bound=np.zeros(0),
        )


# Of SplitMix64; NumPy takes its own numbers several times as fast as Python's.
_SHIFTS = [np.uint64(shift) for shift in (30, 27, 31)]
_FACTORS = [np.uint64(factor) for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)]
_GOLDEN, _64_BITS = 0x9E3779B97F4A7C15, (1 << 64) - 1


def alert_id(rule: str, identity: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The id of the alert that `rule` (its name) has from a first offending reading on.

    It is ``mix64(identity ^ (crc32(rule) * 0x9E3779B97F4A7C15 mod 2**64))``, 1 in the place of
    0; `mix64` is the finaliser of SplitMix64 (Steele et al., OOPSLA 2014).  People see it as 16
    hexadecimal digits: ``f"{alert:016x}"``.
    """
    return mix(identity ^ salt(rule))


def salt(rule: str) -> np.uint64:
    """What makes two rules' alerts of one reading two."""
    return np.uint64(crc32(rule.encode()) * _GOLDEN & _64_BITS)


def mix(salted: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The ids of alerts whose identity and salt are joined (``^``)."""
    mixed = (salted ^ (salted >> _SHIFTS[0])) * _FACTORS[0]
    mixed = (mixed ^ (mixed >> _SHIFTS[1])) * _FACTORS[1]
    mixed ^= mixed >> _SHIFTS[2]
    mixed[mixed == 0] = 1
    return mixed
