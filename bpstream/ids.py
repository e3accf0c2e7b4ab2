"""Ids: different texts, each at a position that stays its own, found without a string of each."""

from ctypes import CDLL, Structure, byref, c_int64, c_uint64, c_void_p
from itertools import count
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bpstream.compiled import LOOPS, SECRET, address
from bpstream.jsonlines import Parts, lines, parts
from bpstream.texts import Texts

_FIRST_CAPACITY = 256
_MANY = 1 << 18
"""More than twice as many as there are is asked for up to here: not every system promises what it
may not have."""


def roomy(count: int) -> int:
    """For how many there is to be room, where there is none for `count`.

    Room that nobody is in yet takes no memory; to move what is there into a larger one does.
    """
    return max(_FIRST_CAPACITY, 2 * count, min(16 * count, count + _MANY))


class Ids(Protocol):
    """Texts that differ; the first has position 0, the next 1, and so on."""

    def __len__(self) -> int: ...

    def find(self, texts: Parts) -> NDArray[np.intp]:
        """The position of each, -1 where there is none, shape ``(n,)``."""

    def add(self, texts: Parts) -> NDArray[np.intp]:
        """The position of each, shape ``(n,)``; those that are not there get the next ones."""

    def take(self, at: NDArray[np.intp]) -> Texts:
        """The texts at these positions."""


def ids(*, loops: CDLL | None = LOOPS) -> Ids:
    """None yet."""
    return _ByText() if loops is None else _ByHash(loops)


class _ByText:
    """By Python's own dictionary."""

    def __init__(self) -> None:
        self._position: dict[bytes, int] = {}
        self._texts: list[bytes] = []

    def __len__(self) -> int:
        return len(self._texts)

    def find(self, texts: Parts) -> NDArray[np.intp]:
        return np.array([self._position.get(each, -1) for each in texts.each()], np.intp)

    def add(self, texts: Parts) -> NDArray[np.intp]:
        each = texts.each()
        new = [text for text in dict.fromkeys(each) if text not in self._position]
        self._position.update(zip(new, count(len(self._texts))))
        self._texts += new
        return np.array([self._position[text] for text in each], np.intp)

    def take(self, at: NDArray[np.intp]) -> Texts:
        texts = self._texts
        return Texts(parts([texts[position] for position in at.tolist()]), is_plain=False)


class _Held(Structure):
    """`ids` in loops.c."""

    _fields_ = (
        ("text", c_void_p),
        ("bounds", c_void_p),
        ("count", c_int64),
        ("table", c_void_p),
        ("slots", c_int64),
        ("secret", c_uint64),
    )


class _ByHash:
    """By loops in C, in three pieces of memory, where a dictionary has two objects of each."""

    def __init__(self, loops: CDLL) -> None:
        self._loops = loops
        self._held = _Held(secret=SECRET)
        self._text = np.empty(0, np.uint8)
        self._bounds = np.zeros(1, np.int64)
        self._table = np.zeros(2, np.uint64)
        self._tell()

    def __len__(self) -> int:
        return int(self._held.count)

    def find(self, texts: Parts) -> NDArray[np.intp]:
        texts = texts.contiguous()
        found = np.empty(len(texts.begins), np.intp)
        self._loops.find_ids(byref(self._held), *texts.addresses(), address(found))
        return found

    def add(self, texts: Parts) -> NDArray[np.intp]:
        texts = texts.contiguous()
        self._make_room(len(texts.begins), int((texts.ends - texts.begins).sum()))
        found = np.empty(len(texts.begins), np.intp)
        self._loops.add_ids(byref(self._held), *texts.addresses(), address(found))
        return found

    def take(self, at: NDArray[np.intp]) -> Texts:
        taken = Parts(self._text.data, self._bounds[at], self._bounds[at + 1])
        return Texts(lines([taken], len(at)), is_plain=False)

    def _make_room(self, more: int, size: int) -> None:
        """For so many more, which together have `size` bytes."""
        held = len(self)
        used = int(self._bounds[held])
        if used + size > len(self._text):
            self._text = _moved(self._text[:used], roomy(used + size))
        if held + more >= len(self._bounds):
            self._bounds = _moved(self._bounds[: held + 1], roomy(held + more + 1))
        # A third of the table is empty: so few slots are looked at in vain.
        full = 3 * (held + more) > 2 * len(self._table)
        if full:
            self._table = np.zeros(1 << (3 * (held + more) // 2).bit_length(), np.uint64)
        self._tell()
        if full:
            self._loops.place_ids(byref(self._held))

    def _tell(self) -> None:
        """Tell the loops where everything is."""
        held = self._held
        held.text, held.bounds = address(self._text), address(self._bounds)
        held.table = address(self._table)
        held.slots = len(self._table)


def _moved(held: NDArray[Any], capacity: int) -> NDArray[Any]:
    """The same, with room for more."""
    moved = np.empty(capacity, held.dtype)
    moved[: len(held)] = held
    return moved
