"""Letters as text for people: safe on a terminal, and in lists without pressures."""

import re

import msgspec

from bpstream.document import iso
from bpstream.fhir.reasons import Fault
from bpstream.stream.letters.letter import Letter

_FOUND_LENGTH = 60
NO_PRESSURES = {
    Fault.BEFORE_1900,
    Fault.IN_FUTURE,
    Fault.INVALID_TIME,
    Fault.INVALID_STATUS,
    "retraction",
    "too_large_to_rekey",
}
"""Reasons whose `found` is a time, a code, an id or a size; in another it may be a pressure."""


def safe(text: str) -> str:
    r"""`text` on one line, without what moves a cursor or hides: each such as `\x1b`."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )


def key(letter: Letter) -> str | None:
    """The key of the original message as text; None where it had none."""
    return None if letter.key is None else safe(letter.key.decode(errors="backslashreplace"))


def found(letter: Letter) -> str:
    """What stood there, cut, with its digits covered where they may be a pressure."""
    text = letter.found
    if letter.reason not in NO_PRESSURES:
        text = re.sub(r"\d", "#", text)
    text = safe(text)
    return text if len(text) <= _FOUND_LENGTH else text[: _FOUND_LENGTH - 1] + "…"


def moment(at: int | None) -> str | None:
    """µs since 1970 UTC as ISO 8601."""
    return None if at is None else iso(at)


def line(letter: Letter) -> str:
    """A letter as one line of a list."""
    at = iso(letter.time)[:19]
    retried = "" if letter.retried_at is None else f"  [retried {iso(letter.retried_at)[:19]}]"
    truncated = "+" if letter.truncated else " "
    name = key(letter)
    return (
        f"{safe(letter.id):<14}  {at}  {safe(letter.reason):<20}  {letter.size:>8}{truncated} "
        f"{'(no key)' if name is None else name[:24]:<12}  {safe(letter.path)}: {found(letter)}"
        f"{retried}"
    )


def fields(letter: Letter) -> dict[str, object]:
    """A letter as an object of JSON, with what a line of a list has."""
    return {
        "id": letter.id,
        "time": moment(letter.time),
        "reason": letter.reason,
        "path": letter.path,
        "found": found(letter),
        "topic": letter.topic,
        "key": key(letter),
        "size": letter.size,
        "truncated": letter.truncated or None,
        "retried": moment(letter.retried_at),
    }


def whole(letter: Letter, data: bytes | None, *, topic: str) -> str:
    """Everything of a letter, in lines; `topic` is where it stands."""
    name = key(letter)
    of = f"; the head of {letter.truncated} bytes" if letter.truncated else ""
    told = {
        "id": safe(letter.id),
        "reason": safe(letter.reason),
        "path": safe(letter.path),
        "found": safe(letter.found),
        "topic": safe(letter.topic),
        "key": "(none)" if name is None else name,
        "time": iso(letter.time),
        "size": f"{letter.size} bytes{of}",
        "stands at": f"{topic} {letter.partition} {letter.offset}",
        "retried": moment(letter.retried_at) or "no",
    }
    lines = [f"{name:<10} {value}" for name, value in told.items()]
    return "\n".join([*lines, "", body(data)])


def body(data: bytes | None) -> str:
    """A body: laid out where it is JSON, else as it came, line by line."""
    if data is None:
        return "(a tombstone)"
    if not data:
        return "(no bytes)"
    try:
        text = msgspec.json.format(data, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = data.decode(errors="backslashreplace")
    return "\n".join(map(safe, text.split("\n")))
