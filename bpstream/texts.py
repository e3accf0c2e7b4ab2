"""Texts: strings in columns.

What stands in a message goes into a document as it is: few of the strings are asked for, and to
make one costs more than to copy what it says.
"""

from collections.abc import Iterator, Sequence
from ctypes import CDLL
from itertools import chain
from typing import NamedTuple, Self, TypeVar, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.compiled import LOOPS, SECRET, address
from bpstream.jsonlines import Parts, Piece, lines, parts
from bpstream.listed import Listed

_encode = msgspec.json.Encoder().encode
_PRINTABLE = 0x20
"""The first byte that JSON does not escape."""


class Alike(NamedTuple):
    """Which of n texts are the same."""

    groups: NDArray[np.intp]
    """Of each text, which of the different ones it is, shape ``(n,)``."""
    firsts: NDArray[np.intp]
    """Where each different one is first, ascending."""


def alike(texts: Parts, *, loops: CDLL | None = LOOPS) -> Alike:
    """Tell which of them are the same."""
    if loops is None:
        known = dict[bytes, int]()
        of_each = [known.setdefault(each, at) for at, each in enumerate(texts.each())]
        firsts = np.array([*known.values()], np.intp)
        return Alike(np.searchsorted(firsts, of_each), firsts)
    n, texts = len(texts.begins), texts.contiguous()
    table = np.full(2 << n.bit_length(), -1, np.int64)
    found = Alike(*np.empty((2, n), np.intp))
    count = loops.find_alike(
        *texts.addresses(), address(table), len(table), SECRET, *map(address, found)
    )
    return found._replace(firsts=found.firsts[:count])


class Texts(Listed[str]):
    """Strings, made when they are asked for; what is taken of them shares their memory."""

    __slots__ = ("_alike", "_is_plain", "_lines", "_strings", "utf8")

    def __init__(
        self,
        utf8: Parts,
        *,
        is_plain: bool,
        lines: bytes | None = None,
        strings: list[str] | None = None,
    ) -> None:
        """`is_plain`: JSON has nothing to escape in it.

        Of `lines`, if it is all of them with an end each, `strings` are made at once.
        """
        self.utf8, self._is_plain = utf8, is_plain
        self._lines, self._strings = lines, strings
        self._alike: Alike | None = None

    @classmethod
    def of(cls, strings: Sequence[str]) -> "Texts":
        """These, put into one piece of memory unless they are."""
        if isinstance(strings, Texts):
            return strings
        held = list(strings)
        # What JSON escapes includes the end of a line: where nothing is to be escaped, each string
        # is between two of them.
        together = "\n".join([*held, ""]).encode()
        utf8 = _between_ends(together)
        if len(utf8.begins) > len(held) or b'"' in together or b"\\" in together:
            return cls(parts([each.encode() for each in held]), is_plain=False, strings=held)
        return cls(utf8, is_plain=True, strings=held)

    @classmethod
    def of_lines(cls, lines: bytes) -> Self:
        """Lines of text in which JSON has nothing to escape, each with its end."""
        return cls(_between_ends(lines), is_plain=True, lines=lines)

    @classmethod
    def joined(cls, several: Sequence["Texts"]) -> "Texts":
        """Those of each, one after the other."""
        if len(several) == 1:
            return several[0]
        sizes = np.concatenate([each.utf8.ends - each.utf8.begins for each in several])
        ends = np.cumsum(sizes)
        text = b"".join([each.utf8.joined() for each in several])
        is_plain = all(each._is_plain for each in several)
        return cls(Parts(text, ends - sizes, ends), is_plain=is_plain)

    def __len__(self) -> int:
        return len(self.utf8.begins)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> str | Self:
        if isinstance(at, slice):
            strings = None if self._strings is None else self._strings[at]
            return type(self)(self.utf8.take(at), is_plain=self._is_plain, strings=strings)
        return self.strings[at]

    def __iter__(self) -> Iterator[str]:
        return iter(self.strings)

    def __repr__(self) -> str:
        return f"Texts.of({self.strings})"

    @property
    def strings(self) -> list[str]:
        """All of them, as Python has them; not to be changed."""
        if self._strings is None and self._lines is not None:
            self._strings = self._lines.decode().split("\n")[:-1]
        elif self._strings is None:
            self._strings = [each.decode() for each in self.utf8.each()]
        return self._strings

    @property
    def alike(self) -> "Alike":
        """Which of them are the same."""
        if self._alike is None:
            self._alike = alike(self.utf8)
        return self._alike

    @property
    def json(self) -> Parts:
        """As they stand in JSON, without the quotes."""
        if self._is_plain:
            return self.utf8
        return parts([_encode(each)[1:-1] for each in self.strings])

    def take(self, at: NDArray[np.intp]) -> Self:
        """Those at these positions."""
        return type(self)(self.utf8.take(at), is_plain=self._is_plain)


def _between_ends(lines: bytes) -> Parts:
    """What stands between the ends of lines, or what else JSON escapes as it does these."""
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) < _PRINTABLE)
    begins = np.zeros(len(ends), np.int64)
    begins[1:] = ends[:-1] + 1
    return Parts(lines, begins, ends)


Maybe = TypeVar("Maybe", str, str | None)


def taken(strings: Sequence[Maybe], at: NDArray[np.intp]) -> Sequence[Maybe]:
    """Those at these positions."""
    if isinstance(strings, Texts):
        return strings.take(at)
    return [strings[position] for position in at.tolist()]


def together(several: Sequence[Sequence[Maybe]]) -> Sequence[Maybe]:
    """Those of each, one after the other."""
    texts = [each for each in several if isinstance(each, Texts)]
    return Texts.joined(texts) if len(texts) == len(several) else list(chain.from_iterable(several))


def optional(key: str, strings: Sequence[str | None]) -> list[Piece]:
    """The field, behind a comma, in lines of JSON that have the string."""
    begin = f',"{key}":"'.encode()
    if isinstance(strings, Texts):
        return [begin, strings.json, b'"']
    at = [position for position, each in enumerate(strings) if each is not None]
    there = Texts.of([each for each in strings if each is not None])
    field: list[Piece] = [begin, there.json, b'"']
    return [lines(field, len(there)).spread(np.array(at, np.intp), len(strings))]
