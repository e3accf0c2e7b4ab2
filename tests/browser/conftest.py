"""What every test of the page may ask for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import PATIENCE, Watch, chromium
from tests.browser.ward import Ward, ward

AXE = Path(__file__).with_name("axe.min.js")


# Not for the session: its loop runs as long as it is open, and lets no other test have one.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def the_ward(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """A worker for the module; without a browser none is started."""
    with ward(tmp_path_factory.mktemp("ward")) as running:
        yield running


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`visit(ward)` is the ward's page; `visit(ward, "#patient=x", width=390)` as it is asked for.

    When the test is over no page may have complained, nor have asked another host.
    """
    seen: list[tuple[Page, Watch]] = []

    def open_page(ward: Ward, hash_: str = "", *, width: int = 1440, theme: str = "dark") -> Page:
        page = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            reduced_motion="reduce",
            bypass_csp=False,
        )
        page.set_default_timeout(PATIENCE)
        seen.append((page, Watch(page, ward.url)))
        page.goto(f"{ward.url}/{hash_}")
        return page

    yield open_page
    for page, watch in seen:
        page.close()
        assert watch.complaints == []
        assert watch.elsewhere == []


@pytest.fixture
def axe() -> Callable[[Page], list[str]]:
    """`axe(page)` says what axe-core finds wrong with the page as it stands."""
    script = AXE.read_text("utf-8")

    def violations(page: Page) -> list[str]:
        # By the debugger and not as an element: the page's policy lets no such script in.
        page.evaluate(f"() => {{ {script} }}")
        found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
        return [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    return violations
