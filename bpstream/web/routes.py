"""Routes: every address that is served, and its answer."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import web
from prometheus_client.exposition import choose_encoder

from bpstream.errors import NotFound, SinkError
from bpstream.web.answers import json_answer
from bpstream.web.cluster import FORWARDED, WINDOW, Cluster
from bpstream.web.feed import Feed
from bpstream.web.gathering import Wanted
from bpstream.web.guard import STATIC
from bpstream.web.query import number, query_of
from bpstream.web.worker import Json, WebApp

DEFAULT_LIMIT, MOST = 100, 1000
"""Patients of a page: where nothing is said, and at most."""
FEED_LIMIT, MOST_OF_FEED = 60, 200
"""Patients on view in the feed."""

_ALERT_ID = re.compile("[0-9a-f]{16}")
_DAY = timedelta(days=1)

# Bytes: a hundred thousand ids, or the longest of some hundreds.
_LARGEST_QUESTION = 4 * 1024 * 1024


class Routes:
    """The handlers, each told by its address."""

    def __init__(self, worker: WebApp) -> None:
        self.worker = worker
        self.cluster = Cluster(worker)
        self.feed = Feed(worker, self.cluster)
        # A closed list: what is asked for never becomes a path.
        self.files = {
            file.relative_to(STATIC).as_posix(): file
            for file in STATIC.rglob("*")
            if file.is_file()
        }

    def table(self) -> list[web.AbstractRouteDef]:
        """Every address with its handler."""
        return [
            web.get("/", self.page),
            web.get("/static/{name:.+}", self.static),
            web.get("/patients", self.patients),
            web.get("/patients/", self.patients),
            # Whatever follows: an id may hold anything, and is read from the raw path.
            web.get(r"/patients/{rest:[\s\S]+}", self.patient),
            web.post(r"/patients/{rest:[\s\S]+/limits/?}", self.set_limits),
            web.get("/alerts", self.alerts),
            web.get("/alerts/", self.alerts),
            web.post("/alerts/{id}/acknowledge", self.acknowledge),
            # No HEAD: it would have no end.
            web.get("/feed", self.listen, allow_head=False),
            web.post("/feed", self.tell_worker),
            web.get("/silences/", self.silences),
            web.post("/silences/", self.silence),
            web.get("/status", self.status),
            web.get("/metrics", self.metrics),
            web.get("/health/live", self.live),
            web.get("/health/ready", self.ready),
        ]

    async def page(self, _request: web.Request) -> web.StreamResponse:
        """GET /: the live page."""
        return web.FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    async def static(self, request: web.Request) -> web.StreamResponse:
        """GET /static/{name}: the page's scripts and styles."""
        file = self.files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        return web.FileResponse(file, headers={"Cache-Control": "no-cache"})

    async def patients(self, request: web.Request) -> web.Response:
        """GET /patients/?search=&sort=id&offset=0&limit=100: of all workers, or scope=worker."""
        most = WINDOW if request.query.get("scope") else MOST
        asked = query_of(request.query, default=DEFAULT_LIMIT, most=most)
        if not asked.alone:
            return json_answer(await self.cluster.page(asked))
        told = {"offset": asked.offset, "limit": asked.limit}
        return json_answer(self.cluster.part(asked) | told)

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """GET /feed?search=&sort=id&offset=0&limit=60: events, of all workers or scope=worker."""
        asked = query_of(request.query, default=FEED_LIMIT, most=MOST_OF_FEED)
        return await self.feed.serve(request, asked)

    async def tell_worker(self, request: web.Request) -> web.Response:
        """POST /feed {windows, patients}: what another worker's feed shows of this one's."""
        body = await _body(request.clone(client_max_size=_LARGEST_QUESTION))
        with _refused():
            wanted = msgspec.json.decode(body, type=Wanted)
        part = msgspec.json.encode(self.feed.part(wanted))
        return web.Response(body=part, content_type="application/json", charset="utf-8")

    async def patient(self, request: web.Request) -> web.Response:
        """GET /patients/{id}/, /patients/{id}/history (or history?format=fhir), or limits."""
        patient_id, part = _read_path(request.rel_url.raw_path)
        forwarded, wants_history = FORWARDED in request.headers, part == "history"
        if part == "limits":
            return json_answer(await self.cluster.limits(patient_id, forwarded=forwarded))
        form = request.query.get("format", "") if wants_history else ""
        if form not in ("", "fhir"):
            raise web.HTTPBadRequest(text="format can only be fhir")
        ask = self.cluster.history if form else self.cluster.patient
        found = await ask(patient_id, forwarded=forwarded)
        if found is None:
            raise web.HTTPNotFound(text="no reading of a patient with this id has been seen")
        if form:
            return _bundle(found, address=str(request.url))
        return json_answer(_history(found) if wants_history else found)

    async def alerts(self, request: web.Request) -> web.Response:
        """GET /alerts/: what is pending or firing, of all workers, or scope=worker.

        state=all: the alerts topic, since=TIME (a day ago), the newest limit=100 events.
        """
        if (state := request.query.get("state", "")) not in ("", "all"):
            raise web.HTTPBadRequest(text=f"state can only be all, not {state}")
        if state:
            return json_answer(await self._history(request.query))
        if request.query.get("scope") == "worker":
            return json_answer({"alerts": self.worker.patients.alerts()})
        return json_answer(await self.cluster.alerts())

    async def _history(self, query: Mapping[str, str]) -> Json:
        limit = number(query, "limit", default=DEFAULT_LIMIT, least=1, most=MOST)
        since = datetime.now(UTC) - _DAY
        if text := query.get("since", ""):
            try:
                since = datetime.fromisoformat(text)
            except ValueError:
                wanted = "since must be a time such as 2026-01-29T21:30Z"
                raise web.HTTPBadRequest(text=wanted) from None
        since = since.replace(tzinfo=since.tzinfo or UTC)
        milliseconds = max(0, int(since.timestamp() * 1000))
        try:
            return await self.cluster.desk.history(since=milliseconds, limit=limit)
        except SinkError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from None

    async def acknowledge(self, request: web.Request) -> web.Response:
        """POST /alerts/{id}/acknowledge {by, comment}: at the worker where the alert fires."""
        alert_id = request.match_info["id"]
        if not _ALERT_ID.fullmatch(alert_id):
            raise web.HTTPNotFound(text="an alert's id is 16 hexadecimal digits")
        body, forwarded = await _body(request), FORWARDED in request.headers
        with _refused():
            status, answer = await self.cluster.acknowledge(alert_id, body, forwarded=forwarded)
        return json_answer(answer, status=status)

    async def silences(self, _request: web.Request) -> web.Response:
        """GET /silences/: those that last."""
        return json_answer(self.cluster.desk.silences())

    async def silence(self, request: web.Request) -> web.Response:
        """POST /silences/ {by, minutes, patient_id, rule, comment}; 0 minutes end one."""
        body = await _body(request)
        with _refused():
            return json_answer(await self.cluster.desk.silence(body))

    async def set_limits(self, request: web.Request) -> web.Response:
        """POST /patients/{id}/limits {by, reason, bounds, profile, expires}."""
        patient_id, part = _read_path(request.rel_url.raw_path)
        if part != "limits":
            raise web.HTTPNotFound(text="nothing is served at this address")
        body, forwarded = await _body(request), FORWARDED in request.headers
        with _refused():
            status, answer = await self.cluster.set_limits(patient_id, body, forwarded=forwarded)
        return json_answer(answer, status=status)

    async def status(self, request: web.Request) -> web.Response:
        """GET /status: the live page's header, of all workers, or scope=worker."""
        if request.query.get("scope") == "worker":
            return json_answer(self.worker.health.status())
        return json_answer(await self.cluster.status())

    async def metrics(self, request: web.Request) -> web.Response:
        """GET /metrics: this worker's own, in the format of Prometheus that is asked for."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(
            body=encode(self.worker.metrics.registry), headers={"Content-Type": content_type}
        )

    async def live(self, _request: web.Request) -> web.Response:
        """GET /health/live: 503 says that a restart would help."""
        reasons = list(self.worker.health.dead())
        return json_answer(
            {"live": not reasons, "reasons": reasons}, status=503 if reasons else 200
        )

    async def ready(self, _request: web.Request) -> web.Response:
        """GET /health/ready: 503 with the reasons."""
        reasons = list(self.worker.health.reasons())
        return json_answer(
            {
                "ready": not reasons,
                "reasons": reasons,
                "warnings": list(self.worker.health.warnings()),
            },
            status=503 if reasons else 200,
        )


async def _body(request: web.Request) -> bytes:
    """What was sent; 415 for what a page of another site could send without being asked."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send JSON, as Content-Type: application/json")
    return await request.read()


