"""Gathering: frames of the patients of all workers, made from what each tells of its own."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import merge
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any, Literal, NamedTuple

import aiohttp
import msgspec
import orjson
from aiohttp import web
from yarl import URL

from bpstream.stream.overview import HEAT_UP_TO, STALE_AFTER
from bpstream.stream.view import MOST_ALERTS, urgency
from bpstream.web.cluster import WINDOW, Cluster
from bpstream.web.frame import Frame
from bpstream.web.query import Query
from bpstream.web.status import status_of
from bpstream.web.worker import Json, WebApp

# A worker that hangs is not to keep the others' patients waiting.
TIMEOUT = aiohttp.ClientTimeout(total=0.8)

Place = tuple[str, URL | None]
"""A patient, and the other worker that holds it; None: this one does."""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one worker asks of another."""

    windows: list[tuple[str, Literal["id", "attention"], int]] = []
    """Of each list its search, its sort, and how many patients from the first."""
    patients: list[str] = []
    """To be told in full."""


class Window(msgspec.Struct, frozen=True):
    """The first patients of a list, and by which lists become one."""

    total: int
    ids: list[str]
    ranks: list[int]


class Alerts(msgspec.Struct, frozen=True):
    """How many there are, and the most urgent of them."""

    total: int
    unacknowledged: int
    shown: list[Json]


class Part(msgspec.Struct, frozen=True):
    """What one worker tells of its own patients."""

    status: Json
    counts: dict[str, int]
    alerts: Alerts
    ids: list[str]
    heat: str | None
    windows: list[Window]
    patients: dict[str, msgspec.Raw]


class _List(NamedTuple):
    total: int
    on_view: list[Place]


def part_of(worker: WebApp, wanted: Wanted) -> Part:
    """What this worker tells."""
    patients, whole = worker.patients, worker.patients.whole()
    windows = [
        patients.window(search=search, sort=sort, offset=0, limit=min(first, WINDOW))
        for search, sort, first in wanted.windows
    ]
    encoded = patients.encoded(wanted.patients)
    return Part(
        status=worker.health.status(),
        counts=whole["counts"],
        alerts=Alerts(**whole["alerts"]),
        ids=whole["ids"],
        heat=whole["heat"],
        windows=[Window(*window) for window in windows],
        patients={each: msgspec.Raw(body) for each, body in encoded.items()},
    )


