"""Who may ask, and how a browser signs in."""

import pytest

from tests.web.worker import FakeWorker, serving

TOKEN = "correct horse/🐴;\"battery'"
PLAIN = "s3cret"
PATHS = ["", "static/page.js", "patients/", "patients/p1/", "patients/p1/history", "alerts/"]
PATHS += ["status", "metrics", "nothing", "static/../x", "static/login.css"]
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize("path", PATHS)
async def test_no_address_answers_without_the_token(browser, path):
    async with serving(FakeWorker("p1", token=PLAIN)) as root:
        answer = await browser.get(root / path)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert list(await answer.json()) == ["error"]


@pytest.mark.parametrize("path", ["health/live", "health/ready"])
async def test_health_is_open(browser, path):
    async with serving(FakeWorker(token=PLAIN)) as root:
        assert (await browser.get(root / path)).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {PLAIN}"}, 200),
        ({"Authorization": f"bearer  {PLAIN}"}, 200),
        ({"X-BPStream-Token": PLAIN}, 200),
        ({"Authorization": f"Basic {PLAIN}"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": f"Bearer {PLAIN}x"}, 401),
        ({"Authorization": f"Bearer {PLAIN.upper()}"}, 401),
        ({"X-BPStream-Token": ""}, 401),
        ({"X-BPStream-Token": PLAIN[:-1]}, 401),
        ({"X-BPStream-Token": "é"}, 401),
        ({"Cookie": f"bpstream={PLAIN}"}, 401),
        ({"Cookie": "bpstream="}, 401),
    ],
)
async def test_the_token_is_taken_from_either_header_and_only_whole(browser, headers, status):
    async with serving(FakeWorker("p1", token=PLAIN)) as root:
        assert (await browser.get(root / "patients/", headers=headers)).status == status


async def test_a_token_in_the_address_is_not_looked_at(browser):
    async with serving(FakeWorker("p1", token=PLAIN)) as root:
        assert (await browser.get(root, params={"token": PLAIN})).status == 401


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "HEAD"])
async def test_another_method_needs_the_token_as_well(browser, method):
    async with serving(FakeWorker("p1", token=PLAIN)) as root:
        assert (await browser.request(method, root / "patients/")).status == 401


async def test_a_browser_without_the_token_is_shown_a_form(browser):
    async with serving(FakeWorker(token=PLAIN)) as root:
        answer = await browser.get(root, headers=HTML)
        assert answer.status == 401
        assert answer.content_type == "text/html"
        assert '<form method="post" action="/login">' in await answer.text()
        assert (await browser.get(root / "login")).status == 200
        assert (await browser.get(root / "login.css")).content_type == "text/css"


@pytest.mark.parametrize("token", [PLAIN, TOKEN])
async def test_signing_in_gives_a_cookie_that_is_not_the_token(browser, token):
    async with serving(FakeWorker("p1", token=token)) as root:
        answer = await browser.post(root / "login", data={"token": token}, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert token not in cookie
        kept = {"Cookie": cookie.partition(";")[0]}
        assert (await browser.get(root / "patients/", headers=kept)).status == 200
    async with serving(FakeWorker("p1", token="another")) as root:
        assert (await browser.get(root / "patients/", headers=kept)).status == 401


@pytest.mark.parametrize("form", [{"token": "wrong"}, {"token": ""}, {}, {"other": PLAIN}])
async def test_a_wrong_token_shows_the_form_again(browser, form):
    async with serving(FakeWorker(token=PLAIN)) as root:
        answer = await browser.post(root / "login", data=form)
        assert answer.status == 401
        assert "That is not the token." in await answer.text()
        assert "Set-Cookie" not in answer.headers


async def test_a_form_longer_than_any_token_is_refused(browser):
    async with serving(FakeWorker(token=PLAIN)) as root:
        answer = await browser.post(root / "login", data={"token": "x" * 20_000})
        assert answer.status == 413
        assert list(await answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://OWN"}, 303),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://OWN"}, 403),
    ],
)
async def test_a_form_on_another_site_cannot_sign_in(browser, headers, status):
    async with serving(FakeWorker(token=PLAIN)) as root:
        own = {name: value.replace("OWN", root.authority) for name, value in headers.items()}
        answer = await browser.post(
            root / "login", data={"token": PLAIN}, headers=own, allow_redirects=False
        )
        assert answer.status == status
        assert ("Set-Cookie" in answer.headers) == (status == 303)


@pytest.mark.parametrize("path", ["login", "login.css"])
async def test_there_is_nothing_to_sign_in_to_without_a_token(browser, path):
    async with serving(FakeWorker()) as root:
        assert (await browser.get(root / path)).status == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:6066", 200),
        ("localhost", 200),
        ("[::1]:6066", 200),
        ("worker-1.internal:6066", 200),
        ("evil.example:6066", 403),
        ("127.0.0.1.evil.example", 403),
        ("[", 403),
        ("", 403),
    ],
)
async def test_without_a_token_only_this_machines_names_answer(browser, host, status):
    worker = FakeWorker("p1")
    worker.settings.web_host = "127.0.0.1"
    async with serving(worker) as root:
        worker.own_url = worker.own_url.with_host("worker-1.internal")
        headers = {"Host": host}
        assert (await browser.get(root / "patients/p1/", headers=headers)).status == status
        assert (await browser.get(root / "health/live", headers=headers)).status == 200


async def test_with_a_token_any_name_answers(browser):
    async with serving(FakeWorker("p1", token=PLAIN)) as root:
        headers = {"Host": "bp.example", "X-BPStream-Token": PLAIN}
        assert (await browser.get(root / "patients/", headers=headers)).status == 200
