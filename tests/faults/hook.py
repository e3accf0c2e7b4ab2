"""A receiver of alerts: what a webhook is sent to, and what arrived there."""

import hashlib
import hmac
import json
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from tests.faults.killable import Killable


class Received(NamedTuple):
    """A request that was answered with 204."""

    key: str
    """Its Idempotency-Key."""
    event: dict[str, Any]
    signed: bool
    """Whether the signature is that of the body and the time, with the secret."""


class Hook(Killable):
    """Keeps what it receives; a request that comes while it is killed is not there."""

    def __init__(self, secret: str) -> None:
        super().__init__(type("_Handler", (_Handler,), {"hook": self}))
        self.secret = secret.encode()
        self.received: list[Received] = []

    def signature(self, timestamp: str, body: bytes) -> str:
        digest = hmac.new(self.secret, timestamp.encode() + b"." + body, hashlib.sha256)
        return f"sha256={digest.hexdigest()}"


class _Handler(BaseHTTPRequestHandler):
    hook: Hook
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        timestamp = self.headers.get("X-BPStream-Timestamp", "")
        signed = self.hook.signature(timestamp, body)
        self.hook.received.append(
            Received(
                self.headers.get("Idempotency-Key", ""),
                json.loads(body),
                hmac.compare_digest(signed, self.headers.get("X-BPStream-Signature", "")),
            )
        )
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass
