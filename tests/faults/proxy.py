"""A proxy before Elasticsearch that misbehaves as it is told, while requests go through it."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from enum import Enum, auto
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from threading import Condition, Lock
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zlib import crc32

from tests.faults.killable import Killable

SLOW_BY = 1.0
"""Seconds that SLOW adds to a request."""

_JSON = {"Content-Type": "application/json", "X-Elastic-Product": "Elasticsearch"}
_KINDS = {429: "es_rejected_execution_exception", 503: "unavailable_shards_exception"}


class Fault(Enum):
    """What becomes of requests; but for DOWN, HANG and SLOW, of bulk requests alone."""

    NONE = auto()
    DOWN = auto()
    """Connections are refused, and those there were are ended."""
    HANG = auto()
    """A request is taken, and neither passed on nor answered."""
    SLOW = auto()
    """A request is passed on SLOW_BY later."""
    BUSY = auto()
    """429, as Elasticsearch says it."""
    UNAVAILABLE = auto()
    """503, as a proxy says it."""
    PARTLY = auto()
    """Every third document is not passed on: 429 to some of them, 503 to the others."""
    CUT = auto()
    """A request is carried out, and its answer ends in the middle."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Proxy(Killable):
    """Stands before the node at `target`."""

    def __init__(self, target: str) -> None:
        super().__init__(type("_Handler", (_Handler,), {"proxy": self}))
        self.target = urlsplit(target).netloc
        self.fault = Fault.NONE
        self._changed = Condition()
        self._struck: Counter[Fault] = Counter()
        self._counting = Lock()

    def refusal(self, given: str | None) -> str:
        """Why who sends this `Authorization` is refused; empty: who may go on."""
        del given
        return ""

    def be(self, fault: Fault) -> None:
        """From now on.  A request that hangs is let go, without an answer."""
        with self._changed:
            self.fault = fault
            self._changed.notify_all()
        if fault is Fault.DOWN:
            self.count(fault, self.kill())
        else:
            self.start()

    def struck(self, fault: Fault) -> int:
        """How often it did: requests; of DOWN connections ended, of PARTLY documents refused."""
        return self._struck[fault]

    def count(self, fault: Fault, times: int = 1) -> None:
        with self._counting:
            self._struck[fault] += times

    def hang(self) -> None:
        """Return once the fault is another."""
        with self._changed:
            self._changed.wait_for(lambda: self.fault is not Fault.HANG)


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if refusal := self.proxy.refusal(self.headers.get("Authorization")):
            error = {"type": "security_exception", "reason": refusal}
            self._send(Answer(401, _JSON, json.dumps({"error": error, "status": 401}).encode()))
            return
        fault, bulk = self.proxy.fault, urlsplit(self.path).path == "/_bulk"
        if fault not in (Fault.DOWN, Fault.HANG, Fault.SLOW) and not bulk:
            fault = Fault.NONE
        match fault:
            case Fault.DOWN:  # It was read before its connection was ended.
                self.close_connection = True
            case Fault.HANG:
                self.proxy.count(fault)
                self.proxy.hang()
                self.close_connection = True
            case Fault.BUSY:
                self.proxy.count(fault)
                error = {"type": _KINDS[429], "reason": "too much to do"}
                self._send(Answer(429, _JSON, json.dumps({"error": error, "status": 429}).encode()))
            case Fault.UNAVAILABLE:
                self.proxy.count(fault)
                self._send(Answer(503, {"Content-Type": "text/html"}, b"<h1>away</h1>"))
            case Fault.PARTLY:
                self._send(self._partly(body))
            case Fault.CUT:
                answer = self._passed_on(body)
                self.proxy.count(fault)
                self._send(answer, cut=True)
            case Fault.SLOW:
                self.proxy.count(fault)
                time.sleep(SLOW_BY)
                self._send(self._passed_on(body))
            case Fault.NONE:
                self._send(self._passed_on(body))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

    def _passed_on(self, body: bytes) -> Answer:
        """What the node says."""
        kept = ("accept", "authorization", "content-type")
        headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
        node = HTTPConnection(self.proxy.target, timeout=60)
        try:
            node.request(self.command, self.path, body or None, headers)
            answer = node.getresponse()
            named = {name: answer.getheader(name) for name in _JSON}
            told = {name: value for name, value in named.items() if value}
            return Answer(answer.status, told, answer.read())
        except (OSError, HTTPException):
            return Answer(502, {"Content-Type": "text/html"}, b"<h1>no node</h1>")
        finally:
            node.close()

    def _partly(self, body: bytes) -> Answer:
        """Pass on what is not refused; the answer judges all."""
        lines = body.splitlines(keepends=True)
        operations = list(zip(lines[::2], lines[1::2], strict=True))
        refused = [_refused(action) for action, _ in operations]
        taken = [b"".join(each) for each, no in zip(operations, refused, strict=True) if not no]
        judged: Iterator[Any] = iter(())
        if taken:
            answer = self._passed_on(b"".join(taken))
            if answer.status != 200:
                return answer
            judged = iter(json.loads(answer.body)["items"])
        items = [_refusal(status) if status else next(judged) for status in refused]
        self.proxy.count(Fault.PARTLY, len(operations) - len(taken))
        errors = any("error" in item["index"] for item in items)
        return Answer(200, _JSON, json.dumps({"errors": errors, "items": items}).encode())

    def _send(self, answer: Answer, *, cut: bool = False) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if cut:
            self.close_connection = True
            self.wfile.write(answer.body[: len(answer.body) // 2])
        elif self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _refused(action: bytes) -> int:
    """The status for a document by its id, so that it is the same each time; 0: none."""
    name = json.loads(action)["index"]["_id"]
    return {0: 429, 3: 503}.get(crc32(name.encode()) % 6, 0)


def _refusal(status: int) -> dict[str, Any]:
    return {"index": {"status": status, "error": {"type": _KINDS[status], "reason": "not now"}}}
