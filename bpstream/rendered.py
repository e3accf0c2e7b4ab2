"""Texts that few values make over and over: each combination of values is rendered once."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from bpstream.jsonlines import Parts, items, parts
from bpstream.texts import alike

Text = TypeVar("Text")

_MOST_KNOWN = 10_000


class Rendered(Generic[Text]):
    """What is made of rows of numbers.  NaN is a number like another."""

    def __init__(self, render: Callable[..., Text]) -> None:
        self._render, self._known = render, dict[bytes, int]()
        self.texts: list[Text] = []
        """All that is known; of too many, none."""

    def of(self, *columns: NDArray[Any]) -> list[Text]:
        """Of each row of `columns`, all of shape ``(n,)``."""
        places = self.places(*columns).tolist()
        texts = self.texts
        return [texts[place] for place in places]

    def places(self, *columns: NDArray[Any]) -> NDArray[np.intp]:
        """Where in `texts` that of each row is."""
        rows = np.empty((len(columns[0]), len(columns)), np.int64)
        for nth, column in enumerate(columns):
            if column.dtype.kind == "f":
                column = column.astype(np.float64, copy=False).view(np.int64)  # noqa: PLW2901
            rows[:, nth] = column
        packed = rows.view(f"V{rows.itemsize * len(columns)}").ravel()
        groups, firsts = alike(items(packed))
        keys: list[bytes] = packed[firsts].tolist()
        if not self._known.keys() >= set(keys):
            self._learn(keys, [column[firsts].tolist() for column in columns])
        known = self._known
        return np.array([known[key] for key in keys], np.intp)[groups]

    def _learn(self, keys: list[bytes], columns: list[list[float]]) -> None:
        if len(self._known) > _MOST_KNOWN:
            self._known, self.texts = {}, []
        known, texts = self._known, self.texts
        for key, row in zip(keys, zip(*columns, strict=True), strict=True):
            if key not in known:
                known[key] = len(texts)
                texts.append(self._render(*row))


class Phrases:
    """The same, of which several parts of a line are made."""

    def __init__(self, render: Callable[..., tuple[bytes, ...]]) -> None:
        """`render` makes as many texts of any row."""
        self._rendered = Rendered(render)
        self._texts, self._count = self._rendered.texts, 0
        self._parts: list[Parts] = []

    def of(self, *columns: NDArray[Any]) -> list[Parts]:
        """One for each of the texts, each with that of every row; of no rows there may be none."""
        places, texts = self._rendered.places(*columns), self._rendered.texts
        if self._texts is not texts or self._count < len(texts):
            self._texts, self._count = texts, len(texts)
            self._parts = [parts(each) for each in zip(*texts, strict=True)]
        return [each.take(places) for each in self._parts]
