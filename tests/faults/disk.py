"""A worker to whose archive files are broken on order: run as a program, it is that worker.

What the file `BROKEN` in its folder names (`write` or `fsync`) fails with EIO while it is there.
"""

import errno
import os
from io import FileIO
from pathlib import Path
from typing import Any

from bpstream.settings import Settings
from bpstream.sinks.files import FileArchive
from bpstream.sinks.segments import SegmentArchive
from bpstream.stream import sinks
from bpstream.stream.app import App
from bpstream.stream.stores import Archive
from bpstream.stream.worker import Worker

BROKEN, STRUCK = "broken", "struck"
"""Files in the worker's folder: what is broken, and a line for each time that it was."""


class BreakableFile(FileIO):
    """A write leaves half of itself before it fails; a failed fsync loses what was not synced."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self._synced = path.stat().st_size

    def write(self, data: Any, /) -> int:
        if _is_broken("write"):
            super().write(memoryview(data)[: len(data) // 2])
            raise OSError(errno.EIO, "Input/output error")
        return super().write(data)

    def fileno(self) -> int:
        """What fsync asks for first."""
        number = super().fileno()
        size = os.fstat(number).st_size
        if _is_broken("fsync"):
            # As the kernel does: pages that it could not write are dropped, and the next
            # fsync says nothing of them.
            lost = max(0, size - self._synced)
            os.lseek(number, self._synced, os.SEEK_SET)
            os.write(number, bytes(lost))
            raise OSError(errno.EIO, "Input/output error")
        self._synced = size
        return number


def _is_broken(part: str) -> bool:
    try:
        broken = Path(BROKEN).read_text() == part
    except FileNotFoundError:
        return False
    if broken:
        with Path(STRUCK).open("a") as file:
            file.write(f"{part}\n")
    return broken


class BreakableApp(App):
    @staticmethod
    def new_archive(settings: Settings, *, lineage: str) -> Archive:
        folder = settings.archive
        if settings.archive_layout == "files":
            return sinks._Files(FileArchive(folder, opener=BreakableFile))
        return sinks._Segments(SegmentArchive(folder, lineage=lineage, opener=BreakableFile))


if __name__ == "__main__":
    app = BreakableApp(Settings.from_env(os.environ))
    Worker(app, loglevel="INFO", quiet=True).execute_from_commandline()
