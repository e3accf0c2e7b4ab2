"""The archive of segments beside a dictionary: whatever happens, both hold the same documents."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bpstream.document import Entry, Removal
from bpstream.sinks.segments import Position, SegmentArchive
from tests.sinks.helpers import TAKEN_AT, an_entry, found_of

_NUMBERS = st.integers(0, 3)
_STEPS = st.integers(-1, 1)


class ArchiveOfADictionary(RuleBasedStateMachine):
    """Writes, removals, crashes and new lineages in any order, beside a dictionary.

    As the stream has it, versions never fall from one line of a document to the next.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.model: dict[int, Entry] = {}
        self.committed: dict[int, Entry] = {}
        self.highest = dict.fromkeys(range(4), 1)
        self.times = 0
        self.position: Position | None = None
        self.checkpoint: Position | None = None
        self.lineage = self.epoch = 0
        self._start()

    def _run(self, step: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(step)

    def _start(self) -> None:
        # Names that are not in the order of their lives.
        lineage = f"run-{-self.lineage % 7}-{self.lineage}"
        self.archive = SegmentArchive(self.folder, lineage=lineage, max_bytes=1500)
        self.epoch += 1
        self._run(self.archive.take_over(0, self.epoch, self.checkpoint))

    @rule(
        entries=st.dictionaries(_NUMBERS, st.integers(0, 1), max_size=3),
        removals=st.lists(st.tuples(_NUMBERS, _STEPS), max_size=2),
    )
    def write(self, entries: dict[int, int], removals: list[tuple[int, int]]) -> None:
        taken_out = []
        for n, step in removals:
            version, there = max(self.highest[n] + step, 0), self.model.get(n, an_entry(n))
            taken_out.append(Removal(there.document_id, version, there.patient_id, there.taken_at))
            if n in self.model and self.model[n].version <= version:
                del self.model[n]
        written = []
        for n, step in entries.items():
            self.highest[n] += step
            self.times += 1
            written.append(
                an_entry(n, version=self.highest[n], taken_at=TAKEN_AT + self.times, device=None)
            )
            self.model[n] = written[-1]
        self.position = self._run(self.archive.write(0, written, taken_out))

    @rule()
    def commit(self) -> None:
        self.checkpoint, self.committed = self.position, dict(self.model)

    @rule()
    def seal(self) -> None:
        self.commit()
        if self.checkpoint is not None:
            self._run(self.archive.rotate(0, self.checkpoint))

    @rule()
    def crash(self) -> None:
        self._run(self.archive.close())
        self._start()
        self.model, self.position = dict(self.committed), self.checkpoint

    @rule()
    def begin_a_new_lineage(self) -> None:
        self.crash()
        self._run(self.archive.close())
        # Their times are further apart than those of the steps of a test.
        for n, path in enumerate(sorted(self.folder.glob("*/*"), key=_age)):
            os.utime(path, (n + 1, n + 1))
        self.lineage += 1
        self.epoch, self.position, self.checkpoint = 0, None, None
        self._start()

    @invariant()
    def what_is_found_is_what_the_dictionary_holds(self) -> None:
        found = self._run(self.archive.find(0, [an_entry(n).document_id for n in range(4)]))
        assert sorted(found) == sorted(found_of(entry) for entry in self.model.values())

    def teardown(self) -> None:
        self._run(self.archive.close())
        self.runner.close()
        shutil.rmtree(self.folder)


def _age(path: Path) -> tuple[float, str]:
    return path.stat().st_mtime, path.name


TestAnyOrder = ArchiveOfADictionary.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
