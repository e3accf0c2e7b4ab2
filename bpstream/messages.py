"""Messages as they were fetched: parts of one piece of memory, bytes of their own when asked for.

To copy each of them, and to let go of each, costs as much as to read what stands in it.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from bpstream.listed import Listed


class Messages(Listed[bytes | None]):
    """The keys or the values of messages.  What is taken of them shares their memory."""

    __slots__ = ("begins", "ends", "text")

    def __init__(self, text: bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Where in `text` each begins and ends, shape ``(n,)``; both are -1 where there is none."""
        self.text, self.begins, self.ends = text, begins, ends

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> "Messages":
        """These, put into one piece of memory unless they are."""
        if isinstance(values, Messages):
            return values
        held = [value or b"" for value in values]
        bounds = np.fromiter(accumulate(map(len, held), initial=0), np.int64, len(held) + 1)
        none = np.array([value is None for value in values], np.bool_)
        begins, ends = (np.where(none, -1, each) for each in (bounds[:-1], bounds[1:]))
        return cls(b"".join(held), begins, ends)

    def __len__(self) -> int:
        return len(self.begins)

    @overload
    def __getitem__(self, at: int) -> bytes | None: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> bytes | Self | None:
        if isinstance(at, slice):
            return type(self)(self.text, self.begins[at], self.ends[at])
        begin = self.begins[at]
        return None if begin < 0 else self.text[begin : self.ends[at]]

    def __iter__(self) -> Iterator[bytes | None]:
        text = self.text
        for begin, end in zip(self.begins.tolist(), self.ends.tolist(), strict=True):
            yield None if begin < 0 else text[begin:end]

    def __repr__(self) -> str:
        return f"Messages.of({list(self)})"

    def take(self, at: NDArray[np.intp]) -> Self:
        """Those at these positions."""
        return type(self)(self.text, self.begins[at], self.ends[at])


def size(values: Sequence[bytes | None]) -> int:
    """Bytes of all of them."""
    if isinstance(values, Messages):
        return int((values.ends - values.begins).sum())
    return sum(map(len, filter(None, values)))
