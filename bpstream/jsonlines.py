"""Lines of JSON put together of columns, where an object a line would cost more than its text."""

from collections.abc import Sequence
from ctypes import CDLL
from functools import lru_cache
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.compiled import LOOPS, address


class Parts(NamedTuple):
    """A part of one text for each line."""

    text: bytes
    begins: NDArray[np.int64]
    """Where in `text` each part begins, shape ``(n,)``."""
    ends: NDArray[np.int64]
    """Where it ends; where it begins, if the line has nothing of it."""

    def each(self) -> list[bytes]:
        """The part of each line."""
        text, bounds = self.text, zip(self.begins.tolist(), self.ends.tolist(), strict=True)
        return [text[begin:end] for begin, end in bounds]

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
Piece = bytes | Bytes | Numbers | Parts
"""Bytes that every line has, or a column of shape ``(n,)``."""

_AT_ONCE = 256
"""Lines: they take as much memory as a core has at hand."""

_encode = msgspec.json.Encoder().encode
_PRINTABLE = 0x20
"""The first byte that JSON does not escape."""

_CONSTANT, _BYTES, _WHOLE, _DECIMAL, _PARTS = range(5)  # loops.c, enum form
_LONGEST_NUMBER = 24


def lines(pieces: Sequence[Piece], n: int, *, loops: CDLL | None = LOOPS) -> Parts:
    """`n` lines of these pieces, one after the other.  What ends a line is a piece as well."""
    if loops is None:
        return _padded(pieces, n)
    try:
        return _compiled(loops, pieces, n)
    except ValueError:
        # A number has more digits than the loop writes.
        return _compiled(
            loops,
            [_in_bytes(piece) if isinstance(piece, np.ndarray) else piece for piece in pieces],
            n,
        )


def texts(strings: Sequence[str]) -> Parts:
    """Strings as they stand in JSON, without the quotes."""
    joined = "".join(strings)
    together = joined.encode()
    lowest = np.frombuffer(together, np.uint8).min(initial=_PRINTABLE)
    if lowest < _PRINTABLE or b'"' in together or b"\\" in together:
        return parts([_encode(each)[1:-1] for each in strings])
    if len(together) > len(joined):
        return parts([each.encode() for each in strings])
    return _cut(together, strings)


def optional(key: str, strings: Sequence[str | None]) -> Parts:
    """The field, behind a comma, in lines that have the string."""
    there = [each for each in strings if each is not None]
    fields = lines([f',"{key}":"'.encode(), texts(there), b'"'], len(there))
    if len(there) == len(strings):
        return fields
    at = [position for position, each in enumerate(strings) if each is not None]
    return fields.spread(np.array(at, np.intp), len(strings))


def parts(texts: Sequence[bytes]) -> Parts:
    """A text for each line."""
    return _cut(b"".join(texts), texts)


def _cut(together: bytes, texts: Sequence[str] | Sequence[bytes]) -> Parts:
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    return Parts(together, _begins(ends), ends)


def _compiled(loops: CDLL, pieces: Sequence[Piece], n: int) -> Parts:
    """By a loop in C that writes each piece in its place.

    Raises ValueError for a number that it does not write.
    """
    table, _held = _table(pieces)
    out = np.empty(min(n, _AT_ONCE) * int(table[:, 2].sum()), np.uint8)
    ends, blocks, size = np.empty(n, np.int64), list[bytes](), 0
    for first in range(0, n, _AT_ONCE):
        some = ends[first : first + _AT_ONCE]
        written = loops.write_lines(
            address(table), len(table), first, first + len(some), address(out), address(some)
        )
        if written < 0:
            raise ValueError
        blocks.append(out[:written].tobytes())
        some += size
        size += written
    return Parts(b"".join(blocks), _begins(ends), ends)


def _table(pieces: Sequence[Piece]) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
    """Each piece as `struct piece` in loops.c, and what has to be held while that is used."""
    table, held = list[tuple[int, ...]](), list[NDArray[Any]]()

    def hold(column: NDArray[Any]) -> int:
        held.append(np.ascontiguousarray(column))
        return address(held[-1])

    for piece in pieces:
        if isinstance(piece, bytes):
            table.append((_CONSTANT, hold(np.frombuffer(piece, np.uint8)), len(piece), 0, 0))
        elif isinstance(piece, Parts):
            text, most = (
                np.frombuffer(piece.text, np.uint8),
                (piece.ends - piece.begins).max(initial=0),
            )
            table.append((_PARTS, hold(text), most, hold(piece.begins), hold(piece.ends)))
        elif piece.dtype.kind == "S":
            table.append((_BYTES, hold(piece), piece.itemsize, 0, 0))
        else:
            form, kind = (_DECIMAL, np.float64) if piece.dtype.kind == "f" else (_WHOLE, np.int64)
            table.append((form, hold(piece.astype(kind, copy=False)), _LONGEST_NUMBER, 0, 0))
    return np.array(table, np.int64).reshape(-1, 5), held


def _begins(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of parts one after the other."""
    begins = np.zeros(len(ends), np.int64)
    begins[1:] = ends[:-1]
    return begins


def _padded(pieces: Sequence[Piece], n: int) -> Parts:
    """By NumPy: columns of fixed width beside each other, and then the padding is dropped."""
    columns = [piece if isinstance(piece, bytes) else _in_bytes(piece) for piece in pieces]
    frame = _frame(tuple(p if isinstance(p, bytes) else _width(p) for p in columns))
    blocks, lengths = list[bytes](), np.zeros(n, np.int64)
    for first in range(0, n, _AT_ONCE):
        rows = np.repeat(frame, min(n - first, _AT_ONCE))
        for name, column in zip(frame.dtype.names or (), columns, strict=True):
            if not isinstance(column, bytes):
                rows[name] = column[first : first + _AT_ONCE]
        blocks.append(rows.tobytes().translate(None, b"\0"))
    for column in columns:
        lengths += len(column) if isinstance(column, bytes) else np.strings.str_len(column)
    ends = np.cumsum(lengths)
    return Parts(b"".join(blocks), _begins(ends), ends)


def _in_bytes(piece: Bytes | Numbers | Parts) -> Bytes:
    """A column as one of bytes."""
    if isinstance(piece, Parts):
        return np.array(piece.each(), np.bytes_)
    if piece.dtype.kind == "S":
        return piece.astype(np.bytes_, copy=False)
    return np.array(_encode(piece.tolist())[1:-1].split(b","), np.bytes_)[: len(piece)]


@lru_cache(maxsize=256)
def _frame(pieces: tuple[bytes | int, ...]) -> NDArray[np.void]:
    """A line with what all lines have, and room of these widths for the rest."""
    widths = [len(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    frame = np.zeros(1, [(f"{at}", f"S{width}") for at, width in enumerate(widths)])
    for at, piece in enumerate(pieces):
        if isinstance(piece, bytes):
            frame[f"{at}"] = piece
    return frame


def _width(column: Bytes) -> int:
    # Rounded up: few widths are few frames.
    return -(-column.dtype.itemsize // 8) * 8
