"""The page before several workers, and behind a token: the real server, its patients in memory."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from playwright.sync_api import expect
from yarl import URL

from bpstream.web import feed
from tests.browser.chromium import PATIENCE
from tests.web.worker import FakeWorker, serving

expect.set_options(timeout=PATIENCE)

# Nobody listens at it.
AWAY = URL("http://127.0.0.1:9/")


@contextmanager
def served(worker: FakeWorker) -> Iterator[SimpleNamespace]:
    """The worker's web server in a thread, for the test waits in its own."""
    loop, address = asyncio.new_event_loop(), []
    ready, done = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving(worker) as root:
            address.append(str(root).rstrip("/"))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    try:
        assert ready.wait(10)
        yield SimpleNamespace(url=address[0])
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


def test_a_worker_that_does_not_answer_is_named(visit):
    worker = FakeWorker("PAT-001")
    worker.others = [AWAY]
    with served(worker) as here:
        page = visit(here)
        banner = page.locator("#banner")
        expect(banner).to_have_text(f"Patients are missing: no answer from worker {AWAY}.")
        expect(page.locator("#connection")).to_have_text("Live")
        expect(page.locator(".tile")).to_have_count(1)
        worker.others = []
        expect(banner).to_be_hidden()


def test_a_browser_signs_in_and_sees_the_page(browser, axe):
    with served(FakeWorker("PAT-001", token="a token")) as here:
        page = browser.new_page()
        page.goto(here.url)
        assert axe(page) == []
        page.get_by_label("Token").fill("a token")
        page.keyboard.press("Enter")
        expect(page.locator(".tile")).to_have_count(1)
        expect(page.locator("#connection")).to_have_text("Live")
        # The worker was started again with another token, say.
        page.context.clear_cookies()
        page.locator(".tile .name").click()
        expect(page.get_by_label("Token")).to_be_visible()
        page.close()


def test_a_feed_that_is_refused_says_why_and_is_asked_again(browser, monkeypatch):
    with served(FakeWorker("PAT-001")) as here:
        monkeypatch.setattr(feed, "MOST_CLIENTS", 0)
        page = browser.new_page()
        page.goto(here.url)
        expect(page.locator("#banner")).to_contain_text("0 clients listen to this worker's feed")
        monkeypatch.undo()
        expect(page.locator("#connection")).to_have_text("Live")
        expect(page.locator("#banner")).to_be_hidden()
        page.close()
