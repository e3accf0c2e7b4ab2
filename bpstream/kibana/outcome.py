"""What became of one object that was to be installed."""

from enum import Enum
from typing import NamedTuple

from bpstream.jsondiff import Difference


class Verdict(Enum):
    """What became of it."""

    CREATED = "created"
    CHANGED = "changed"
    LEFT = "left"
    """It is as it should be."""
    KEPT = "kept"
    """It is not as it should be, and was to be kept so."""


class Outcome(NamedTuple):
    """What became of one object, and where it was not as it should be."""

    verdict: Verdict
    kind: str
    name: str
    differences: list[Difference]
