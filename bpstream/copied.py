"""Copies of patients' rows, as they go to the changelog."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from bpstream.jsonlines import Parts, parts
from bpstream.texts import Texts


@dataclass(slots=True, frozen=True, eq=False)
class Copied:
    """Rows as they were and whose they are; iterated, ``(patient id, row)``.

    They are one piece of memory until then: many wait to be stored, and to let go of one piece
    costs a fraction of what a thousand do.
    """

    ids: Texts = field(default_factory=lambda: Texts.of([]))
    packed: Parts = field(default_factory=lambda: parts([]))
    """The rows."""

    @classmethod
    def of(cls, rows: Iterable[tuple[str, bytes]]) -> Self:
        """These rows."""
        held = list(rows)
        return cls(Texts.of([who for who, _ in held]), parts([row for _, row in held]))

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return zip(self.ids, self.packed.each(), strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Copied) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))
