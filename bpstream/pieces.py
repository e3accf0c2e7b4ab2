"""Pieces: columns as pieces of JSON text, which are joined to lines.

A line takes two thirds of what an object and its encoding take: a column of numbers is
encoded at once, and what few lines have different is encoded once.
"""

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

Text = TypeVar("Text")
Column = bytes | Iterable[bytes]
"""A piece of each line, or the same piece of all of them."""

encode = msgspec.json.Encoder().encode

_MOST_KNOWN = 200_000


class Rendered(Generic[Text]):
    """What is made of a few values, each combination of them once."""

    def __init__(self, render: Callable[..., Text]) -> None:
        self._render, self._known = render, dict[bytes, Text]()

    def of(self, *columns: NDArray[Any]) -> list[Text]:
        """Of each row of `columns`, all of shape ``(n,)``."""
        rows = np.empty(len(columns[0]), [("", column.dtype) for column in columns])
        for name, column in zip(rows.dtype.names or (), columns, strict=True):
            rows[name] = column
        known = self._known
        keys = rows.view(f"V{rows.itemsize}").tolist()
        found: list[Any] = list(map(known.get, keys))
        if None in found:
            if len(known) > _MOST_KNOWN:
                known.clear()
            new = [at for at, text in enumerate(found) if text is None]
            for at, row in zip(new, rows[new].tolist(), strict=True):
                found[at] = known[keys[at]] = self._render(*row)
        return found


def joined(columns: Iterable[Column]) -> list[bytes]:
    """The lines.  One column at least has a piece for each."""
    # Column by column: to take turns between them costs a quarter more.
    pieces = [repeat(each) if isinstance(each, bytes) else list(each) for each in columns]
    return list(map(b"".join, zip(*pieces, strict=False)))


def numbers(values: NDArray[np.float64]) -> list[bytes]:
    """Each as JSON.  `values` has shape ``(n,)``."""
    return encode(values.tolist())[1:-1].split(b",") if len(values) else []


def whole(values: NDArray[np.integer[Any]]) -> Column:
    """Each as JSON, or all of them where they are the same."""
    if len(values) and (values == values[0]).all():
        return b"%d" % values[0]
    return encode(values.tolist())[1:-1].split(b",")


def escaped(texts: list[str]) -> list[bytes]:
    """Each as it stands between the quotes of JSON."""
    together = "".join(texts)
    if together.isascii() and together.isprintable() and not ('"' in together or "\\" in together):
        return list(map(str.encode, texts))
    return [encode(text)[1:-1] for text in texts]


def optional(name: str, texts: list[str | None]) -> list[Column]:
    """A field that is left out where it is None."""
    known = [text for text in texts if text is not None]
    if len(known) == len(texts):
        return [f',"{name}":"'.encode(), escaped(known), b'"']
    at = np.array([position for position, text in enumerate(texts) if text is not None], np.intp)
    fields = (b',"%b":%b' % (name.encode(), encode(text)) for text in known)
    return [spread(fields, at, len(texts))]


def spread(texts: Column, positions: NDArray[np.intp], n: int) -> Column:
    """The texts at their positions of `n`, ascending, and nothing between them."""
    if len(positions) == n:
        return texts
    spread = np.full(n, b"", object)
    spread[positions] = texts if isinstance(texts, bytes) else list(texts)
    listed: list[bytes] = spread.tolist()
    return listed
