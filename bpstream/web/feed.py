"""The feed: what is on view and what changes of it, as server-sent events, once a second.

A frame is made once for all clients that see the same, and only while somebody listens.  A
client that is slow gets the newest frame when it is done with the one before, and what changed
since that one: nothing waits for it.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from aiohttp import web

from bpstream.web.cluster import WINDOW, Cluster, too_far
from bpstream.web.frame import CHANGE, WHOLE, Shown
from bpstream.web.gathering import Gathering, Part, Wanted, part_of
from bpstream.web.query import Query
from bpstream.web.stream import EventStream
from bpstream.web.worker import WebApp

log = logging.getLogger(__name__)

MOST_CLIENTS = 500

EVERY = 1.0
"""Seconds from one event to the next."""
RESUMES_WITHIN = 60.0
"""Seconds for which a client that was cut off may go on where it was."""

_MOST_LEFT = 32
"""Queries nobody listens to that are kept for who may come back, up to 1 MB each."""
_SOONEST = 0.5
"""Seconds that a new query's second event is apart from its first, at least."""
_TOGETHER = 0.05
"""Seconds for which new queries wait for others, so that they are looked up together."""
_RETRY_AFTER = "5"


class Feed:
    """Everybody who listens, and what they see."""

    def __init__(self, worker: WebApp, cluster: Cluster) -> None:
        self._worker, self._cluster = worker, cluster
        self._gathering = Gathering(worker, cluster)
        self._views: dict[Query, _View] = {}
        self._streams: set[EventStream] = set()
        self._new = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None
        self._closed = False

    def part(self, wanted: Wanted) -> Part:
        """What another worker is told of the patients of this one."""
        return part_of(self._worker, wanted)

    async def serve(self, request: web.Request, query: Query) -> web.StreamResponse:
        """Send events until the client goes, or the worker stops."""
        if self._closed:
            raise web.HTTPServiceUnavailable(text="the worker is stopping")
        if len(self._streams) >= MOST_CLIENTS:
            raise web.HTTPServiceUnavailable(
                text=f"{MOST_CLIENTS} clients listen to this worker's feed already; ask another "
                "worker, or later",
                headers={"Retry-After": _RETRY_AFTER},
            )
        if query.end > WINDOW and not query.alone and self._cluster.others():
            raise too_far(query.end)
        stream = EventStream(request)
        self._streams.add(stream)
        view = self._join(query)
        try:
            # A client that is gone is found out by writing to it.
            with suppress(ConnectionError, TimeoutError):
                await stream.open()
                await self._send(view, stream, request.headers.get("Last-Event-ID", ""))
                await stream.end()
        finally:
            self._streams.discard(stream)
            self._leave(view)
        return stream.response

    async def close(self) -> None:
        """End every stream at once."""
        self._closed = True
        if self._ticking is not None:
            self._ticking.cancel()
        self._end(list(self._views.values()))
        for stream in self._streams:
            stream.cut_if_stuck()

    async def _send(self, view: "_View", stream: EventStream, last_event_id: str) -> None:
        events = self._worker.metrics.feed_events
        if not view.is_fresh:
            self._new.set()
            await view.next()
        sent = view.shown.version_of(last_event_id)
        while not view.ended:
            if view.shown.version > sent:
                event = view.shown.since(sent)
                kind = CHANGE if sent else WHOLE
                sent = view.shown.version
                await stream.send(event)
                events.labels(kind).inc()
            if view.shown.version == sent:
                await view.next()

    def _join(self, query: Query) -> "_View":
        view = self._views.get(query)
        if view is None:
            view = self._views[query] = _View(query)
        view.listeners += 1
        self._worker.metrics.feed_clients.set(len(self._streams))
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick(), name="feed")
        return view

    def _leave(self, view: "_View") -> None:
        view.listeners -= 1
        self._worker.metrics.feed_clients.set(len(self._streams))
        if not view.listeners:
            view.left_at = time.monotonic()
            asyncio.get_running_loop().call_later(RESUMES_WITHIN, self._forget)
            self._forget()

    def _forget(self) -> None:
        """Forget what nobody has listened to for long, and what is too much."""
        left = [view for view in self._views.values() if not view.listeners]
        left.sort(key=lambda view: view.left_at, reverse=True)
        since = time.monotonic() - RESUMES_WITHIN
        for at, view in enumerate(left):
            if at >= _MOST_LEFT or view.left_at <= since or view.ended:
                del self._views[view.query]

    async def _tick(self) -> None:
        """Make frames, every second and where somebody came, while anybody listens."""
        try:
            due = time.monotonic()
            while self._streams:
                self._new.clear()
                now = time.monotonic()
                if regular := now >= due:
                    due = due + EVERY if due + EVERY > now else now + EVERY
                listened = [view for view in self._views.values() if view.listeners]
                await self._advance(
                    view
                    for view in listened
                    if not view.is_fresh or (regular and view.age >= _SOONEST)
                )
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._new.wait(), max(0.0, due - time.monotonic()))
                    await asyncio.sleep(_TOGETHER)
        except Exception:
            log.exception("the feed failed; its clients begin again")
            self._end(list(self._views.values()))

    async def _advance(self, views: Iterable["_View"]) -> None:
        by_query = {view.query: view for view in views}
        if not by_query:
            return
        frames = await self._gathering.frames(list(by_query))
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        for query, view in by_query.items():
            if query in frames:
                view.shown.advance(frames[query], at=at)
                view.wake()
                await asyncio.sleep(0)  # Readings go first.
            else:
                self._end([view])

    def _end(self, views: Iterable["_View"]) -> None:
        for view in views:
            view.ended = True
            view.wake()
            # Whoever comes next begins anew.
            if self._views.get(view.query) is view:
                del self._views[view.query]


class _View:
    """A query, what its clients see, and how many they are."""

    def __init__(self, query: Query) -> None:
        self.query, self.shown = query, Shown()
        self.listeners = 0
        self.left_at = 0.0
        self.ended = False
        self._advanced_at = float("-inf")
        self._advanced = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since the newest frame."""
        return time.monotonic() - self._advanced_at

    @property
    def is_fresh(self) -> bool:
        """Whether who comes now may be shown the newest frame."""
        return self.age < 2 * EVERY

    async def next(self) -> None:
        """Return once there is a newer frame, or the end."""
        if not self.ended:
            await self._advanced.wait()

    def wake(self) -> None:
        """Wake up all who wait."""
        self._advanced_at = time.monotonic()
        self._advanced.set()
        self._advanced = asyncio.Event()
