"""A small ward's page: its tiles, its alarms, a patient's drawer, and a feed that drops."""

import re
from datetime import timedelta
from urllib.parse import quote

from playwright.sync_api import Page, expect

from tests.browser.chromium import PATIENCE
from tests.browser.ward import Ward

expect.set_options(timeout=PATIENCE)

# What a browser leaves as it is.
SAFE = "-_.~!*'()"

NASTY = [
    "|<script>document.title='x'</script><img src=x onerror=alert(1)>",
    "|../../x",
    "|a?b=c&d#e%2Fé",
    "|a\u2400\u0001\u007fb",
    "|\u202eevil\u2066x",
    "|👩🏽‍⚕️🩸",
    "|\"'`\\\\",
    "|" + 819 * "long-",
]


def tile(page: Page, patient_id: str):
    name = page.locator(".name").and_(page.get_by_title(patient_id, exact=True))
    return page.locator(".tile").filter(has=name)


def test_a_tile_appears_and_changes_with_the_readings(the_ward: Ward, visit):
    page = visit(the_ward)
    the_ward.take("PAT-001", 121, 74)
    one = tile(page, "PAT-001")
    expect(one.locator(".pressure .number")).to_have_text(["121", "74"])
    expect(one.locator(".badge")).to_have_text("Normal")
    the_ward.take("PAT-001", 97, 55)
    expect(one.locator(".pressure .number")).to_have_text(["97", "55"])
    expect(one.locator(".badge")).to_have_text("Low")
    expect(one.locator(".pressure").nth(1)).to_contain_text("▼")
    expect(one.locator(".sparkline .band")).to_have_count(1)
    expect(page.locator("#legend [data-severity=low]")).to_have_text("1Low")
    expect(page.locator("#connection")).to_have_text("Live")


def test_an_alarm_is_pending_fires_is_acknowledged_with_a_comment_and_recovers(
    the_ward: Ward, visit
):
    page = visit(the_ward)
    the_ward.take("PAT-002", 150)
    alarm = page.locator("#alerts > li").filter(has_text="PAT-002")
    expect(alarm).to_contain_text("Pending")
    expect(alarm.locator(".do:visible")).to_have_count(0)
    the_ward.take("PAT-002", 152)
    expect(alarm).to_contain_text("Firing")
    expect(tile(page, "PAT-002").locator(".alarm")).to_contain_text("Firing: Systolic hypertension")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    alarm.get_by_label("Your name").fill("Dr <b>Ada")
    alarm.get_by_label("Comment").fill("on my way")
    # Somebody writes: the alarm stays where it is, and a new one is shown all the same.
    the_ward.take("PAT-010", 205, 75)
    expect(page.locator("#alerts > li").filter(has_text="PAT-010").first).to_be_visible()
    expect(alarm.get_by_label("Comment")).to_be_focused()
    page.keyboard.press("Enter")
    expect(alarm).to_contain_text("✓ Dr <b>Ada: on my way")
    expect(tile(page, "PAT-002")).to_have_attribute("data-alarm", "acknowledged")
    the_ward.take("PAT-002", 118)
    the_ward.take("PAT-002", 118)
    expect(alarm).to_have_count(0)
    expect(tile(page, "PAT-002").locator(".alarm")).to_have_text("No alarm")


def test_a_chart_has_the_limits_of_its_patient(the_ward: Ward, visit):
    the_ward.take("PAT-003", 150)
    page = visit(the_ward)
    labels = tile(page, "PAT-003").locator(".limits text")
    expect(labels).to_have_text(["140", "90"])
    the_ward.tell(
        "/patients/PAT-003/limits",
        {"by": "Dr Ada", "reason": "long-standing", "bounds": {"systolic_high": 165}},
    )
    expect(labels).to_have_text(["165", "90"])
    expect(labels.nth(0)).to_have_class("own")
    tile(page, "PAT-003").locator(".name").click()
    limit = page.locator("#drawer-limits tr").filter(has_text="Systolic, high").first
    expect(limit).to_contain_text("165")
    expect(limit).to_contain_text("Dr Ada · long-standing")


def test_a_stale_tile_says_its_age_and_an_old_one_drops_its_values(the_ward: Ward, visit):
    page = visit(the_ward)
    the_ward.take("PAT-STALE", 120, 70, ago=timedelta(minutes=20))
    the_ward.take("PAT-GONE", 120, 70, ago=timedelta(hours=3))
    stale, gone = (tile(page, each) for each in ("PAT-STALE", "PAT-GONE"))
    expect(stale).to_have_class(re.compile("stale"))
    expect(stale.locator(".age")).to_have_text("Stale · 20 min ago")
    assert int(stale.locator(".age").evaluate("(age) => getComputedStyle(age).fontWeight")) >= 600
    expect(stale.locator(".pressure .number")).to_have_text(["120", "70"])
    expect(gone.locator(".age")).to_have_text("Stale · 3 h ago")
    expect(gone.locator(".pressure .number")).to_have_text(["–", "–"])
    expect(page.locator("#legend [data-severity=stale]")).to_have_text("2Stale")


