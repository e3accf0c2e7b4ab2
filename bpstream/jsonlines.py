"""Lines of JSON put together of columns, where an object a line would cost more than its text.

A piece of a line is bytes that every line has, or a column of them: an array of fixed width, in
which what is shorter is padded with NUL.  JSON has no NUL: the padding goes in the end, all at
once.
"""

from collections.abc import Sequence
from ctypes import CDLL
from functools import lru_cache
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.compiled import LOOPS, address

Column = NDArray[np.bytes_]
Piece = bytes | Column

_AT_ONCE = 256
"""Lines: with their padding they take as much memory as a core has at hand."""

_FEW = 100
"""So few numbers are written sooner than those that are equal are found, or the digits of each."""

_encode = msgspec.json.Encoder().encode
_PRINTABLE = 0x20
"""The first byte that JSON does not escape."""

# Of a number's digits behind the point the first three, where others follow or none, and those.
_FIRST = np.array([b".%03d" % each for each in range(1000)])
_ALL = np.array([(b".%03d" % each).rstrip(b"0") if each else b".0" for each in range(1000)])
_OTHERS = np.array([(b"%03d" % each).rstrip(b"0") for each in range(1000)])
_WHOLE = np.array([b"%d" % each for each in range(1000)])


class Lines(NamedTuple):
    """Lines of JSON, one after the other."""

    text: bytes
    bounds: list[int]
    """Where in `text` each line begins, and where the last one ends: n + 1."""


def lines(pieces: Sequence[Piece], n: int, *, loops: CDLL | None = LOOPS) -> Lines:
    """`n` lines of these pieces.  What ends a line is a piece as well, and stands nowhere else."""
    return _padded(pieces, n) if loops is None else _compiled(loops, pieces, n)


def _compiled(loops: CDLL, pieces: Sequence[Piece], n: int) -> Lines:
    """The same, by a loop in C that copies each piece to its place."""
    held = _Held.of(pieces)
    out = np.empty(min(n, _AT_ONCE) * held.width, np.uint8)
    ends, parts, size = np.empty(n, np.int64), list[bytes](), 0
    for first in range(0, n, _AT_ONCE):
        some = ends[first : first + _AT_ONCE]
        written = loops.write_lines(
            address(held.table), len(pieces), first, first + len(some), address(out), address(some)
        )
        parts.append(out[:written].tobytes())
        some += size
        size += written
    return Lines(b"".join(parts), [0, *ends.tolist()])


class _Held(NamedTuple):
    """Pieces as the loops want them."""

    table: NDArray[np.int64]
    """Of each piece, what `struct piece` has in loops.c."""
    width: int
    """The most bytes that a line has."""
    columns: list[NDArray[Any]]
    """Where the pieces are: in memory as long as these are held."""

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Self:
        columns, table = list[NDArray[Any]](), list[tuple[int, int, int]]()
        for piece in pieces:
            if isinstance(piece, bytes):
                columns.append(np.frombuffer(piece + b"\0", np.uint8))
                table.append((address(columns[-1]), len(piece), 0))
            else:
                columns.append(np.ascontiguousarray(piece))
                table.append((address(columns[-1]), piece.itemsize, piece.itemsize))
        return cls(np.array(table, np.int64), sum(width for _, width, _ in table), columns)


def _padded(pieces: Sequence[Piece], n: int) -> Lines:
    """The same, by NumPy: pieces of fixed width, and then the padding is dropped."""
    text = b"".join(
        beside([_some(piece, start) for piece in pieces], min(n - start, _AT_ONCE), loops=None)
        .tobytes()
        .translate(None, b"\0")
        for start in range(0, n, _AT_ONCE)
    )
    return Lines(text, bounds_of(text))


def _some(piece: Piece, start: int) -> Piece:
    return piece if isinstance(piece, bytes) else piece[start : start + _AT_ONCE]


def bounds_of(text: bytes) -> list[int]:
    """Where each line of `text` begins, and where the last one ends."""
    bounds, find = [0], text.find
    while end := find(b"\n", bounds[-1]) + 1:
        bounds.append(end)
    return bounds


def beside(pieces: Sequence[Piece], n: int, *, loops: CDLL | None = LOOPS) -> Column:
    """The pieces of each of `n` lines beside each other, as one column."""
    if loops is not None:
        held = _Held.of(pieces)
        column = np.empty(n, f"S{held.width}")
        loops.write_column(address(held.table), len(pieces), n, address(column), held.width)
        return column
    frame = _frame(tuple(p if isinstance(p, bytes) else _width(p) for p in pieces))
    rows = np.repeat(frame, n)
    for name, piece in zip(frame.dtype.names or (), pieces, strict=True):
        if not isinstance(piece, bytes):
            rows[name] = piece
    return rows.view(f"S{rows.itemsize}")


