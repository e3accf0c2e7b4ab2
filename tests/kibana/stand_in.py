"""A stand-in for Kibana on the loopback: the few addresses `bpstream provision` asks.

It keeps what it is given, and refuses what Kibana 8.19 refuses: a request without `kbn-xsrf`, an
id that is no UUID, a rule whose connector is not there, a change of what cannot be changed, an
import of what exists or refers to nothing.  It runs no rule and draws no panel.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web

from tests.sinks.helpers import Answer

Json = dict[str, Any]

# What PUT of a rule takes, and of a connector.
_CHANGEABLE = {
    "alerting/rule": {"name", "tags", "schedule", "params", "actions", "alert_delay"},
    "actions/connector": {"name", "config", "secrets"},
}
_ADDED = {
    "alerting/rule": {"mute_all": False, "execution_status": {"status": "pending"}, "revision": 0},
    "actions/connector": {"is_preconfigured": False, "is_deprecated": False},
}


class Asked(NamedTuple):
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    """JSON, or what the file of a form held."""

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET" and not self.path.endswith("/_export")


@dataclass
class StandIn:
    """`answers` come first, by method and path (a prefix), each once.

    One that is cut does what was asked, and closes the connection instead of answering.
    """

    version: str = "8.19.21"
    encrypts: bool = True
    prefix: str = ""
    """A base path and a space."""
    login: str = ""
    """What `Authorization` has to be; empty: nothing is asked for."""
    ssl_context: Any = None
    port: int = 0
    """0: one that is free."""
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    saved: dict[tuple[str, str], Json] = field(default_factory=dict)
    held: dict[str, Json] = field(default_factory=dict)
    """Rules and connectors, by `alerting/rule/ID` and `actions/connector/ID`."""
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.ssl_context)
        await site.start()
        scheme = "https" if self.ssl_context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}{self.prefix}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    @property
    def changes(self) -> list[str]:
        """The requests that may have changed something."""
        return [each.line for each in self.asked if each.changes]

    def object_of(self, title: str) -> Json:
        """The attributes of the one object with that title, to be changed by a person."""
        (found,) = (
            each["attributes"]
            for each in self.saved.values()
            if each["attributes"]["title"] == title
        )
        return found

    def held_as(self, name: str) -> Json:
        """The rule or connector of that name, to be changed by a person."""
        (found,) = (each for each in self.held.values() if each["name"] == name)
        return found

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await _body_of(request)
        self.asked.append(Asked(request.method, request.path_qs, request.headers, body))
        given = self._given(request)
        if given is not None and given.release is not None:
            await given.release.wait()
        if given is not None and not given.cut:
            text = given.body if isinstance(given.body, str) else json.dumps(given.body)
            text = "" if given.body is None else text
            return web.Response(status=given.status, text=text, headers=given.headers)
        status, answer = self._own(request, body)
        if given is not None:
            assert request.transport is not None
            request.transport.close()
        if isinstance(answer, str):
            return web.Response(status=status, text=answer, content_type="application/ndjson")
        return web.json_response(answer, status=status)

    def _given(self, request: web.Request) -> Answer | None:
        line = f"{request.method} {request.path.removeprefix(self.prefix)}"
        for position, (start, answer) in enumerate(self.answers):
            if line.startswith(start):
                del self.answers[position]
                return answer
        return None

    def _own(self, request: web.Request, body: Any) -> tuple[int, Any]:
        if not request.path.startswith(f"{self.prefix}/api/"):
            return _error(404, "Not Found")
        if self.login and request.headers.get("Authorization") != self.login:
            return _error(401, "Unauthorized")
        if request.method != "GET" and "kbn-xsrf" not in request.headers:
            return _error(400, "Request must contain a kbn-xsrf header.")
        path = request.path.removeprefix(f"{self.prefix}/api/")
        match request.method, path:
            case "GET", "status":
                return 200, {"version": {"number": self.version}, "status": {"overall": {}}}
            case "GET", "alerting/_health":
                return 200, {
                    "is_sufficiently_secure": True,
                    "has_permanent_encryption_key": self.encrypts,
                }
            case "POST", "saved_objects/_export":
                return self._export(body)
            case "POST", "saved_objects/_import":
                return self._import(body, overwrite=request.query.get("overwrite") == "true")
        folder, _, name = path.rpartition("/")
        if name == "_enable" and request.method == "POST":
            self.held[folder]["enabled"] = True
            return 204, ""
        if folder not in _CHANGEABLE:
            return _error(404, "Not Found")
        return self._hold(request.method, folder, name, body)

    def _export(self, asked: Json) -> tuple[int, Any]:
        wanted = [(each["type"], each["id"]) for each in asked["objects"]]
        missing = [
            {"type": kind, "id": each, "error": {"statusCode": 404, "error": "Not Found"}}
            for kind, each in wanted
            if (kind, each) not in self.saved
        ]
        if missing:
            answer = {"statusCode": 400, "error": "Bad Request", "attributes": {"objects": missing}}
            return 400, {**answer, "message": "Error fetching objects to export"}
        assert asked["excludeExportDetails"]
        return 200, "\n".join(json.dumps(self.saved[each], sort_keys=True) for each in wanted)

    def _import(self, file: str, *, overwrite: bool) -> tuple[int, Any]:
        objects = [json.loads(line) for line in file.splitlines()]
        new = {(each["type"], each["id"]): each for each in objects}
        errors = [
            {"type": kind, "id": each, "error": {"type": "conflict"}}
            for kind, each in new
            if (kind, each) in self.saved and not overwrite
        ]
        errors += [
            {
                "type": saved["type"],
                "id": saved["id"],
                "error": {"type": "missing_references", "references": [reference]},
            }
            for saved in objects
            for reference in saved["references"]
            if (reference["type"], reference["id"]) not in {**self.saved, **new}
        ]
        if errors:
            return 200, {"success": False, "successCount": 0, "errors": errors}
        times = {"created_at": "2026-11-24T00:00:00.000Z", "updated_at": "2026-11-24T00:00:00.000Z"}
        for key, saved in new.items():
            self.saved[key] = {**saved, **times, "version": "WzEsMV0="}
        done = [{"type": kind, "id": each, "overwrite": True} for kind, each in new]
        return 200, {"success": True, "successCount": len(new), "successResults": done}

    def _hold(self, method: str, folder: str, name: str, body: Json) -> tuple[int, Any]:
        key = f"{folder}/{name}"
        if method == "POST":
            if key in self.held:
                return _error(409, f"Saved object [{key}] conflict")
            if str(uuid.UUID(name)) != name:
                return _error(400, "Predefined IDs are not allowed unless the ID is a UUID.")
        elif key not in self.held:
            return _error(404, f"Saved object [{key}] not found")
        if method == "GET":
            return 200, self.held[key]
        if method == "PUT" and (more := set(body) - _CHANGEABLE[folder]):
            return _error(400, f"[request body.{min(more)}]: definition for this key is missing")
        for action in body.get("actions", []):
            if f"actions/connector/{action['id']}" not in self.held:
                return _error(400, f"Saved object [action/{action['id']}] not found")
        made = {
            **_ADDED[folder],
            **self.held.get(key, {}),
            **json.loads(json.dumps(body)),
            "id": name,
        }
        made.pop("secrets", None)
        for action in made.get("actions", []):
            action |= {"uuid": str(uuid.uuid4()), "connector_type_id": ".server-log"}
        self.held[key] = made
        return 200, made


async def _body_of(request: web.Request) -> Any:
    if request.content_type == "multipart/form-data":
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert file.filename.endswith(".ndjson")
        return file.file.read().decode()
    text = await request.text()
    return json.loads(text) if text else None


def _error(status: int, message: str) -> tuple[int, Json]:
    return status, {"statusCode": status, "error": "Error", "message": message}


def basic(user: str, password: str) -> str:
    """What `Authorization` is for a user."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
