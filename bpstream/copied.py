"""Copies of patients' rows, as they go to the changelog."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Self


@dataclass(slots=True, frozen=True)
class Copied:
    """Rows as they were and whose they are; iterated, ``(patient id, row)``.

    They are one piece of memory until then: many wait to be stored, and to let go of one piece
    costs a fraction of what a thousand do.
    """

    ids: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Bytes of each row."""
    starts: Sequence[int] = ()
    """Where each row begins in `packed`."""
    packed: bytes = b""

    @classmethod
    def of(cls, rows: Iterable[tuple[str, bytes]]) -> Self:
        """These rows."""
        held = list(rows)
        values = [row for _, row in held]
        sizes = list(map(len, values))
        starts = [0, *accumulate(sizes)][:-1]
        return cls([who for who, _ in held], sizes, starts, b"".join(values))

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        packed = self.packed
        for who, start, size in zip(self.ids, self.starts, self.sizes, strict=True):
            yield who, packed[start : start + size]
