"""The cluster: whichever worker is asked, the one that knows answers."""

import asyncio
import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web
from yarl import URL

from bpstream.errors import NotFound
from bpstream.stream.view import urgency
from bpstream.web.query import Query
from bpstream.web.status import SUMS, status_of
from bpstream.web.worker import Desk, Json, WebApp

T = TypeVar("T")

Answer = tuple[int, Json]
"""A status, and what is said with it."""

FORWARDED = "X-BPStream-Forwarded"
"""The header of a request that one worker makes of another: it is not forwarded again."""

WINDOW = 10_000
"""Farthest patient, counted from the first, of a list gathered from several workers."""

_TIMEOUT = aiohttp.ClientTimeout(total=5.0)


class Cluster:
    """Asks the other workers, with the token they all share.

    What cannot be answered is an :class:`aiohttp.web.HTTPException`: 503 while partitions
    move, 502 where a worker does not answer, or answers with something else.
    """

    def __init__(self, worker: WebApp) -> None:
        self.worker = worker

    async def patient(self, patient_id: str, *, forwarded: bool) -> Json | None:
        """The patient, from the worker that holds it; None where that has never seen it.

        `forwarded`: another worker asks.  Where each takes the other for the owner, as
        may be for a moment while partitions move, the second says so instead of asking back.
        """
        owner = self._owner(patient_id, forwarded=forwarded)
        if owner is None:
            return self.worker.patients.get(patient_id)
        return await self._ask(owner, _path(patient_id), holding=("patient_id",))

    async def history(self, patient_id: str, *, forwarded: bool) -> Json | None:
        """The patient's recent readings as FHIR, found as :meth:`patient` finds them."""
        owner = self._owner(patient_id, forwarded=forwarded)
        if owner is None:
            return self.worker.patients.history(patient_id)
        path = f"{_path(patient_id)}history?format=fhir"
        return await self._ask(owner, path, holding=("resourceType",))

    async def limits(self, patient_id: str, *, forwarded: bool) -> Json:
        """The patient's limits, found as :meth:`patient` finds them; seen or not."""
        owner = self._owner(patient_id, forwarded=forwarded)
        if owner is None:
            return self.worker.patients.limits(patient_id)
        path = f"{_path(patient_id)}limits"
        found = await self._ask(owner, path, holding=("patient_id", "limits"))
        if found is None:
            raise _bad_gateway(owner, "an unexpected answer, 404")
        return found

    async def set_limits(self, patient_id: str, body: bytes, *, forwarded: bool) -> Answer:
        """Change the patient's limits, at the worker that judges the patient."""
        owner = self._owner(patient_id, forwarded=forwarded)
        if owner is None:
            return HTTPStatus.OK, await self.desk.set_limits(patient_id, body)
        return await self._tell(owner, f"{_path(patient_id)}limits", body)

    async def acknowledge(self, alert_id: str, body: bytes, *, forwarded: bool) -> Answer:
        """Acknowledge an alert at the worker where it fires.

        404 where it fires nowhere; 503 where it may fire at a worker that does not answer.
        """
        try:
            return HTTPStatus.OK, await self.desk.acknowledge(alert_id, body)
        except NotFound:
            if forwarded:
                raise
        missing = []
        for other in self.others():
            try:
                status, answer = await self._tell(other, f"/alerts/{alert_id}/acknowledge", body)
            except web.HTTPException:
                missing.append(str(other))
            else:
                if status != HTTPStatus.NOT_FOUND:
                    return status, answer
        if missing:
            raise web.HTTPServiceUnavailable(
                text=f"no answer from worker {', '.join(missing)}, where the alert may fire",
                headers={"Retry-After": "2"},
            )
        raise NotFound("no alert with this id fires: it is over, or there was none")

    @property
    def desk(self) -> Desk:
        """Where people ask this worker; 503 while it starts."""
        desk = self.worker.desk
        if desk is None:
            raise web.HTTPServiceUnavailable(
                text="the worker is starting; ask again", headers={"Retry-After": "2"}
            )
        return desk

    async def page(self, asked: Query) -> Json:
        """One page of the patients of all workers, sorted by id or by attention.

        Each is asked for its first `offset + limit`, among which the page must be; one that
        fails is named in `missing`.  400 beyond :data:`WINDOW` where there are several.
        """
        page: Json = {"offset": asked.offset, "limit": asked.limit}
        if not self.others():
            own = self.part(asked)
            return page | {"total": own["total"], "patients": own["patients"]}
        if asked.end > WINDOW:
            raise too_far(asked.end)
        first = asked._replace(offset=0, limit=asked.end)
        query = first._asdict() | {"scope": "worker"}
        del query["alone"]
        parts, missing = await self._ask_others(
            f"/patients/?{urlencode(query)}", holding=("total", "patients", "ranks")
        )
        parts.append(self.part(first))
        ranked = [
            (rank, patient["patient_id"], patient)
            for part in parts
            for rank, patient in zip(part["ranks"], part["patients"], strict=True)
        ]
        ranked.sort(key=itemgetter(0, 1))
        patients = [patient for _, _, patient in ranked[asked.offset : asked.end]]
        page |= {"total": sum(part["total"] for part in parts), "patients": patients}
        return page | ({"missing": missing} if missing else {})

    def part(self, asked: Query) -> Json:
        """A page of this worker's own patients, with the ranks by which pages become one."""
        search, sort, offset, limit, _ = asked
        held = self.worker.patients
        total, ids, ranks = held.window(search=search, sort=sort, offset=offset, limit=limit)
        found = [(rank, held.get(each)) for rank, each in zip(ranks, ids, strict=True)]
        return {
            "total": total,
            "patients": [patient for _, patient in found if patient is not None],
            "ranks": [rank for rank, patient in found if patient is not None],
        }

    async def alerts(self) -> Json:
        """The alerts of all workers, the most urgent first."""
        parts, missing = await self._ask_others("/alerts/?scope=worker", holding=("alerts",))
        parts.append({"alerts": self.worker.patients.alerts()})
        alerts = sorted(chain.from_iterable(part["alerts"] for part in parts), key=urgency)
        return {"alerts": alerts} | ({"missing": missing} if missing else {})

    async def status(self) -> Json:
        """The state of all workers as one: counts added up, a store ok if it is for all."""
        parts, missing = await self._ask_others("/status?scope=worker", holding=SUMS)
        return status_of([*parts, self.worker.health.status()], missing)

    def _owner(self, patient_id: str, *, forwarded: bool) -> URL | None:
        """The other worker that holds the patient; None where it is this one."""
        owner = self.worker.owner(patient_id)
        if owner == self.worker.own_url:
            return None
        if owner is None or forwarded:
            raise web.HTTPServiceUnavailable(
                text="rebalancing: the patient's partition is changing its worker; ask again",
                headers={"Retry-After": "2"},
            )
        return owner

    def others(self) -> list[URL]:
        """The addresses of the other workers."""
        return [each for each in self.worker.workers() if each != self.worker.own_url]

    async def _ask_others(
        self, path: str, *, holding: Iterable[str]
    ) -> tuple[list[Json], list[str]]:
        """Every other worker's answer, and the addresses of those that failed."""
        others = self.others()
        answers = await asyncio.gather(
            *(self._ask_or_none(each, path, holding=holding) for each in others)
        )
        missing = [str(each) for each, answer in zip(others, answers, strict=True) if not answer]
        return [answer for answer in answers if answer], missing

    async def _ask_or_none(self, worker: URL, path: str, *, holding: Iterable[str]) -> Json | None:
        try:
            return await self._ask(worker, path, holding=holding)
        except web.HTTPException:
            return None

    async def _ask(self, worker: URL, path: str, *, holding: Iterable[str]) -> Json | None:
        """What `worker` answers: an object with the fields `holding`, or None if a 404."""
        status, answer = await self._request(worker, "GET", path)
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status != HTTPStatus.OK or not _holds(answer, holding):
            raise _bad_gateway(worker, f"an unexpected answer, {status}")
        return answer

    async def _tell(self, worker: URL, path: str, body: bytes) -> Answer:
        """What `worker` answers to what a person asks, as it stands."""
        status, answer = await self._request(worker, "POST", path, body)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or not isinstance(answer, dict):
            raise _bad_gateway(worker, f"an unexpected answer, {status}")
        return status, answer

    async def ask_for(
        self,
        worker: URL,
        path: str,
        body: bytes,
        *,
        decode: Callable[[str], T],
        within: aiohttp.ClientTimeout,
    ) -> T:
        """What `worker` answers to a question in `body`; ValueError of `decode` is a 502."""
        status, answer = await self._request(
            worker, "POST", path, body, decode=decode, within=within
        )
        if status != HTTPStatus.OK:
            raise _bad_gateway(worker, f"an unexpected answer, {status}")
        found: T = answer
        return found

    async def _request(
        self,
        worker: URL,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        decode: Callable[[str], Any] = json.loads,
        within: aiohttp.ClientTimeout | None = None,
    ) -> tuple[int, Any]:
        # `encoded`: the path is sent as it stands, and so is decoded once.
        url = URL(f"{str(worker).rstrip('/')}{path}", encoded=True)
        headers = {FORWARDED: str(self.worker.own_url)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if token := self.worker.settings.web_token:
            headers["Authorization"] = f"Bearer {token}"
        timeout = within or _TIMEOUT
        try:
            async with self.worker.http_client.request(
                method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                status, answer = response.status, await response.json(loads=decode)
        except TimeoutError:
            raise _bad_gateway(worker, f"no answer in {timeout.total:g} s") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise _bad_gateway(worker, type(error).__name__) from error
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise web.HTTPServiceUnavailable(
                text=f"worker {worker} is rebalancing; ask again", headers={"Retry-After": "2"}
            )
        return status, answer


def too_far(end: int) -> web.HTTPBadRequest:
    """The answer where a list of several workers is asked for up to `end`."""
    return web.HTTPBadRequest(
        text=f"offset + limit is {end}, but at most {WINDOW} over several "
        "workers: narrow the search, or ask each worker with scope=worker"
    )


def _path(patient_id: str) -> str:
    # Dots too: `..` would be taken for the folder above.
    segment = quote(patient_id, safe="").replace(".", "%2E")
    return f"/patients/{segment}/"


def _holds(answer: Any, fields: Iterable[str]) -> bool:
    return isinstance(answer, dict) and all(field in answer for field in fields)


def _bad_gateway(worker: URL, found: str) -> web.HTTPBadGateway:
    return web.HTTPBadGateway(text=f"worker {worker} did not answer as it should: {found}")
