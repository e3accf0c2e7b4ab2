"""An HTTP server on the loopback that can be killed, and started again at its port."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


class Killable:
    """Answers as `handler` does, a thread to each connection.  `start` comes first."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._handler = handler
        self._server: _Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Return once it listens."""
        if self._server is None:
            self._server = _Server(("127.0.0.1", self._port), self._handler)
            self._port = self._server.server_port
            Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def kill(self) -> int:
        """Refuse connections and end those there are; returns how many they were."""
        server, self._server = self._server, None
        return 0 if server is None else server.kill()


@contextmanager
def running(server: Killable) -> Iterator[Any]:
    """The server, until the end of the block."""
    try:
        yield server.start()
    finally:
        server.kill()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def kill(self) -> int:
        self.shutdown()
        self.server_close()
        # Nothing is added any more: connections are accepted by the thread that has ended.
        left = list(self._open)
        for connection in left:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return len(left)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the other side went away, as is usual here."""
