"""A stream of server-sent events to one client, compressed where the client can."""

import asyncio
import zlib

from aiohttp import web

from bpstream.web.frame import Event

_STUCK_AFTER = 30.0
"""Seconds after which a client that takes nothing is given up."""
_MOST_WAITING = 16 * 1024
"""Bytes that wait in this process for a slow client, but for one event."""

# RFC 1952: deflate, no name, no time, an unknown system.
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# Of deflate: a last block, and it is empty.
_LAST_BLOCK = b"\x03\x00"


class EventStream:
    """The answer to one request.

    What is written raises ConnectionError where the client is gone, or TimeoutError where it
    takes nothing.  Events come deflated and each complete in itself, so that the work is done
    once for all clients; here they become one gzip stream, with the checksum at its end.
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._packs = "gzip" in request.headers.get("Accept-Encoding", "").lower()
        self._checksum = zlib.crc32(b"")
        self._length = 0
        self._waiting = False
        self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        # A proxy that gathers a page before it sends it on would show nothing.
        self.response.headers["X-Accel-Buffering"] = "no"
        if self._packs:
            self.response.headers["Content-Encoding"] = "gzip"

    async def open(self) -> None:
        """Send the head: the client knows that it is connected."""
        if self._request.transport is not None:
            self._request.transport.set_write_buffer_limits(high=_MOST_WAITING)
        await self.response.prepare(self._request)
        if self._packs:
            await self._write(_GZIP_HEAD)

    async def send(self, event: Event) -> None:
        """Return once the event is on its way."""
        if self._packs:
            self._checksum = zlib.crc32(event.plain, self._checksum)
            self._length += len(event.plain)
        await self._write(event.packed if self._packs else event.plain)

    async def end(self) -> None:
        """End the stream as it should."""
        if self._packs:
            length = self._length & 0xFFFFFFFF
            tail = self._checksum.to_bytes(4, "little") + length.to_bytes(4, "little")
            await self._write(_LAST_BLOCK + tail)
        await self.response.write_eof()

    def cut_if_stuck(self) -> None:
        """Do not wait for a client that takes nothing."""
        if self._waiting and self._request.transport is not None:
            self._request.transport.abort()

    async def _write(self, body: bytes) -> None:
        self._waiting = True
        async with asyncio.timeout(_STUCK_AFTER):
            await self.response.write(body)
        self._waiting = False
