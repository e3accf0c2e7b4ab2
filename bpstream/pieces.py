"""Pieces: columns of JSON text of fixed width, side by side, from which lines are squeezed.

A piece is an array of bytes (`S`), as wide as its longest text.  What a text leaves empty are
zeros, which JSON never holds: they are taken out of all the lines at once.  So a line costs no
object but itself.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Texts = NDArray[np.bytes_]
Piece = Texts | bytes | list[bytes]
"""A text of each line, shape ``(n,)``, or the same of all; listed where one of them is long."""

encode = msgspec.json.Encoder().encode

_AT_ONCE = 512 * 1024
"""Bytes of lines side by side: what a processor has at hand."""
_LONG = 2000
"""Of a text in bytes: one of a megabyte must not make all the others as wide."""
_PLACE = b"\1"
"""Stands for a long text; no JSON holds it."""


def lines(pieces: Sequence[Piece], n: int) -> list[bytes]:
    """The `n` lines, without their ends."""
    listed = [piece for piece in pieces if isinstance(piece, list)]
    columns = [np.array(_PLACE if isinstance(piece, list) else piece) for piece in pieces]
    row = np.dtype([*((f"{at}", text.dtype) for at, text in enumerate(columns)), ("end", "S1")])
    size = max(1, _AT_ONCE // row.itemsize)
    found: list[bytes] = []
    for start in range(0, n, size):
        rows = np.empty(min(size, n - start), row)
        for at, column in enumerate(columns):
            rows[f"{at}"] = column[start : start + size] if column.ndim else column
        rows["end"] = b"\n"
        found += rows.tobytes().translate(None, b"\0")[:-1].split(b"\n")
    return found if not listed else list(map(_filled, found, zip(*listed, strict=True)))


def _filled(line: bytes, long: Iterable[bytes]) -> bytes:
    first, *others = line.split(_PLACE)
    return first + b"".join(chain.from_iterable(zip(long, others, strict=True)))


def texts(listed: list[bytes]) -> Piece:
    """One of each line."""
    return listed if max(map(len, listed), default=0) > _LONG else np.array(listed, np.bytes_)


def numbers(values: NDArray[Any]) -> Texts:
    """Each as JSON; null for NaN."""
    different, which = np.unique(values, return_inverse=True)
    if not len(different):
        return np.zeros(0, "S1")
    return np.array(encode(different.tolist())[1:-1].split(b","))[which]


def few(render: Callable[[int], bytes], values: NDArray[Any]) -> Texts:
    """What is made of each; of few different ones, once."""
    different, which = np.unique(values, return_inverse=True)
    return np.array([render(each) for each in different.tolist()] or [b""])[which]


def escaped(values: Sequence[str]) -> Piece:
    """Each as it stands between the quotes of JSON."""
    together = "".join(values)
    plain = together.isascii() and together.isprintable()
    if not plain or '"' in together or "\\" in together:
        return texts([encode(value)[1:-1] for value in values])
    lengths = set(map(len, values))
    if len(lengths) == 1 and together:
        return np.frombuffer(together.encode(), f"S{len(values[0])}")
    return texts(list(map(str.encode, values)))


def optional(name: str, values: Sequence[str | None]) -> list[Piece]:
    """A field that is left out where it is None."""
    known = [value for value in values if value is not None]
    pieces: list[Piece] = [f',"{name}":"'.encode(), escaped(known), b'"']
    if len(known) == len(values):
        return pieces
    at = np.array([place for place, value in enumerate(values) if value is not None], np.intp)
    return [spread(each, at, len(values)) for each in pieces]


def spread(piece: Piece, positions: NDArray[np.intp], n: int) -> Piece:
    """The texts at their positions of `n`, ascending, and nothing between them."""
    if len(positions) == n:
        return piece
    if isinstance(piece, list):
        listed = [b""] * n
        for position, text in zip(positions.tolist(), piece, strict=True):
            listed[position] = text
        return listed
    found = np.zeros(n, np.array(piece).dtype)
    found[positions] = piece
    return found
