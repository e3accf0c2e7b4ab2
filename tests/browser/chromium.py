"""A headless Chromium, the one that the system has; nothing is downloaded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Containers give a browser no user namespace of its own, and little of /dev/shm.  Hinting moves
# letters apart where the screen is none.
_OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none"]

PATIENCE = 15_000
"""Milliseconds a test waits for something to be on the page."""


def program() -> str | None:
    """Where the browser is: TEST_CHROMIUM, else the first that PATH has."""
    found = (shutil.which(name) for name in _NAMES)
    return os.environ.get("TEST_CHROMIUM") or next((each for each in found if each), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser.  The test is skipped where there is none, and fails where it is required."""
    where = program()
    if where is None:
        why = "no Chromium is installed: install your system's, or name one in TEST_CHROMIUM"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"REQUIRE_SERVICES=1, and {why}", pytrace=False)
        pytest.skip(why)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=where, args=_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """What a page must not do: say something on the console, or ask another host."""

    def __init__(self, page: Page, root: str) -> None:
        self.root = root
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _request(self, request: Request) -> None:
        self.asked.append(request.url)

    @property
    def elsewhere(self) -> list[str]:
        """Requests to another host."""
        return [url for url in self.asked if not url.startswith((self.root, "data:"))]
