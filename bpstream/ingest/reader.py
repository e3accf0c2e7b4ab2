"""The reader: every kind of file as items, and a damaged one as a problem."""

import zlib
from collections.abc import Iterator
from datetime import datetime

from bpstream.errors import FileError
from bpstream.fhir.parse import Parser
from bpstream.ingest.documents import Documents
from bpstream.ingest.files import File
from bpstream.ingest.items import Item, Problem
from bpstream.ingest.tables import Tables


class Reader:
    """Reads files for a topic that takes messages of `room` bytes.

    `start` and `source` are those of :class:`Tables`.
    """

    def __init__(self, parser: Parser, *, room: int, start: datetime, source: str) -> None:
        self._documents = Documents(parser, room=room)
        self._tables = Tables(start=start, source=source)

    def items(self, file: File, *, done: int = 0) -> Iterator[Item]:
        """What is behind the first `done` lines or rows; it does not raise, whatever they are."""
        reader = self._tables if file.is_table else self._documents
        try:
            yield from reader.items(file, done=done)
        except (OSError, EOFError, zlib.error, FileError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else error
            yield Problem(0, str(what), ends=True)
