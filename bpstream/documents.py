"""Documents on their way to the stores: all their lines in one text, beside them columns.

Of a backlog there are fifty thousand a second: an object, and bytes of its own, for each of them
cost more than what it says.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from bpstream.document import Entry
from bpstream.jsonlines import Parts
from bpstream.listed import Listed
from bpstream.texts import Texts, taken, together

Positions = NDArray[np.intp]

_LINE_ENDS = ord("\n")


@dataclass(slots=True, frozen=True, eq=False)
class Columns:
    """What a store must know of each of n documents, and their lines."""

    document_id: Sequence[str]
    version: NDArray[np.int64]
    patient_id: Sequence[str]
    practitioner_id: Sequence[str | None]
    taken_at: NDArray[np.int64]
    """Microseconds since 1970-01-01 UTC."""
    text: bytes | memoryview
    """A line of JSON each, with its end."""
    bounds: NDArray[np.int64]
    """Where in `text` each line begins, and where the last one ends: shape ``(n + 1,)``."""


class Documents(Listed[Entry]):
    """Documents in columns, or some of them, in their order; each is an :class:`Entry` if asked."""

    __slots__ = ("_columns", "places")

    def __init__(self, columns: Columns, places: Positions | None = None) -> None:
        """`places` are the positions in the columns; all of them where there are none."""
        self._columns = columns
        self.places = np.arange(len(columns.document_id)) if places is None else places

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """The documents of entries."""
        held = list(entries)
        ids, versions, patients, practitioners, times, bodies = (
            zip(*held, strict=True) if held else ((),) * len(Entry._fields)
        )
        text = b"".join(chain.from_iterable((body, b"\n") for body in bodies))
        taken_at = np.array(times, np.int64)
        columns = (ids, np.array(versions, np.int64), patients, practitioners, taken_at)
        return cls(Columns(*columns, text, bounds_of(text)))

    @classmethod
    def joined(cls, parts: Sequence["Documents"]) -> "Documents":
        """The documents of one part or more, one after the other."""
        if len(parts) == 1:
            return parts[0]
        of_each = [part._own() for part in parts]
        text = b"".join([columns.text for columns in of_each])
        return cls(
            Columns(
                together([columns.document_id for columns in of_each]),
                np.concatenate([columns.version for columns in of_each]),
                together([columns.patient_id for columns in of_each]),
                together([columns.practitioner_id for columns in of_each]),
                np.concatenate([columns.taken_at for columns in of_each]),
                text,
                bounds_of(text),
            )
        )

    def take(self, at: Positions) -> Self:
        """The documents at these positions; the columns are shared, not copied."""
        return self if len(at) == len(self) else type(self)(self._columns, self.places[at])

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> Entry | Self:
        if isinstance(at, slice):
            return type(self)(self._columns, self.places[at])
        return self._entry(int(self.places[at]))

    def __iter__(self) -> Iterator[Entry]:
        return map(self._entry, self.places.tolist())

    def __repr__(self) -> str:
        return f"Documents.of({list(self)})"

    @property
    def document_ids(self) -> Texts:
        """Of each document."""
        return Texts.of(self._columns.document_id).take(self.places)

    @property
    def version(self) -> NDArray[np.int64]:
        """Of each document."""
        return self._columns.version[self.places]

    @property
    def taken_at(self) -> NDArray[np.int64]:
        """Of each document, in microseconds since 1970-01-01 UTC."""
        return self._columns.taken_at[self.places]

    @property
    def size(self) -> int:
        """Bytes of all lines."""
        return len(self._columns.text) if self._is_whole() else sum(self.parts().sizes())

    def lines(self) -> bytes | memoryview:
        """Their lines, one after the other."""
        return self._columns.text if self._is_whole() else self.parts().joined()

    def parts(self) -> Parts:
        """The line of each, with its end; not copied."""
        bounds = self._columns.bounds
        return Parts(self._columns.text, bounds[self.places], bounds[self.places + 1])

    def _own(self) -> Columns:
        """These documents, and no others, in columns."""
        columns, places = self._columns, self.places
        if self._is_whole():
            return columns
        text = self.lines()
        return Columns(
            self.document_ids,
            self.version,
            taken(columns.patient_id, places),
            taken(columns.practitioner_id, places),
            self.taken_at,
            text,
            bounds_of(text),
        )

    def _is_whole(self) -> bool:
        return len(self.places) == len(self._columns.document_id)

    def _entry(self, place: int) -> Entry:
        columns = self._columns
        start, end = columns.bounds[place : place + 2]
        return Entry(
            columns.document_id[place],
            int(columns.version[place]),
            columns.patient_id[place],
            columns.practitioner_id[place],
            int(columns.taken_at[place]),
            bytes(columns.text[start : end - 1]),
        )


def bounds_of(text: bytes | memoryview) -> NDArray[np.int64]:
    """Where each line of `text` begins, and where the last one ends."""
    return np.append(0, np.flatnonzero(np.frombuffer(text, np.uint8) == _LINE_ENDS) + 1)


def in_columns(entries: Sequence[Entry]) -> Documents:
    """The entries as documents, as which they come from the pipeline."""
    return entries if isinstance(entries, Documents) else Documents.of(entries)


NONE = Documents.of(())
"""No documents."""
