"""A frame of the feed, and what changed since an earlier one, as server-sent events."""

import secrets
import zlib
from collections.abc import Mapping
from typing import NamedTuple, Self

import orjson

WHOLE, CHANGE = "whole", "change"
"""The events: everything, and what changed since the event before."""

RETRY_AFTER = 2000
"""Milliseconds until a browser comes back that was cut off."""

# Enough for JSON that repeats itself; a higher level costs more than it saves.
_LEVEL = 4


class Frame(NamedTuple):
    """What is to be seen at one time, each part as JSON."""

    parts: Mapping[str, bytes]
    patients: Mapping[str, bytes]
    """Those on view, by id, in order."""


class Event(NamedTuple):
    """An event as it is sent."""

    plain: bytes
    packed: bytes
    """Deflated, and complete in itself: it may stand behind any other in one stream."""

    @classmethod
    def of(cls, plain: bytes) -> Self:
        """The event, deflated."""
        deflate = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
        # A full flush: nothing after it refers to what is before it.
        return cls(plain, deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH))


class Shown:
    """The newest frame of a query, and since which version each part of it is as it is.

    That tells the difference to every earlier version, so that no earlier frame is kept.
    """

    def __init__(self) -> None:
        self.version = 0
        # An id of another life, or of another query, is not taken for one of ours.
        self._token = secrets.token_hex(6)
        self._at = b""
        self._parts: dict[str, tuple[int, bytes]] = {}
        self._patients: dict[str, tuple[int, bytes]] = {}
        self._events: dict[int, Event] = {}

    def advance(self, frame: Frame, *, at: str) -> None:
        """Show the next frame; `at` is when, ISO 8601."""
        self.version += 1
        self._at = orjson.dumps(at)
        parts = {"order": orjson.dumps(list(frame.patients)), **frame.parts}
        self._parts = self._marked(self._parts, parts)
        self._patients = self._marked(self._patients, frame.patients)
        self._events.clear()

    def version_of(self, event_id: str) -> int:
        """The version that a client has which saw this event last; 0: none of ours."""
        token, _, number = event_id.partition("-")
        if token != self._token or not (number.isascii() and number.isdigit()):
            return 0
        return int(number[:18]) if int(number[:18]) <= self.version else 0

    def since(self, version: int) -> Event:
        """What changed since a client had `version`, or everything where that is 0.

        It is made once, whoever asks.
        """
        event = self._events.get(version)
        if event is None:
            event = self._events[version] = self._event(version)
        return event

    def _event(self, version: int) -> Event:
        found = {"at": self._at}
        found |= {name: body for name, (since, body) in self._parts.items() if since > version}
        changed = [body for since, body in self._patients.values() if since > version]
        if changed or not version:
            found["patients"] = b"[%b]" % b",".join(changed)
        data = b",".join(b'"%b":%b' % (name.encode(), body) for name, body in found.items())
        kind = CHANGE if version else f"{WHOLE}\nretry: {RETRY_AFTER}"
        head = f"id: {self._token}-{self.version}\nevent: {kind}\ndata: "
        plain = b"%b{%b}\n\n" % (head.encode(), data)
        return Event.of(plain)

    def _marked(
        self, before: Mapping[str, tuple[int, bytes]], now: Mapping[str, bytes]
    ) -> dict[str, tuple[int, bytes]]:
        marked = {}
        for name, body in now.items():
            known = before.get(name)
            same = known is not None and known[1] == body
            marked[name] = known if known is not None and same else (self.version, body)
        return marked
