"""Texts that few values make over and over: each combination of values is rendered once."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Text = TypeVar("Text")

_MOST_KNOWN = 50_000


class Rendered(Generic[Text]):
    """What is made of rows of numbers.  NaN is a number like another."""

    def __init__(self, render: Callable[..., Text]) -> None:
        self._render, self._known = render, dict[bytes, Text]()

    def of(self, *columns: NDArray[Any]) -> list[Text]:
        """Of each row of `columns`, all of shape ``(n,)``."""
        rows = np.empty(len(columns[0]), [("", column.dtype) for column in columns])
        for name, column in zip(rows.dtype.names or (), columns, strict=True):
            rows[name] = column
        keys: list[bytes] = rows.view(f"V{rows.itemsize}").tolist()
        known = self._known
        try:
            return list(map(known.__getitem__, keys))
        except KeyError:
            self._learn(keys, rows)
            return list(map(self._known.__getitem__, keys))

    def _learn(self, keys: list[bytes], rows: NDArray[np.void]) -> None:
        known = self._known
        if len(known) > _MOST_KNOWN:
            known.clear()
        for key, row in zip(keys, rows.tolist(), strict=True):
            if key not in known:
                known[key] = self._render(*row)
