"""A server on the loopback that keeps what is sent to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
from aiohttp import web

from tests.sinks.helpers import Answer


class Received(NamedTuple):
    """A request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """Says what the test tells it, one answer a request; out of answers, it takes everything."""

    answers: list[Answer] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.received]

    def judge(self, body: bytes) -> Answer:
        """The answer to `body`."""
        del body
        return self.answers.pop(0) if self.answers else Answer(200)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.received.append(Received(request.path_qs, request.headers, body))
        answer = self.judge(body)
        if answer.release is not None:
            await answer.release.wait()
        if answer.cut:
            assert request.transport is not None
            request.transport.close()
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body or {})
        return web.Response(status=answer.status, text=text, headers=answer.headers)


def an_event(number: int = 0, **changes: Any) -> bytes:
    """An alert event with every field, but for what `changes` say."""
    every = {
        "alert_id": f"{number:016x}",
        "patient_id": "PAT-003",
        "rule": "critical",
        "title": "Critical blood pressure",
        "kind": "physiological",
        "state": "firing",
        "severity": "critical",
        "since": "2026-01-29T21:30:00Z",
        "taken_at": "2026-01-29T21:32:51.619300Z",
        "systolic": 186.0,
        "diastolic": 121.5,
        "mean": 143.0,
        "measure": "systolic",
        "limit": 180.0,
        "message": "Systolic 186 mmHg is above 180 mmHg.",
        "document_id": "0123456789abcdef" * 2,
    }
    return msgspec.json.encode(every | changes)
