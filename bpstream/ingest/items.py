"""Items: what is read out of a file, one by one, to be sent or to be told."""

import re
from typing import NamedTuple

import msgspec

from bpstream.fhir import others
from bpstream.fhir.reasons import Passed

_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_READ = {b"Observation", b"Bundle"}
_PATIENT = re.compile(rb'"subject"\s*:\s*\{\s*"reference"\s*:\s*"Patient/([A-Za-z0-9\-.]{1,64})"')


class Message(NamedTuple):
    """What goes to the topic."""

    key: str | None
    """The patient's id as far as it is known; the worker finds it anyway."""
    value: bytes
    done: int
    """Lines, rows, or whole files (1) that are done when Kafka has this."""
    read: int
    """Bytes of the file that are read, as it lies on the disk."""


class Problem(NamedTuple):
    """What cannot be sent, and why."""

    line: int
    """From 1; 0 for the file as a whole."""
    what: str
    ends: bool = False
    """Whether the rest of the file is unread because of it."""


class LeftOut(NamedTuple):
    """A resource of another type, as a bulk export has them: sent, it would be a dead letter."""


Item = Message | Problem | LeftOut


def is_other(message: bytes) -> bool:
    """Whether it is a resource that has nothing to do with a blood pressure."""
    found = _TYPE.search(message)
    if found is None or found[1] in _READ:
        return False
    try:
        return others.fate(msgspec.json.decode(message)) is Passed.OTHER_RESOURCE
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def patient_in(message: bytes) -> str | None:
    """The patient's id where it stands as it mostly does; None where it takes a parser."""
    found = _PATIENT.search(message)
    return found[1].decode() if found else None