@contextmanager
def _refused() -> Iterator[None]:
    """What is wrong with a body is a 400 that says so, what is not there a 404."""
    try:
        yield
    except NotFound as error:
        raise web.HTTPNotFound(text=str(error)) from None
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text=str(error)) from None


def _read_path(raw_path: str) -> tuple[str, str]:
    """The id in `/patients/{id}/` or `/patients/{id}/history`, and the part after it, or none.

    The id is decoded here, once, so that a slash in it (`%2F`) is none of the path's; 404
    where it is not UTF-8, or where the path has more parts.
    """
    parts = raw_path.split("/")[2:]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    part = parts[1] if len(parts) == 2 and parts[1] in ("history", "limits") else ""
    try:
        patient_id = unquote_to_bytes(parts[0].encode("utf-8", "surrogateescape")).decode()
    except UnicodeError:
        raise web.HTTPNotFound(text="the patient's id is not UTF-8") from None
    if not patient_id or (len(parts) != 1 and not part):
        raise web.HTTPNotFound(text="nothing is served at this address")
    return patient_id, part


def _bundle(bundle: Json, *, address: str) -> web.Response:
    """A searchset as FHIR's media type; `address` is what was asked for."""
    answer = json_answer(bundle | {"link": [{"relation": "self", "url": address}]})
    answer.content_type = "application/fhir+json"
    return answer


def _history(patient: Json) -> Json:
    """The readings still at hand, oldest first."""
    readings = [
        {
            "timestamp": datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds"),
            "systolic_pressure": systolic,
            "diastolic_pressure": diastolic,
            "anomalous": bool(anomalous),
        }
        for at, systolic, diastolic, anomalous in patient["recent"]
    ]
    return {"patient_id": patient["patient_id"], "readings": readings}