class Gathering:
    """Makes frames.  Each of the other workers is asked once for all of them.

    It is asked once more only about patients that come on view: whose they are is known then.
    """

    def __init__(self, worker: WebApp, cluster: Cluster) -> None:
        self._worker, self._cluster = worker, cluster
        self._on_view: dict[URL, list[str]] = {}

    async def frames(self, queries: Sequence[Query]) -> dict[Query, Frame]:
        """The frame of each query; none of one that lies beyond :data:`WINDOW` by now."""
        others = [] if all(each.alone for each in queries) else self._cluster.others()
        near = [each for each in queries if each.alone or not others or each.end <= WINDOW]
        windows = list(dict.fromkeys(_window(each) for each in near if not each.alone))
        parts = await self._ask(
            {other: Wanted(windows, self._on_view.get(other, [])) for other in others}
        )
        lists = {
            query: self._list(
                query,
                {}
                if query.alone
                else {
                    url: part.windows[windows.index(_window(query))] for url, part in parts.items()
                },
            )
            for query in near
        }
        bodies = await self._theirs(parts, lists.values())
        missing = sorted(str(other) for other in others if other not in parts)
        own = part_of(self._worker, Wanted())
        shared = _shared([own, *parts.values()], missing)
        alone = _shared([own], []) if any(each.alone for each in near) else shared
        frames = {}
        for query, found in lists.items():
            frames[query] = self._frame(alone if query.alone else shared, found, bodies)
            await asyncio.sleep(0)  # Many queries are not to keep the readings waiting.
        return frames

    def _list(self, query: Query, theirs: Mapping[URL, Window]) -> _List:
        """Who is on view, and where."""
        search, sort, offset, limit, _ = query
        window = self._worker.patients.window
        if not theirs:
            total, ids, _ = window(search=search, sort=sort, offset=offset, limit=limit)
            return _List(total, [(patient_id, None) for patient_id in ids])
        total, ids, ranks = window(search=search, sort=sort, offset=0, limit=offset + limit)
        lists: list[Any] = [zip(ranks, ids, repeat(None), strict=False)]
        for url, part in theirs.items():
            total += part.total
            lists.append(zip(part.ranks, part.ids, repeat(url), strict=False))
        on_view = islice(merge(*lists, key=itemgetter(0, 1)), offset, offset + limit)
        return _List(total, [(patient_id, url) for _, patient_id, url in on_view])

    async def _theirs(self, parts: Mapping[URL, Part], lists: Iterable[_List]) -> dict[str, bytes]:
        """Those on view that other workers hold, as JSON; one that moved away is not there."""
        on_view: dict[URL, dict[str, None]] = defaultdict(dict)
        for patient_id, url in chain.from_iterable(each.on_view for each in lists):
            if url is not None:
                on_view[url][patient_id] = None
        self._on_view = {url: list(ids) for url, ids in on_view.items()}
        bodies = {who: bytes(raw) for part in parts.values() for who, raw in part.patients.items()}
        new = {
            url: Wanted(patients=found)
            for url, ids in on_view.items()
            if (found := [who for who in ids if who not in bodies])
        }
        for part in (await self._ask(new)).values():
            bodies |= {who: bytes(raw) for who, raw in part.patients.items()}
        return bodies

    def _frame(
        self, shared: Mapping[str, bytes], found: _List, theirs: Mapping[str, bytes]
    ) -> Frame:
        own = self._worker.patients.encoded(who for who, url in found.on_view if url is None)
        bodies = {
            who: theirs.get(who) if url is not None else own.get(who) for who, url in found.on_view
        }
        patients = {who: body for who, body in bodies.items() if body is not None}
        return Frame({"total": orjson.dumps(found.total), **shared}, patients)

    async def _ask(self, wanted: Mapping[URL, Wanted]) -> dict[URL, Part]:
        """What each tells; those that do not answer as they should are left out."""
        answers = await asyncio.gather(*(self._one(url, each) for url, each in wanted.items()))
        return {url: part for url, part in zip(wanted, answers, strict=True) if part is not None}

    async def _one(self, url: URL, wanted: Wanted) -> Part | None:
        body = _encode(wanted)
        try:
            part: Part = await self._cluster.ask_for(
                url, "/feed", body, decode=_decode, within=TIMEOUT
            )
        except web.HTTPException:
            return None
        return part if len(part.windows) == len(wanted.windows) else None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Part).decode


def _window(query: Query) -> tuple[str, Any, int]:
    return query.search, query.sort, query.end


def _shared(parts: Sequence[Part], missing: list[str]) -> dict[str, bytes]:
    """What every query is told, as JSON."""
    counts = {name: sum(part.counts[name] for part in parts) for name in parts[0].counts}
    shown = sorted(chain.from_iterable(part.alerts.shown for part in parts), key=urgency)
    told = {
        "stale_after": STALE_AFTER,
        "counts": counts,
        "status": status_of([part.status for part in parts], missing),
        "alerts": {
            "total": sum(part.alerts.total for part in parts),
            "unacknowledged": sum(part.alerts.unacknowledged for part in parts),
            "shown": shown[:MOST_ALERTS],
        },
        "heat": _heat(parts),
        "missing": missing,
    }
    return {name: orjson.dumps(value) for name, value in told.items()}


def _heat(parts: Sequence[Part]) -> str | None:
    """A character for each patient of all parts, by id; None where they are too many."""
    many = sum(len(part.ids) for part in parts) > HEAT_UP_TO
    if many or any(part.heat is None for part in parts):
        return None
    by_id = (zip(part.ids, part.heat or "", strict=False) for part in parts)
    return "".join(character for _, character in sorted(chain.from_iterable(by_id)))
