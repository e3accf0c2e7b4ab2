"""A reader of files, and what it finds in short."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bpstream.fhir.parse import Parser
from bpstream.ingest.files import below
from bpstream.ingest.items import Item, Message, Problem
from bpstream.ingest.reader import Reader

START = datetime(2024, 1, 1, tzinfo=UTC)


def items_of(path: Path, *, done: int = 0, room: int = 1_000_000, source: str = "") -> list[Item]:
    (file,) = below(path)
    reader = Reader(Parser(), room=room, start=START, source=source)
    return list(reader.items(file, done=done))


def messages_of(path: Path, **options: Any) -> list[Message]:
    return [item for item in items_of(path, **options) if isinstance(item, Message)]


def problems_of(path: Path, **options: Any) -> list[Problem]:
    return [item for item in items_of(path, **options) if isinstance(item, Problem)]