def test_the_drawer_opens_stays_and_closes_by_the_keyboard(the_ward: Ward, visit):
    the_ward.take("PAT-001", 131, 82)
    page = visit(the_ward)
    expect(tile(page, "PAT-001")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("001")
    expect(page.locator(".tile")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(".tile")).not_to_have_count(1)
    page.keyboard.press("j")
    expect(page.locator(".tile .name").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("k")
    tile(page, "PAT-001").locator(".name").focus()
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="PAT-001")
    expect(drawer).to_be_visible()
    expect(page).to_have_url(f"{the_ward.url}/#patient=PAT-001")
    expect(drawer.locator(".uplot canvas")).to_be_visible()
    expect(page.locator("#drawer-readings")).to_contain_text("131")
    # The focus goes round within it.
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "() => document.activeElement === document.body || "
            "document.getElementById('drawer').contains(document.activeElement)"
        )
    page.locator("#raw summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#raw-json")).to_contain_text('"resourceType": "Observation"')
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page).to_have_url(f"{the_ward.url}/")
    expect(tile(page, "PAT-001").locator(".name")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_an_id_of_any_kind_is_shown_as_text_and_opens_its_drawer(the_ward: Ward, visit):
    the_ward.send([(patient_id, 123, 78) for patient_id in NASTY])
    page = visit(the_ward)
    page.locator("#search").fill("|")
    tiles = page.locator(".tile .name")
    expect(tiles).to_have_count(len(NASTY))
    assert set(tiles.evaluate_all("(all) => all.map((each) => each.textContent)")) == set(NASTY)
    for patient_id in NASTY:
        page.get_by_title(patient_id, exact=True).and_(tiles).click()
        expect(page.locator("#drawer-systolic")).to_have_text("123")
        told = page.locator("#drawer-name").evaluate("(name) => name.textContent")
        assert told == patient_id
        assert page.url == f"{the_ward.url}/#patient={quote(patient_id, safe=SAFE)}"
        page.keyboard.press("Escape")
        expect(page.locator("#drawer")).to_be_hidden()
    # Nothing is wider than the screen, and nothing became an element.
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("() => document.querySelectorAll('img, script').length") == 2


def test_the_page_is_accessible_dark_and_light_and_on_a_phone(the_ward: Ward, visit, axe):
    # A tile of each severity, one with an early warning, and alarms that fire and are pending.
    the_ward.send([("PAT-004", 150, 75), ("PAT-005", 185, 95), ("PAT-006", 97, 55)])
    the_ward.send([("PAT-005", 188, 97), ("PAT-007", 165, 88)])
    page = visit(the_ward)
    expect(tile(page, "PAT-007")).to_be_visible()
    for theme, width in (("dark", 1440), ("light", 390)):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        assert axe(page) == []
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        tile(page, "PAT-005").locator(".name").click()
        expect(page.locator("#drawer-alerts")).to_contain_text("Firing")
        page.locator("#raw summary").click()
        expect(page.locator("#raw-json")).to_contain_text("Observation")
        assert axe(page) == []
        page.keyboard.press("Escape")


def test_a_page_that_is_not_accessible_is_found_out(the_ward: Ward, visit, axe):
    page = visit(the_ward)
    page.evaluate("() => document.getElementById('theme').removeAttribute('aria-label')")
    page.evaluate("() => document.getElementById('theme').removeAttribute('title')")
    assert [each.partition(":")[0] for each in axe(page)] == ["button-name"]


def test_the_theme_is_turned_and_kept(the_ward: Ward, visit):
    page = visit(the_ward)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator("#theme").click()
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == light


def test_a_feed_that_falls_silent_is_told_and_comes_back(the_ward: Ward, visit):
    page = visit(the_ward)
    expect(page.locator("#connection")).to_have_text("Live")
    the_ward.worker.freeze()
    try:
        expect(page.locator("#banner")).to_contain_text("The values below are old")
        expect(page.locator("#connection")).to_have_text("No connection")
        clock = page.locator("#clock").text_content()
        expect(page.locator("#banner")).to_contain_text(f"since {clock}")
        page.wait_for_timeout(1500)
        assert page.locator("#clock").text_content() == clock
    finally:
        the_ward.worker.thaw()
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#banner")).to_be_hidden()
    the_ward.take("PAT-008", 133)
    expect(tile(page, "PAT-008")).to_contain_text("133")


def test_a_worker_that_is_stopped_and_started_again_is_found_again(the_ward: Ward, browser):
    page = browser.new_page()
    page.goto(the_ward.url)
    expect(page.locator("#connection")).to_have_text("Live")
    the_ward.stop()
    expect(page.locator("#banner")).to_contain_text("No connection to the worker since")
    # Its memory was the broker's: there is nobody yet.
    the_ward.start()
    expect(page.locator("#connection")).to_have_text("Live", timeout=2 * PATIENCE)
    expect(page.locator("#empty")).to_have_text("No reading yet.")
    the_ward.take("PAT-009", 141)
    expect(tile(page, "PAT-009")).to_contain_text("141")
    page.close()
