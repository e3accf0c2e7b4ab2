"""Sequences that keep their items in columns, and make one when it is asked for."""

from collections.abc import Sequence
from typing import TypeVar

Item_co = TypeVar("Item_co", covariant=True)


class Listed(Sequence[Item_co]):
    """Equal to every sequence of the same items."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))
