"""Documents: files of JSON, one message each, and files of lines, a message a line."""

import time
from collections.abc import Iterator
from typing import IO

import msgspec
import numpy as np

from bpstream.fhir.parse import Parser
from bpstream.ingest.files import File, Kind, opened
from bpstream.ingest.items import Item, LeftOut, Message, Problem, is_other, patient_in

MOST_BYTES = 64 << 20
"""Largest file that is taken as one piece of JSON: it is held in memory to be split."""
_BLOCK = 1 << 20


class Documents:
    """Reads messages of up to `room` bytes.

    What is larger goes on in parts, each with its references resolved, as `parser` finds them:
    the entries of a Bundle (those that are one reading together), the samples of a series.
    """

    def __init__(self, parser: Parser, *, room: int) -> None:
        self._parser, self._room = parser, room

    def items(self, file: File, *, done: int = 0) -> Iterator[Item]:
        """The items of a file behind the first `done` lines.

        Raises OSError, EOFError and zlib.error for a file that is damaged.
        """
        with opened(file) as (content, raw):
            if file.kind is Kind.LINES:
                yield from self._lines(content, raw, done=done)
            elif file.kind is Kind.WHOLE:
                yield from self._whole(content.read(MOST_BYTES + 1), file)
            else:
                yield from self._either(content, file)

    def _either(self, content: IO[bytes], file: File) -> Iterator[Item]:
        """Lines if the first is JSON for itself, else one piece."""
        first = content.readline(MOST_BYTES + 1)
        try:
            msgspec.json.decode(first)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield from self._whole(first + content.read(MOST_BYTES + 1 - len(first)), file)
            return
        yield from self._line(first, 1, 0)
        yield from self._lines(content, None, number=1)

    def _lines(
        self, content: IO[bytes], raw: IO[bytes] | None, *, number: int = 0, done: int = 0
    ) -> Iterator[Item]:
        most = max(self._room, MOST_BYTES)
        while line := content.readline(most + 1):
            number += 1
            if len(line) > most:
                while line and not line.endswith(b"\n"):
                    line = content.readline(_BLOCK)
                yield Problem(number, f"a line of more than {most} bytes: is this NDJSON?")
            elif number > done:
                yield from self._line(line, number, raw.tell() if raw else 0)

    def _line(self, line: bytes, number: int, read: int) -> Iterator[Item]:
        if line := line.strip():
            if is_other(line):
                yield LeftOut()
            elif len(line) <= self._room:
                yield Message(patient_in(line), line, number, read)
            else:
                yield from self._parts(line, number, number, read)

    def _whole(self, content: bytes, file: File) -> Iterator[Item]:
        if is_other(content):
            yield LeftOut()
        elif len(content) <= self._room:
            yield Message(patient_in(content), content, 1, file.size())
        elif len(content) > MOST_BYTES:
            advice = "write its resources as NDJSON, a line each, and ingest that"
            yield Problem(0, f"more than {MOST_BYTES} bytes in one piece of JSON: {advice}")
        else:
            yield from self._parts(content, 0, 1, file.size())

    def _parts(self, value: bytes, line: int, done: int, read: int) -> Iterator[Item]:
        """What is too large, taken apart; what is ignored is left out."""
        now = np.array([time.time_ns() // 1000], np.int64)
        parsed = self._parser.parse([value], now)
        origins = [
            *parsed.readings.origin,
            *(each.origin for each in parsed.rejected),
            *(each.origin for each in parsed.retractions),
        ]
        if not origins:
            # Nothing in it is sent, and it is done all the same.
            return
        parts = [origin.body for origin in sorted(origins, key=lambda origin: origin.entry)]
        left = [part for part in parts if part is not None and len(part) <= self._room]
        if len(left) < len(parts):
            advice = "send it in smaller parts, or raise the topic's max.message.bytes"
            yield Problem(
                line,
                f"{len(parts) - len(left)} of {len(parts)} parts have more than the "
                f"{self._room} bytes the topic takes: {advice}",
            )
        for position, part in enumerate(left, 1):
            # It is done with its last part.
            yield Message(patient_in(part), part, done if position == len(left) else done - 1, read)
