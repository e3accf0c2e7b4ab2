"""Merging: steps that wait to be stored are stored as one, which leaves what they would leave.

Most of what a small step costs the stores it costs whatever it holds.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Protocol, TypeVar

from bpstream.batch import Step
from bpstream.copied import Copied
from bpstream.documents import Documents
from bpstream.pipeline import RECORD_OVERHEAD


class Waiting(Protocol):
    """What waits to be stored; without a step it is the end of what is before it."""

    @property
    def step(self) -> Step | None:
        """What is to be stored."""


Item = TypeVar("Item", bound=Waiting)


def runs(items: Iterable[Item], step_bytes: int) -> Iterator[list[Item]]:
    """Cut items of one partition, in their order, into runs whose steps may be stored as one.

    `step_bytes` is how many bytes of changelog a step may have.

    A step that takes something out of a store is alone: in a write, what goes and what comes
    have an order of their own.  No document is in two steps of a run, because of a write that
    is tried again its later version may be there already.  The rows fit into one record batch.
    An end is in the run of the step before it, or, where that was stored already, alone.
    """
    run: list[Item] = []
    held: _Held | None = None
    for item in items:
        if item.step is not None and not (held and held.take(item.step)):
            if run:
                yield run
            run, held = [], _Held(item.step, step_bytes)
        run.append(item)
    if run:
        yield run


def merged(steps: Sequence[Step]) -> Step:
    """The steps of a run as one, as far as it is to be stored.

    Of a patient who changed in several of them the last row is, and of the checkpoints the
    last.  What is counted, and where the documents came from, is in the steps alone.
    """
    if len(steps) == 1:
        return steps[0]
    return Step(
        rows=Copied.of({who: row for step in steps for who, row in step.rows}.items()),
        checkpoint=steps[-1].checkpoint,
        to_archive=Documents.joined([step.to_archive for step in steps]),
        to_index=Documents.joined([step.to_index for step in steps]),
        entries=Documents.joined([step.entries for step in steps]),
    )


class _Held:
    """What the steps of a run hold; looked at only where there is more than one."""

    def __init__(self, first: Step, room: int) -> None:
        self._first, self._room = first, room

    @cached_property
    def _documents(self) -> set[str]:
        return set(self._first.entries.document_ids)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return _bytes_of(self._first)

    @cached_property
    def _bytes(self) -> int:
        return sum(self._rows.values())

    def take(self, step: Step) -> bool:
        """Take the step in, if it may be stored with those that are held."""
        if _takes_out(self._first) or _takes_out(step):
            return False
        rows, documents = _bytes_of(step), set(step.entries.document_ids)
        size = self._bytes + sum(now - self._rows.get(who, 0) for who, now in rows.items())
        if size > self._room or not self._documents.isdisjoint(documents):
            return False
        self._bytes = size
        self._rows |= rows
        self._documents |= documents
        return True


def _takes_out(step: Step) -> bool:
    return bool(step.from_archive or step.from_index or step.retracted)


def _bytes_of(step: Step) -> dict[str, int]:
    """By patient, about how many bytes of the changelog the row takes."""
    rows = step.rows
    return {
        who: RECORD_OVERHEAD + len(who.encode()) + size
        for who, size in zip(rows.ids, rows.packed.sizes(), strict=True)
    }
