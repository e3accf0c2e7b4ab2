"""The web server: Faust's aiohttp driver, serving our own addresses and no others."""

from typing import Any, cast

from aiohttp import web
from faust.web.drivers import aiohttp as driver

from bpstream.errors import StartError
from bpstream.web.answers import add_headers, errors_as_json
from bpstream.web.guard import Guard
from bpstream.web.routes import Routes
from bpstream.web.worker import WebApp

# Bytes of a request's first line: an id of 4 kB is three times that when percent-encoded.
_LONGEST_LINE = 32 * 1024
# Bytes of a request's body: the largest is a token.
_LARGEST_BODY = 16 * 1024
# Seconds for requests under way when the worker stops.
_GRACE = 3.0


class Web(driver.Web):
    """Runs in the worker's event loop, on BPSTREAM_WEB_HOST and BPSTREAM_WEB_PORT.

    Faust's own pages (router, tables, statistics, graph) and its CORS are left out: they
    would show every table to whoever asks.
    """

    def __init__(self, app: WebApp, **kwargs: Any) -> None:
        super().__init__(cast(Any, app), **kwargs)
        self._worker = app
        guard = Guard(app)
        self.web_app = web.Application(
            middlewares=[errors_as_json, guard.middleware()], client_max_size=_LARGEST_BODY
        )
        routes = Routes(app)
        self.web_app.add_routes(guard.routes() + routes.table())
        self.web_app.on_shutdown.append(lambda _: routes.feed.close())
        self.web_app.on_response_prepare.append(add_headers)
        self._runner = web.AppRunner(
            self.web_app, access_log=None, shutdown_timeout=_GRACE, max_line_size=_LONGEST_LINE
        )

    def _enabled_blueprints(self) -> list[Any]:
        return []

    @property
    def port(self) -> int:
        """The port it listens on: the system's choice where BPSTREAM_WEB_PORT is 0."""
        port: int = self._runner.addresses[0][1]
        return port

    async def on_start(self) -> None:
        """Listen.  Raises :class:`StartError` where that is not possible."""
        await self.start_server()

    async def on_stop(self) -> None:
        """Stop listening; requests under way have three seconds."""
        await self.stop_server()

    async def start_server(self) -> None:
        """Bind the address and begin to answer."""
        # Read now: `faust worker` takes its options after this was made.
        settings = self._worker.settings
        host, port = settings.web_host, settings.web_port
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            raise StartError(
                f"the web server cannot listen on {host}:{port}: {error}; set "
                "BPSTREAM_WEB_PORT to a port that is free, or BPSTREAM_WEB_HOST to an "
                "address of this machine"
            ) from error

    async def stop_server(self) -> None:
        """Close the connections and the port."""
        await self._runner.cleanup()
