"""The page of 50,000 patients: the server sorts, pages and searches, and few of them are held."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import PATIENCE
from tests.browser.ward import Ward

expect.set_options(timeout=PATIENCE)

SMALL, CROWD = 500, 50_000


def calm(first: int, last: int) -> Iterator[tuple[str, float, float]]:
    for number in range(first, last):
        yield f"PAT-{number:05d}", 118.0, 74.0


@pytest.fixture(scope="module")
def of_500(the_ward: Ward) -> Ward:
    the_ward.send(calm(0, SMALL))
    the_ward.send([("PAT-00123", 205.0, 125.0), ("PAT-00007", 165.0, 85.0)])
    return the_ward


@pytest.fixture(scope="module")
def of_50_000(of_500: Ward) -> Ward:
    of_500.send(calm(SMALL, CROWD))
    of_500.send([("PAT-43210", 62.0, 41.0)])
    return of_500


def test_a_ward_of_500_has_a_strip_and_tiles_of_those_that_need_attention(of_500: Ward, visit, axe):
    page = visit(of_500)
    expect(page.locator(".tile")).to_have_count(30)
    expect(page.locator(".tile .name").first).to_have_text("PAT-00123")
    expect(page.locator("#heat i")).to_have_count(SMALL)
    expect(page.locator("#heat i").nth(123)).to_have_attribute("data-level", "critical")
    assert axe(page) == []
    # The strip is one widget: the arrow keys go through it, and Enter opens the patient.
    heat = page.get_by_role("slider")
    heat.focus()
    for key in ("End", "Home", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    expect(heat).to_have_attribute("aria-valuetext", "Patient 2 of 500, PAT-00001, Normal")
    page.keyboard.press("ArrowDown")
    row = int(heat.get_attribute("aria-valuenow")) - 2
    assert row > 10
    page.keyboard.press("Enter")
    expect(page.locator("#drawer-name")).to_have_text(f"PAT-{row + 1:05d}")
    page.keyboard.press("Escape")
    expect(heat).to_be_focused()


def test_a_crowd_is_searched_and_paged_by_the_server(of_50_000: Ward, visit, axe):
    page = visit(of_50_000)
    expect(page.locator("#range")).to_have_text("1–25 of 50,000")
    expect(page.locator("#strip")).to_be_hidden()
    # Both are critical: the one that is warned of as well comes first.
    expect(page.locator(".tile")).to_have_count(30)
    ahead = page.locator(".tile .name")
    expect(ahead.nth(0)).to_have_text("PAT-43210")
    expect(ahead.nth(1)).to_have_text("PAT-00123")
    rows = page.locator("#rows .name")
    expect(rows).to_have_count(25)
    expect(rows.first).to_have_text("PAT-00000")
    page.locator("#next").click()
    expect(rows.first).to_have_text("PAT-00025")
    page.keyboard.press("/")
    page.keyboard.type("4321")
    expect(page.locator("#range")).to_have_text("1–15 of 15")
    expect(rows.first).to_have_text("PAT-04321")
    page.locator("#rows tr").filter(has_text="PAT-43210").locator(".name").click()
    expect(page.locator("#drawer-systolic")).to_have_text("62")
    page.keyboard.press("Escape")
    page.locator("#search").fill("nobody")
    expect(page.locator("#none")).to_have_text("No patient's id holds “nobody”.")
    assert axe(page) == []
    # What is on view, and not fifty thousand.
    assert page.evaluate("() => document.querySelectorAll('*').length") < 4000


def test_an_alarm_in_a_crowd_comes_to_the_front(of_50_000: Ward, visit):
    page = visit(of_50_000)
    expect(page.locator("#range")).to_have_text("1–25 of 50,000")
    of_50_000.send([("PAT-00002", 210.0, 130.0)])
    expect(page.locator(".tile .name").filter(has_text="PAT-00002")).to_be_visible()
    expect(page.locator("#alerts > li").filter(has_text="PAT-00002").first).to_contain_text(
        "Firing"
    )
