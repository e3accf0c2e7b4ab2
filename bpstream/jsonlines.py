"""Lines of JSON put together of columns, where an object a line would cost more than its text."""

from collections.abc import Iterable, Sequence
from ctypes import CDLL
from itertools import repeat
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.compiled import LOOPS, Memory, address


class Parts(NamedTuple):
    """A part of one text for each line."""

    text: bytes | memoryview
    begins: NDArray[np.int64]
    """Where in `text` each part begins, shape ``(n,)``."""
    ends: NDArray[np.int64]
    """Where it ends; where it begins, if the line has nothing of it."""

    def contiguous(self) -> Self:
        """The same, with bounds as the loops in C read them."""
        begins, ends = map(np.ascontiguousarray, (self.begins, self.ends))
        return self._replace(begins=begins, ends=ends)

    def addresses(self) -> tuple[int, ...]:
        """Of contiguous ones: text, both bounds, and how many; only while somebody holds them."""
        return *map(address, self), len(self.begins)

    def each(self) -> list[bytes]:
        """The part of each line."""
        text, bounds = bytes(self.text), zip(self.begins.tolist(), self.ends.tolist(), strict=True)
        return [text[begin:end] for begin, end in bounds]

    def sizes(self) -> list[int]:
        """Bytes of each."""
        sizes: list[int] = (self.ends - self.begins).tolist()
        return sizes

    def take(self, at: NDArray[np.intp] | Sequence[int] | slice) -> Self:
        """Those of the lines `at`; the text is shared, not copied."""
        return self._replace(begins=self.begins[at], ends=self.ends[at])

    def joined(self) -> bytes | memoryview:
        """The parts, one after the other; not copied where they stand so."""
        n = len(self.begins)
        if not n or (self.begins[1:] != self.ends[:-1]).any():
            return lines([self], n).text
        return memoryview(self.text)[self.begins[0] : self.ends[-1]]

    def where(self, there: NDArray[np.bool_]) -> Self:
        """The same, with nothing for the other lines."""
        return self._replace(ends=np.where(there, self.ends, self.begins))

    def spread(self, at: NDArray[np.intp], n: int) -> Self:
        """The parts of the lines `at` as those of all `n`: the others have nothing."""
        if len(at) == n:
            return self
        begins, ends = np.zeros((2, n), np.int64)
        begins[at], ends[at] = self.begins, self.ends
        return self._replace(begins=begins, ends=ends)


Bytes = NDArray[np.bytes_]
"""What is shorter than the column is wide is padded with NUL, which JSON does not have."""
Numbers = NDArray[np.float64] | NDArray[np.integer[Any]]
"""Written as msgspec does; NaN is null."""
Moments = NDArray[np.datetime64]
"""In µs, of the years 0 to 9999; written as ISO 8601 without the zone."""
Piece = bytes | Bytes | Numbers | Moments | Parts
"""Bytes that every line has, or a column of shape ``(n,)``."""

_AT_ONCE = 256  # lines

_encode = msgspec.json.Encoder().encode

_CONSTANT, _BYTES, _WHOLE, _DECIMAL, _MOMENT, _PARTS = range(6)  # loops.c, enum form
_VALUES: dict[str, tuple[int, Any]] = {
    "f": (_DECIMAL, np.float64),
    "i": (_WHOLE, np.int64),
    "u": (_WHOLE, np.int64),
    "M": (_MOMENT, "M8[us]"),
}
"""By kind of column, how it is written, and of what."""
_LONGEST_VALUE = 26


def lines(pieces: Sequence[Piece], n: int, *, loops: CDLL | None = LOOPS) -> Parts:
    """`n` lines of these pieces, one after the other.  What ends a line is a piece as well."""
    if loops is None:
        return _joined(pieces, n)
    try:
        return _compiled(loops, pieces, n)
    except ValueError:
        # Some number has more digits than the loop writes.
        return _compiled(loops, [_in_digits(piece, n) for piece in pieces], n)


def items(column: NDArray[Any]) -> Parts:
    """The bytes of each item of a contiguous column, for each line."""
    width = column.itemsize
    begins = np.arange(0, column.nbytes, width)
    return Parts(column.view(np.uint8).data, begins, begins + width)


def parts(texts: Sequence[bytes]) -> Parts:
    """A text for each line."""
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    return Parts(b"".join(texts), _begins(ends), ends)


def _compiled(loops: CDLL, pieces: Sequence[Piece], n: int) -> Parts:
    """By a loop in C that writes each piece in its place.

    Raises ValueError for a number that it does not write.
    """
    table, most, _held = _table(pieces, n)
    out, ends = np.empty(most, np.uint8), np.empty(n, np.int64)
    written = loops.write_lines(address(table), len(table), address(out), address(ends), n)
    if written < 0:
        raise ValueError
    return Parts(out.data[:written], _begins(ends), ends)


def _table(pieces: Sequence[Piece], n: int) -> tuple[NDArray[np.int64], int, list[Memory]]:
    """Each piece as `struct piece` in loops.c, the most bytes that all lines take, and what has to
    be held while that is used.
    """
    table, most, held = list[tuple[int, ...]](), 0, list[Memory]()

    def hold(memory: Memory) -> int:
        held.append(np.ascontiguousarray(memory) if isinstance(memory, np.ndarray) else memory)
        return address(held[-1])

    constant = hold(b"".join([piece for piece in pieces if isinstance(piece, bytes)]))
    for piece in pieces:
        if isinstance(piece, bytes):
            table.append((_CONSTANT, constant, len(piece), 0, 0))
            constant += len(piece)
        elif isinstance(piece, Parts):
            bounds = hold(piece.begins), hold(piece.ends)
            table.append((_PARTS, hold(piece.text), 0, *bounds))
            most += int((piece.ends - piece.begins).sum())
        elif piece.dtype.kind == "S":
            table.append((_BYTES, hold(piece), piece.itemsize, 0, 0))
        else:
            form, kind = _VALUES[piece.dtype.kind]
            values = piece.astype(kind, copy=False).view(f"V{np.dtype(kind).itemsize}")
            table.append((form, hold(values), _LONGEST_VALUE, 0, 0))
    most += n * sum(width for _, _, width, _, _ in table)
    return np.array(table, np.int64).reshape(-1, 5), most, held


def _in_digits(piece: Piece, n: int) -> Piece:
    """What the loop may not be able to write, as texts."""
    is_told = isinstance(piece, np.ndarray) and piece.dtype.kind in "fM"
    return parts([*_each(piece, slice(0, n))]) if is_told else piece


def _begins(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of parts one after the other."""
    begins = np.zeros(len(ends), np.int64)
    begins[1:] = ends[:-1]
    return begins


def _joined(pieces: Sequence[Piece], n: int) -> Parts:
    """By Python: the bytes of each piece, line by line."""
    joined = list[bytes]()
    for first in range(0, n, _AT_ONCE):
        # As many as take the memory that a core has at hand.
        some = slice(first, min(first + _AT_ONCE, n))
        columns = [_each(piece, some) for piece in pieces]
        joined += map(b"".join, zip(*columns, strict=True))
    return parts(joined)


def _each(piece: Piece, some: slice) -> Iterable[bytes]:
    """What each of these lines has of it."""
    if isinstance(piece, bytes):
        return repeat(piece, some.stop - some.start)
    if isinstance(piece, Parts):
        return piece.take(some).each()
    if piece.dtype.kind == "M":
        piece = piece.astype("S26")
    values: list[Any] = piece[some].tolist()
    return values if piece.dtype.kind == "S" else _encode(values)[1:-1].split(b",")
