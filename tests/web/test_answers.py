"""What every answer has in common."""

import logging

import pytest

from tests.web.worker import FakeWorker, serving

EVERY_ADDRESS = ["", "static/page.js", "patients/", "patients/p1/", "patients/unknown/"]
EVERY_ADDRESS += ["patients/p1/history", "alerts/", "status", "metrics", "health/live"]
EVERY_ADDRESS += ["health/ready", "nothing", "patients/?limit=x", "login"]


@pytest.mark.parametrize("token", ["", "secret"])
@pytest.mark.parametrize("path", EVERY_ADDRESS)
async def test_every_answer_is_closed_to_other_sites(browser, path, token):
    async with serving(FakeWorker("p1", token=token)) as root:
        answer = await browser.get(f"{root}{path}")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache")
        assert answer.headers["Server"] == "bpstream"
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_another_site_gets_no_leave_to_read(browser):
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    async with serving(FakeWorker("p1")) as root:
        preflight = await browser.options(root / "patients/", headers=asking)
        assert preflight.status == 405
        answer = await browser.get(root / "patients/", headers=asking)
        for each in (preflight, answer):
            assert not [name for name in each.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("path", ["", "patients/", "patients/p1/", "status", "health/live"])
async def test_head_has_the_headers_and_no_body(browser, path):
    async with serving(FakeWorker("p1")) as root:
        answer = await browser.head(root / path)
        assert (answer.status, await answer.read()) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["", "patients/", "patients/p1/", "health/live", "static/page.js"])
async def test_another_method_is_a_405_that_names_those_allowed(browser, method, path):
    async with serving(FakeWorker("p1")) as root:
        answer = await browser.request(method, root / path)
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD"
        assert "GET,HEAD" in (await answer.json())["error"]


async def test_an_error_nobody_expected_is_logged_and_not_shown(browser, caplog):
    worker = FakeWorker()

    def broken(**_: object) -> None:
        raise KeyError("a secret of the inside")

    worker.patients.window = broken
    async with serving(worker) as root:
        with caplog.at_level(logging.ERROR):
            answer = await browser.get(root / "patients/")
        assert answer.status == 500
        assert await answer.json() == {"error": "the worker could not answer; its log says why"}
    assert "GET /patients/ failed" in caplog.text
    assert "a secret of the inside" in caplog.text


async def test_the_log_of_an_error_does_not_name_the_patient(browser, caplog):
    worker = FakeWorker()

    def broken(_patient_id: str) -> None:
        raise KeyError

    worker.patients.get = broken
    async with serving(worker) as root:
        assert (await browser.get(root / "patients/Ada-Lovelace/")).status == 500
    assert "Ada-Lovelace" not in caplog.text


async def test_a_large_answer_is_compressed(browser):
    async with serving(FakeWorker(*(f"p{i}" for i in range(50)))) as root:
        answer = await browser.get(root / "patients/")
        assert answer.headers["Content-Encoding"] in ("gzip", "deflate")
        assert (await answer.json())["total"] == 50
        plain = await browser.get(root / "patients/", headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
