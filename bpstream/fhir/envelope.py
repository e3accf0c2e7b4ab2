"""Envelopes: a message as the Observations in it, whether one, a Bundle, or lines of NDJSON."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import msgspec

from bpstream.errors import RejectedObservation
from bpstream.fhir import bundle, others
from bpstream.fhir.bundle import Entry
from bpstream.fhir.element import object_of, show, text_of
from bpstream.fhir.reasons import Fault, rejected

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEAD = 40
_MOST_UNREADABLE = 1_000
"""Lines without a resource in one message; with more of them it is no NDJSON, but noise."""


def entries(value: bytes | None) -> Iterator[Entry]:
    """What a message holds: at least one entry.

    Raises :class:`RejectedObservation` where the message as a whole cannot be used, and
    RecursionError where it is nested too deep.
    """
    text = (value or b"").removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        raise rejected(Fault.EMPTY_MESSAGE, path="message", found=value)
    try:
        resource = _decode(text)
    except RejectedObservation:
        lines = _lines(text)
        if not any(_kind(line) for _, _, line in lines):
            raise
        yield from _entries_of_lines(lines)
        return
    kind = _kind(resource)
    if kind == "Bundle":
        yield from bundle.entries(resource)
    elif kind == "Observation":
        yield Entry("", None, resource)
    elif isinstance(resource, dict):
        yield Entry("", None, {}, others.fate_alone(resource))
    else:
        raise rejected(Fault.NOT_AN_OBSERVATION, path="message", found=resource)


def _entries_of_lines(lines: list[tuple[int, bytes, Any]]) -> Iterator[Entry]:
    for number, text, line in lines:
        path, kind = f"line {number}", _kind(line)
        if isinstance(line, RejectedObservation):
            yield Entry(path, text, {}, line)
        elif kind == "Bundle":
            yield from bundle.entries(line, path=f"{path}: Bundle")
        elif kind == "Observation":
            yield Entry(path, text, line)
        else:
            yield Entry(path, text, {}, others.fate(line))


def _lines(text: bytes) -> list[tuple[int, bytes, Any]]:
    """Number (from 1), bytes and JSON of each line that is not blank; or why it is not JSON.

    None at all where too many of them are unreadable.
    """
    found: list[tuple[int, bytes, Any]] = []
    unreadable = 0
    for number, line in enumerate(BytesIO(text), 1):
        # Files that were put together have a mark in the midst.
        if stripped := line.strip().removeprefix(_BYTE_ORDER_MARK):
            try:
                resource = _decode(stripped)
            except RejectedObservation as error:
                resource = error
            found.append((number, stripped, resource))
            unreadable += not _kind(resource)
            if unreadable > _MOST_UNREADABLE:
                return []
    return found


def _decode(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        found = f"{error}, in {show(text[:_HEAD])}"
        raise rejected(Fault.INVALID_JSON, path="message", found=found) from None
    except RecursionError:
        found = f"{len(text)} bytes, beginning {show(text[:_HEAD])}"
        raise rejected(Fault.TOO_DEEP, path="message", found=found) from None


def _kind(resource: object) -> str:
    return text_of(object_of(resource).get("resourceType"))
