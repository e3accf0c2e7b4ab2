"""The archive's layout `files`: the name of a file tells when its reading was taken."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from bpstream.document import iso
from bpstream.errors import SinkError
from bpstream.purge.done import Done, Left, Progress
from bpstream.sinks.segment_files import sync_folder

# As `sinks.files.file_name` makes it.
_NAME = re.compile(r".+_(\d{8}_\d{6}_\d{6})_[^_]+\.json")


class FilesPurge:
    """Removes files of readings from `folder`."""

    def __init__(self, folder: Path, before: int) -> None:
        """`before` is in microseconds since 1970-01-01 UTC."""
        self._folder = folder
        date, _, clock = iso(before).rstrip("Z").partition("T")
        self._before = f"{date}_{clock}".replace("-", "").replace(":", "").replace(".", "_")

    def find(self) -> Done:
        """What would go.  Raises :class:`SinkError`."""
        done = self._done()
        done.readings = sum(1 for _ in self._old(done))
        return done

    def purge(self, progress: Progress) -> Done:
        """Remove them; a file is there or not, whenever this ends.  Raises :class:`SinkError`."""
        done = self._done()
        with progress("files", None) as step:
            try:
                for name in list(self._old(done)):
                    (self._folder / name).unlink(missing_ok=True)
                    done.readings += 1
                    step(1)
                sync_folder(self._folder)
            except OSError as error:
                raise SinkError(f"{self._folder} does not let files go: {error}") from error
        return done

    def _done(self) -> Done:
        return Done(f"the archive's files {self._folder}")

    def _old(self, done: Done) -> Iterator[str]:
        """The names of what is to go.  What tells no time is told to be left."""
        unknown = 0
        try:
            with os.scandir(self._folder) as listing:
                for each in listing:
                    found = _NAME.fullmatch(each.name)
                    if found is not None and found[1] < self._before:
                        yield each.name
                    unknown += found is None and each.name.endswith(".json")
        except OSError as error:
            raise SinkError(f"{self._folder} cannot be read: {error}") from error
        if unknown:
            what = f"{unknown} files *.json in {self._folder}"
            done.left.append(Left(what, "their names do not tell when a reading was taken"))
