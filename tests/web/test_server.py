"""The server's own life: binding, stopping, and its place in Faust."""

import asyncio
import time

import aiohttp
import faust
import pytest

from bpstream.errors import StartError
from bpstream.web.server import Web
from tests.web.worker import FakeWorker, serving


async def test_a_port_in_use_is_a_start_error_that_names_the_setting():
    async with serving(FakeWorker()) as root:
        late = FakeWorker()
        late.settings.web_port = root.port
        with pytest.raises(StartError, match=f"127.0.0.1:{root.port}.*BPSTREAM_WEB_PORT"):
            await Web(late).start_server()


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("no-such-host.invalid", 0), ("127.0.0.1", 65536)]
)
async def test_an_address_that_cannot_be_had_is_a_start_error(host, port):
    worker = FakeWorker(token="s3cret")
    worker.settings.web_host, worker.settings.web_port = host, port
    with pytest.raises(StartError, match=f"{host}:{port}.*BPSTREAM_WEB_HOST"):
        await Web(worker).start_server()


async def test_a_stopped_server_has_let_its_port_go(browser):
    worker = FakeWorker()
    async with serving(worker) as root:
        assert (await browser.get(root / "health/live")).status == 200
    with pytest.raises(aiohttp.ClientConnectionError):
        await browser.get(root / "health/live")
    worker.settings.web_port = root.port
    async with serving(worker) as again:
        assert (await browser.get(again / "health/live")).status == 200


async def test_stopping_does_not_wait_for_an_idle_browser():
    async with aiohttp.ClientSession() as browser:
        async with serving(FakeWorker()) as root:
            await (await browser.get(root / "health/live")).read()
            began = time.monotonic()
        assert time.monotonic() - began < 2


async def test_it_runs_in_the_loop_of_the_worker():
    loops = []

    class Watched(FakeWorker):
        def workers(self):
            loops.append(asyncio.get_running_loop())
            return super().workers()

    async with serving(Watched()) as root, aiohttp.ClientSession() as browser:
        await browser.get(root / "patients/")
    assert loops == [asyncio.get_running_loop()]


class _App(faust.App):
    """A real Faust app in debug mode, where Faust opens every page of its own."""

    def __init__(self, offered):
        super().__init__("web-test", debug=True, web_cors_options={"*": {}})
        self.settings, self.patients, self.health = (
            offered.settings,
            offered.patients,
            offered.health,
        )
        self.own_url, self.workers, self.owner = offered.own_url, offered.workers, offered.owner

    def _new_web(self):
        return Web(self)


@pytest.mark.parametrize("path", ["table/", "router/", "stats/", "graph/", "metrics/"])
async def test_faust_serves_none_of_its_own_pages(browser, path):
    app = _App(FakeWorker("p1"))
    app.web.init_server()
    await app.web.start()
    try:
        root = f"http://127.0.0.1:{app.web.port}/"
        assert (await browser.get(root + path)).status == 404
        assert (await browser.get(root + "patients/p1/")).status == 200
    finally:
        await app.web.stop()
