"""Dead letters: input that cannot be used, kept as it came, with the reason in its headers."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from bpstream.chunk import Chunk
from bpstream.reading import Origin
from bpstream.stream.packing import Record
from bpstream.stream.publish import Publisher, TooLarge

log = logging.getLogger(__name__)

_HEAD = 256 * 1024
"""How much is kept of a letter that is larger than the topic takes."""


REFUSED = "refused_by_index"
"""Reason of a dead letter: a document that the index will never take."""
TOO_LARGE = "too_large_to_rekey"
"""Reason of a dead letter: with its headers the message is larger than the topic takes."""


class DeadLetter(NamedTuple):
    """Why an input is not used, and where it stood."""

    origin: Origin
    reason: str
    path: str
    found: str


class DeadLetters:
    """The dead-letter topic, as it is written."""

    def __init__(self, publisher: Publisher, *, topic: str, source: str, partitions: int) -> None:
        """`source` is the topic that the letters came from."""
        self._publisher, self._topic, self._source = publisher, topic, source
        self._partitions = partitions

    async def publish(self, chunk: Chunk, letters: Sequence[DeadLetter]) -> None:
        """Return once Kafka has every letter."""
        if not letters:
            return
        records = [self._record(chunk, letter) for letter in letters]
        log.warning(
            "%d of %d messages became dead letters; the first: %s",
            len(letters),
            len(chunk),
            letters[0].reason,
        )
        try:
            await self._publisher.publish(self._topic, records, partitions=self._partitions)
        except TooLarge:
            for record in records:
                await self._publish_head(record)

    async def _publish_head(self, record: Record) -> None:
        try:
            await self._publisher.publish(self._topic, [record], partitions=self._partitions)
        except TooLarge:
            size = str(len(record.value or b"")).encode()
            headers = [*record.headers, ("truncated", size)]
            head = replace(record, value=(record.value or b"")[:_HEAD], headers=headers)
            await self._publisher.publish(self._topic, [head], partitions=self._partitions)

    def _record(self, chunk: Chunk, letter: DeadLetter) -> Record:
        at = letter.origin
        origins = chunk.origins
        entry = at.entry or int(origins.entry[at.message])
        headers = {
            # A crash may write a letter twice, with the same id.
            "id": f"{origins.partition[at.message]}:{origins.offset[at.message]}:{entry}",
            "reason": letter.reason,
            "path": _path(at.path or (chunk.paths[at.message] if chunk.paths else ""), letter.path),
            "found": letter.found,
            "topic": self._source,
            "partition": str(origins.partition[at.message]),
            "offset": str(origins.offset[at.message]),
            "time": datetime.now(UTC).isoformat(),
        }
        return Record(
            chunk.keys[at.message],
            chunk.values[at.message] if at.body is None else at.body,
            [(name, value.encode("utf-8", "replace")) for name, value in headers.items()],
        )


def _path(entry: str, element: str) -> str:
    """`Bundle.entry[3].resource.status`, `line 7: Observation.status`, `Observation.status`."""
    if not entry or not element:
        return entry or element
    if entry.startswith("Bundle") and element.startswith("Observation"):
        return entry + element.removeprefix("Observation")
    return f"{entry}: {element}"
