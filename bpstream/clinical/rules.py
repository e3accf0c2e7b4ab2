"""The rules that make a reading an anomaly: arrays in, arrays out.

They are fixed thresholds for adults and judge one reading alone.  A pressure on a
threshold is normal.
"""

from collections.abc import Iterable
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

# mmHg.  140/90 is where the 2023 ESH guideline begins hypertension (Mancia et al.,
# J Hypertens 2023;41:1874-2071); 90/60 is the customary lower bound.
HYPERTENSION_SYSTOLIC_ABOVE, HYPERTENSION_DIASTOLIC_ABOVE = 140.0, 90.0
HYPOTENSION_SYSTOLIC_BELOW, HYPOTENSION_DIASTOLIC_BELOW = 90.0, 60.0


class Tag(IntFlag):
    """What is wrong with a reading; 200/55 has two tags."""

    HYPERTENSION_SYSTOLIC = 1
    HYPOTENSION_SYSTOLIC = 2
    HYPERTENSION_DIASTOLIC = 4
    HYPOTENSION_DIASTOLIC = 8


_HYPERTENSION = Tag.HYPERTENSION_SYSTOLIC | Tag.HYPERTENSION_DIASTOLIC


def tag(systolic: NDArray[np.float64], diastolic: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The tags of each reading: a :class:`Tag`, 0 where the reading is normal.

    `systolic` and `diastolic` have shape ``(n,)`` and are mmHg; so has the result.  NaN,
    a pressure that was not measured, sets no tag.

    >>> tag(np.array([141.0, 140.0, 200.0]), np.array([80.0, 90.0, 55.0]))
    array([1, 0, 9], dtype=uint8)
    """
    return (
        (systolic > HYPERTENSION_SYSTOLIC_ABOVE) * np.uint8(Tag.HYPERTENSION_SYSTOLIC)
        | (systolic < HYPOTENSION_SYSTOLIC_BELOW) * np.uint8(Tag.HYPOTENSION_SYSTOLIC)
        | (diastolic > HYPERTENSION_DIASTOLIC_ABOVE) * np.uint8(Tag.HYPERTENSION_DIASTOLIC)
        | (diastolic < HYPOTENSION_DIASTOLIC_BELOW) * np.uint8(Tag.HYPOTENSION_DIASTOLIC)
    )


def tag_of_bounds(systolic: float, diastolic: float, comparators: tuple[str, str]) -> int:
    """The tags that are certain of a reading whose pressures may be bounds (mmHg).

    `comparators` are FHIR's, the systolic's and the diastolic's; empty: exact.  "> 140" is
    surely above 140, "< 95" may or may not be below 90.

    >>> tag_of_bounds(140.0, 80.0, (">", "")), tag_of_bounds(95.0, 80.0, ("<", ""))
    (1, 0)
    """
    certain = 0
    high_and_low = (
        (Tag.HYPERTENSION_SYSTOLIC, Tag.HYPOTENSION_SYSTOLIC),
        (Tag.HYPERTENSION_DIASTOLIC, Tag.HYPOTENSION_DIASTOLIC),
    )
    for bound, comparator, column, (high, low) in zip(
        (systolic, diastolic), comparators, (0, 1), high_and_low, strict=True
    ):
        at_least, at_most = "<" not in comparator, ">" not in comparator
        # A strict comparator leaves the bound itself out: the next number is the nearest.
        outward = {">": np.inf, "<": -np.inf}.get(comparator, bound)
        pressures = [np.array([np.nan]), np.array([np.nan])]
        pressures[column] = np.array([np.nextafter(bound, outward)])
        found = int(tag(*pressures)[0])
        certain |= found & ((high if at_least else 0) | (low if at_most else 0))
    return int(certain)


def _names(tags: int) -> tuple[str, ...]:
    return tuple(each.name.lower() for each in Tag if each & tags and each.name)


def _anomaly_type(tags: int) -> str:
    if tags & _HYPERTENSION:
        return "hypertension"
    return "hypotension" if tags else "normal"


_EVERY_VALUE = range(1 << len(Tag))

TAG_NAMES: tuple[tuple[str, ...], ...] = tuple(map(_names, _EVERY_VALUE))
"""By the value of `tag`, 0..15: the document's `anomaly_details`."""

ANOMALY_TYPES: tuple[str, ...] = tuple(map(_anomaly_type, _EVERY_VALUE))
"""By the value of `tag`, 0..15: the document's `anomaly_type`; hypertension goes first."""


def tags_of(names: Iterable[str]) -> int:
    """The tags that are named, as one :class:`Tag`: what `TAG_NAMES` gives, the other way."""
    return sum(Tag[name.upper()] for name in names)