@lru_cache(maxsize=256)
def _frame(pieces: tuple[bytes | int, ...]) -> NDArray[np.void]:
    """A line with what all lines have, and room of these widths for the rest."""
    widths = [len(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    frame = np.zeros(1, [(f"{at}", f"S{width}") for at, width in enumerate(widths)])
    for at, piece in enumerate(pieces):
        if isinstance(piece, bytes):
            frame[f"{at}"] = piece
    return frame


def _width(column: Column) -> int:
    # Rounded up: few widths are few frames.
    return -(-column.dtype.itemsize // 8) * 8


def spread(column: Column, at: NDArray[np.intp], n: int) -> Column:
    """A column of the lines `at` as one of all `n`: the others have nothing."""
    if len(at) == n:
        return column
    spread = np.zeros(n, column.dtype)
    spread[at] = column
    return spread


def texts(strings: Sequence[str]) -> Column:
    """Strings as they stand in JSON, without the quotes."""
    together = "".join(strings).encode()
    lowest = np.frombuffer(together, np.uint8).min(initial=_PRINTABLE)
    if lowest < _PRINTABLE or b'"' in together or b"\\" in together:
        return np.array([_encode(each)[1:-1] for each in strings], np.bytes_)
    lengths = set(map(len, strings))
    if len(lengths) == 1 and 0 < len(together) == len(strings) * max(lengths):
        return np.frombuffer(together, f"S{max(lengths)}")
    return np.array([each.encode() for each in strings], np.bytes_)


def optional(key: str, strings: Sequence[str | None]) -> Column:
    """The field, behind a comma, in lines that have the string."""
    there = [each for each in strings if each is not None]
    pieces: list[Piece] = [f',"{key}":"'.encode(), texts(there), b'"']
    fields, n = beside(pieces, len(there)), len(strings)
    if len(there) == n:
        return fields
    at = [position for position, each in enumerate(strings) if each is not None]
    return spread(fields, np.array(at, np.intp), n)


def numbers(values: NDArray[np.floating | np.integer], *, differ: bool = False) -> Column:
    """Numbers, many of them equal unless they `differ`; null for NaN."""
    if differ or len(values) < _FEW:
        return _numbers(values)
    if (values == values[0]).all():
        return np.repeat(_numbers(values[:1]), len(values))
    distinct, which = np.unique(values, return_inverse=True)
    found: Column = _numbers(distinct)[which]
    return found


def _numbers(values: NDArray[np.floating | np.integer]) -> Column:
    return np.array(_encode(values.tolist())[1:-1].split(b","))[: len(values)]


def decimals(values: NDArray[np.float64]) -> list[Piece]:
    """Numbers, as a rule below 1,000 and to the third digit; null for NaN."""
    if len(values) < _FEW:
        return [_numbers(values)]
    unknown = np.isnan(values)
    size = np.abs(np.where(unknown, 0.0, values))
    thousandths = np.rint(np.minimum(size, 1000.0) * 1000)
    if not ((thousandths < 1_000_000) & (thousandths / 1000 == size)).all():
        return [numbers(values)]
    whole, rest = np.divmod(thousandths.astype(np.int64), 1000)
    found: list[Column] = [_WHOLE[whole], _ALL[rest]]
    below = values < 0
    if below.any():
        found.insert(0, np.where(below, b"-", b""))
    return _or_null(found, unknown)


def probabilities(values: NDArray[np.float64]) -> list[Piece]:
    """Numbers from 0 to 1 to six digits; null for NaN."""
    unknown = np.isnan(values)
    millionths = np.rint(np.where(unknown, 0.0, values) * 1e6).astype(np.int64)
    thousandths, others = np.divmod(millionths, 1000)
    one, thousandths = np.divmod(thousandths, 1000)
    point = np.where(others > 0, _FIRST[thousandths], _ALL[thousandths])
    return _or_null([np.where(one > 0, b"1", b"0"), point, _OTHERS[others]], unknown)


def _or_null(pieces: Sequence[Column], unknown: NDArray[np.bool_]) -> list[Piece]:
    """The pieces of a number each, or null in their place."""
    if not unknown.any():
        return [*pieces]
    instead = [b"null", *[b""] * (len(pieces) - 1)]
    return [np.where(unknown, *each) for each in zip(instead, pieces, strict=True)]
