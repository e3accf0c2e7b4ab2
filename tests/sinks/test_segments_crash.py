"""The archive of segments after a crash at any moment: what was committed, and that once."""

import asyncio
import shutil
import sys
import tempfile
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bpstream.document import Entry
from bpstream.errors import SinkError
from bpstream.sinks import segment_files, segments
from bpstream.sinks.segments import Position, SegmentArchive
from tests.sinks.helpers import TAKEN_AT, Disk, a_line, archived_lines

_MAX_BYTES = 60


def _entry(number: int) -> Entry:
    return Entry(f"{number:032x}", 1, "p", None, TAKEN_AT, a_line(number)[:-1])


class CrashingWorker(RuleBasedStateMachine):
    """A worker that writes, commits, seals, meets a broken disk and is killed, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.disk = Disk()
        self.now = 0.0
        self.epoch = 0
        self.numbers = 0
        self.committed: list[bytes] = []
        self.pending: list[bytes] = []
        self.position: Position | None = None
        self.checkpoint: Position | None = None
        self.runner = asyncio.Runner()
        self._start()

    def _run(self, step: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(step)

    def _start(self) -> None:
        self.archive = SegmentArchive(
            self.folder,
            lineage="run",
            max_bytes=_MAX_BYTES,
            opener=self.disk,
            clock=lambda: self.now,
        )
        self.epoch += 1
        self._run(self.archive.take_over(0, self.epoch, self.checkpoint))
        self.position, self.pending = self.checkpoint, []

    @rule(count=st.integers(0, 5))
    def write(self, count: int) -> None:
        numbers = range(self.numbers, self.numbers + count)
        self.numbers += count
        self.position = self._run(self.archive.write(0, [_entry(n) for n in numbers]))
        self.pending += [a_line(n) for n in numbers]

    @rule(room=st.integers(0, 20), truncates=st.booleans(), syncs=st.booleans())
    def write_to_a_broken_disk(self, room: int, truncates: bool, syncs: bool) -> None:
        self.disk.room, self.disk.truncates, self.disk.syncs = room, truncates, syncs
        with pytest.raises(SinkError):
            self._run(self.archive.write(0, [_entry(10**9 + n) for n in range(2)]))
        self.disk.mend()

    @rule()
    def commit(self) -> None:
        self.committed += self.pending
        self.checkpoint, self.pending = self.position, []

    @precondition(lambda self: self.checkpoint is not None)
    @rule(seconds=st.sampled_from([0.0, 1000.0]))
    def rotate(self, seconds: float) -> None:
        self.now += seconds
        self._run(self.archive.rotate(0, self.checkpoint))

    @precondition(lambda self: self.checkpoint is not None)
    @rule(room=st.integers(0, 20), truncates=st.booleans())
    def rotate_on_a_broken_disk(self, room: int, truncates: bool) -> None:
        self.disk.room, self.disk.truncates = room, truncates
        with suppress(SinkError):  # raised where there is something to seal
            self._run(self.archive.rotate(0, self.checkpoint))
        self.disk.mend()

    @rule(torn=st.binary(max_size=8))
    def crash(self, torn: bytes) -> None:
        left = list(self.folder.glob("partition=0/*.jsonl"))
        if torn and left:
            with max(left).open("ab") as file:
                file.write(torn)
        (self.folder / "partition=0" / ".run-000001-00000000.0123.tmp").write_bytes(torn)
        self._run(self.archive.close())  # Only its file handles: nothing of it is written.
        self._start()
        assert archived_lines(self.folder) == self.committed
        assert not list(self.folder.glob("partition=0/*.jsonl"))
        assert not list(self.folder.glob("partition=0/.*"))

    @invariant()
    def what_is_committed_can_be_read_in_order(self) -> None:
        assert archived_lines(self.folder)[: len(self.committed)] == self.committed

    def teardown(self) -> None:
        self._run(self.archive.close())
        self.runner.close()
        shutil.rmtree(self.folder)


TestAnyOrder = CrashingWorker.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class Camera:
    """Copies the folder before every line the archive executes, as a crash there would leave it."""

    def __init__(self, folder: Path, copies: Path) -> None:
        self.folder, self.copies = folder, copies
        self.taken: dict[frozenset[tuple[str, bytes]], tuple[Path, Position | None, int]] = {}
        self.position: Position | None = None
        self.committed = 0

    def __enter__(self) -> "Camera":
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._shoot if frame.f_code.co_filename in _WATCHED else None

    def _shoot(self, frame: FrameType, event: str, argument: object) -> Any:
        # Before a line: then the event loop waits for the thread, or the thread is idle.
        if event != "line":
            return self._shoot
        now = [
            (str(path.relative_to(self.folder)), path.read_bytes())
            for path in self.folder.glob("*/*")
        ]
        key = frozenset([*now, ("committed", str((self.position, self.committed)).encode())])
        if key not in self.taken:
            copy = self.copies / str(len(self.taken))
            shutil.copytree(self.folder, copy)
            self.taken[key] = copy, self.position, self.committed
        return self._shoot


_WATCHED = frozenset({segments.__file__, segment_files.__file__})


async def _live(camera: Camera) -> None:
    """Two owners of a partition; the first is killed with a batch it has not committed."""
    first = SegmentArchive(camera.folder, lineage="run", max_bytes=_MAX_BYTES)
    second = SegmentArchive(camera.folder, lineage="run", max_bytes=_MAX_BYTES)
    written = 0

    async def work(archive: SegmentArchive, batches: int) -> None:
        nonlocal written
        for _ in range(batches):
            batch = range(written, written + 4)
            position = await archive.write(0, [_entry(n) for n in batch])
            written += 4
            camera.position, camera.committed = position, written
            await archive.rotate(0, position)

    await first.take_over(0, 1, None)
    await work(first, 4)
    await first.write(0, [_entry(n) for n in (97, 98, 99)])
    await second.take_over(0, 2, camera.position)
    await work(second, 3)
    await first.close()
    await second.close()


def test_a_crash_between_any_two_lines_leaves_what_was_committed(tmp_path: Path):
    folder, copies = tmp_path / "archive", tmp_path / "copies"
    folder.mkdir()
    with Camera(folder, copies) as camera:
        asyncio.run(_live(camera))
    assert len(camera.taken) > 30

    async def restart(copy: Path, position: Position | None) -> None:
        archive = SegmentArchive(copy, lineage="run")
        await archive.take_over(0, 3, position)
        await archive.close()

    for copy, position, committed in camera.taken.values():
        asyncio.run(restart(copy, position))
        assert archived_lines(copy) == [a_line(n) for n in range(committed)], copy
