"""A letter: one input that could not be used, and the mark that it was retried."""

from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from bpstream.fhir.times import microseconds

_RETRIED_AT = "retried_at"


class Letter(NamedTuple):
    """A letter without its body: what its headers say, and where it stands."""

    identity: bytes
    """The same for every copy of the letter, and for no other: see :func:`identity`."""
    id: str
    """`PARTITION:OFFSET:ENTRY` of the input in its topic."""
    reason: str
    path: str
    found: str
    topic: str
    """The topic of the input."""
    time: int
    """When the worker gave it up, µs since 1970 UTC."""
    truncated: int
    """Bytes of the whole input where only its head is kept; else 0."""
    key: bytes | None
    size: int
    """Bytes of the body."""
    partition: int
    """Where the letter stands in the dead-letter topic."""
    offset: int
    retried_at: int | None = None
    """When it was sent again, µs since 1970 UTC."""


class Mark(NamedTuple):
    """Says that a letter was retried.  It stands behind it, in the same partition."""

    identity: bytes
    retried_at: int


def identity(topic: str, letter_id: str, body: bytes | None) -> bytes:
    """Tells a letter from another, in 16 bytes.

    A worker that crashes may write a letter twice: that is one letter.  The body is part of
    it, because a topic that is made anew gives the same offsets to other inputs.
    """
    digest = blake2b(digest_size=16)
    for part in (topic.encode(), letter_id.encode()):
        digest.update(len(part).to_bytes(4, "big") + part)
    digest.update(body or b"")
    return digest.digest()


def read(message: Any) -> Letter | Mark | None:
    """What a message (confluent_kafka's) of the dead-letter topic is; None: nothing of ours."""
    headers = {
        name: (value or b"").decode(errors="replace") for name, value in message.headers() or ()
    }
    if _RETRIED_AT in headers:
        return _mark(headers, message)
    try:
        letter_id, reason, topic = headers["id"], headers["reason"], headers["topic"]
        truncated = int(headers.get("truncated", "0"))
    except (KeyError, ValueError):
        return None
    body = message.value()
    return Letter(
        identity=identity(topic, letter_id, body),
        id=letter_id,
        reason=reason,
        path=headers.get("path", ""),
        found=headers.get("found", ""),
        topic=topic,
        time=_time(headers.get("time", ""), message),
        truncated=truncated,
        key=message.key(),
        size=len(body or b""),
        partition=message.partition(),
        offset=message.offset(),
    )


def mark(letter: Letter, *, at: datetime) -> list[tuple[str, bytes]]:
    """The headers of the mark that says `letter` was retried."""
    headers = {
        "id": letter.id,
        "topic": letter.topic,
        "identity": letter.identity.hex(),
        _RETRIED_AT: at.isoformat(),
    }
    return [(name, value.encode()) for name, value in headers.items()]


def _mark(headers: dict[str, str], message: Any) -> Mark | None:
    try:
        named = bytes.fromhex(headers.get("identity", ""))
    except ValueError:
        return None
    return Mark(named, _time(headers[_RETRIED_AT], message))


def _time(text: str, message: Any) -> int:
    """The time of a header; where that is none, when Kafka received the message."""
    try:
        return microseconds(datetime.fromisoformat(text))
    except (ValueError, TypeError):  # TypeError: it has no zone
        return int(message.timestamp()[1]) * 1000
