"""Every address, asked over a socket."""

import asyncio
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from tests.web.worker import FakeWorker, an_alert, serving

NASTY_IDS = [
    "<script>alert(1)</script>",
    "../../x",
    "..",
    ".",
    "%2e%2e",
    "%",
    "a\x00b",
    "CR\r\nX-Injected: 1",
    "\u202egnp.exe",
    "👩‍⚕️",
    "a/b",
    "http://hospital.example/fhir/Patient/1?x=1#y",
    "system|value",
    "{id}",
    "history",
    "x/history",
    " ",
    "=cmd()",
    "é" * 2048,
    "x" * 4096,
]


def address_of(root: URL, patient_id: str, suffix: str = "/") -> URL:
    segment = quote(patient_id, safe="").replace(".", "%2E")
    return URL(f"{root}patients/{segment}{suffix}", encoded=True)


@pytest.mark.parametrize("patient_id", NASTY_IDS, ids=lambda each: ascii(each)[:20])
async def test_an_id_is_found_whatever_it_holds(browser, patient_id):
    async with serving(FakeWorker(patient_id)) as root:
        for suffix in ("/", ""):
            answer = await browser.get(address_of(root, patient_id, suffix), allow_redirects=False)
            assert answer.status == 200
            assert (await answer.json())["patient_id"] == patient_id
        answer = await browser.get(address_of(root, patient_id, "/history"))
        assert [each["anomalous"] for each in (await answer.json())["readings"]] == [False, True]


@pytest.mark.parametrize("patient_id", NASTY_IDS, ids=lambda each: ascii(each)[:20])
async def test_an_unknown_id_is_a_404_with_json(browser, patient_id):
    async with serving(FakeWorker("PAT-001")) as root:
        answer = await browser.get(address_of(root, patient_id), allow_redirects=False)
        assert answer.status == 404
        assert list(await answer.json()) == ["error"]


@pytest.mark.parametrize(
    "path",
    [
        *(b"/patients/../../etc/passwd", b"/patients//", b"/patients/%ff/", b"/patients/%e2%82/"),
        *(b"/patients/a/b/", b"/patients/x/history/y", b"//", b"/%00", b"/nothing", b"/login"),
        *(b"/static", b"/static/", b"/static/nothing.js", b"/static/../server.py", b"/health/"),
        *(b"/static/%2e%2e/server.py", b"/static/..%2fserver.py", b"/static/%2fetc%2fpasswd"),
        *(b"/table/", b"/router/", b"/graph", b"/stats"),
    ],
)
async def test_a_path_that_nobody_typed_is_a_404_with_json(path):
    async with serving(FakeWorker("PAT-001")) as root:
        status, headers, body = await ask(root, b"GET " + path + b" HTTP/1.1")
        assert status == 404
        assert b"location" not in headers.lower()
        assert list(json.loads(body)) == ["error"]


@pytest.mark.parametrize("path", [b"/patients/\xff\xfe/", b"/patients/a b/", b"/patients/\x00/"])
async def test_bytes_that_are_no_path_are_refused_and_the_server_goes_on(browser, path):
    async with serving(FakeWorker("PAT-001")) as root:
        status, _, body = await ask(root, b"GET " + path + b" HTTP/1.1")
        assert status in (400, 404)
        assert b"Traceback" not in body
        assert (await browser.get(root / "patients/PAT-001/")).status == 200


# A lone surrogate (Cs) is no text that UTF-8 could hold.
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_is_an_id(patient_id):

    async def found() -> dict:
        async with serving(FakeWorker(patient_id)) as root:
            segment = quote(patient_id, safe="").encode()
            status, _, body = await ask(root, b"GET /patients/" + segment + b"/ HTTP/1.1")
            assert status == 200
            return json.loads(body)

    assert asyncio.run(found())["patient_id"] == patient_id


async def test_a_patient_is_counters_last_reading_and_recent_ones(browser):
    worker = FakeWorker("PAT-001")
    async with serving(worker) as root:
        answer = await browser.get(root / "patients/PAT-001/")
        assert await answer.json() == worker.patients.get("PAT-001")


async def test_history_is_oldest_first_with_null_where_nothing_was_measured(browser):
    async with serving(FakeWorker("PAT-001")) as root:
        history = await (await browser.get(root / "patients/PAT-001/history")).json()
        assert history["readings"] == [
            {
                "timestamp": "2026-01-29T21:32:46.619+00:00",
                "systolic_pressure": 118.0,
                "diastolic_pressure": None,
                "anomalous": False,
            },
            {
                "timestamp": "2026-01-29T21:32:51.619+00:00",
                "systolic_pressure": 176.0,
                "diastolic_pressure": 84.0,
                "anomalous": True,
            },
        ]


@pytest.mark.parametrize(
    ("query", "total", "ids"),
    [
        ({}, 3, ["a1", "a2", "b1"]),
        ({"limit": "2"}, 3, ["a1", "a2"]),
        ({"limit": "2", "offset": "2"}, 3, ["b1"]),
        ({"offset": "99"}, 3, []),
        ({"search": "a"}, 2, ["a1", "a2"]),
        ({"search": "<script>"}, 0, []),
        ({"limit": "1000"}, 3, ["a1", "a2", "b1"]),
        ({"sort": "id"}, 3, ["a1", "a2", "b1"]),
        ({"sort": "attention"}, 3, ["a2", "b1", "a1"]),
        ({"sort": "attention", "search": "a", "limit": "1"}, 2, ["a2"]),
        ({"scope": "worker", "limit": "10000"}, 3, ["a1", "a2", "b1"]),
    ],
)
async def test_the_list_is_sorted_paged_and_searched(browser, query, total, ids):
    worker = FakeWorker("b1", "a2", "a1")
    worker.patients.ranks = {"b1": 1, "a2": 1, "a1": 2} if query.get("sort") else {}
    async with serving(worker) as root:
        for path in ("patients/", "patients"):
            answer = await (await browser.get(root / path, params=query)).json()
            assert [each["patient_id"] for each in answer["patients"]] == ids
            wanted = {"limit": int(query.get("limit", 100)), "offset": int(query.get("offset", 0))}
            ranks = {"ranks": [0, 0, 0]} if "scope" in query else {}
            assert answer == {"patients": answer["patients"], "total": total} | wanted | ranks


@pytest.mark.parametrize(
    "query",
    [{"limit": each} for each in ("0", "1001", "-1", "ten", "1.5", "1e2", "²", "9" * 5000)]
    + [{"offset": each} for each in ("-1", "x", "٣")]
    + [{"scope": "cluster"}, {"scope": "worker", "limit": "10001"}, {"sort": "name"}],
)
async def test_a_number_that_cannot_be_is_a_400_that_says_what_can(browser, query):
    async with serving(FakeWorker()) as root:
        answer = await browser.get(root / "patients/", params=query)
        assert answer.status == 400
        sentence = (await answer.json())["error"]
        assert list(query)[-1] in sentence
        assert len(sentence) < 100


@pytest.mark.parametrize("query", [{}, {"scope": "worker"}])
async def test_the_alerts_are_those_of_the_worker(browser, query):
    worker = FakeWorker()
    async with serving(worker) as root:
        assert await (await browser.get(root / "alerts/", params=query)).json() == {"alerts": []}
        worker.patients.raised = [an_alert("1"), an_alert("2", state="pending")]
        answer = await (await browser.get(root / "alerts/", params=query)).json()
        assert answer == {"alerts": worker.patients.raised}


async def test_ready_says_why_not(browser):
    worker = FakeWorker()
    async with serving(worker) as root:
        answer = await browser.get(root / "health/ready")
        assert answer.status == 200
        assert await answer.json() == {"ready": True, "reasons": [], "warnings": []}
        worker.health.not_ready = ["the index does not answer"]
        answer = await browser.get(root / "health/ready")
        assert answer.status == 503
        assert await answer.json() == {
            "ready": False,
            "reasons": ["the index does not answer"],
            "warnings": [],
        }


async def test_a_warning_is_told_and_the_worker_is_ready(browser):
    worker = FakeWorker()
    worker.health.warned = ["the webhook is away"]
    async with serving(worker) as root:
        answer = await browser.get(root / "health/ready")
        assert answer.status == 200
        assert await answer.json() == {
            "ready": True,
            "reasons": [],
            "warnings": ["the webhook is away"],
        }


@pytest.mark.parametrize(
    ("reasons", "status"), [([], 200), (["fhir 2 has messages and does not move"], 503)]
)
async def test_live_is_its_own_question_and_says_why_not(browser, reasons, status):
    worker = FakeWorker()
    worker.health.is_dead = reasons
    async with serving(worker) as root:
        answer = await browser.get(root / "health/live")
        assert (answer.status, await answer.json()) == (
            status,
            {"live": not reasons, "reasons": reasons},
        )


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("*/*", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")],
)
async def test_metrics_are_in_the_format_prometheus_asks_for(browser, accept, content_type):
    async with serving(FakeWorker()) as root:
        answer = await browser.get(root / "metrics", headers={"Accept": accept})
        assert answer.content_type == content_type
        assert "bpstream_readings_total 7.0" in await answer.text()


@pytest.mark.parametrize(
    ("path", "content_type", "part"),
    [
        ("", "text/html", "Not a medical device"),
        ("static/page.js", "javascript", "import"),
        ("static/colors.css", "text/css", "prefers-color-scheme"),
        ("static/vendor/uPlot.esm.js", "javascript", "MIT"),
    ],
)
async def test_the_page_and_its_parts_are_served(browser, path, content_type, part):
    async with serving(FakeWorker()) as root:
        answer = await browser.get(root / path)
        assert answer.status == 200
        assert content_type in answer.content_type
        assert answer.headers["Cache-Control"] == "no-cache"
        assert part in await answer.text()


async def ask(root: URL, request_line: bytes) -> tuple[int, bytes, bytes]:
    """Status, headers and body of a request sent byte for byte."""
    reader, writer = await asyncio.open_connection(root.host, root.port)
    try:
        writer.write(request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return int(head.split()[1]), head, body
    finally:
        writer.close()
        await writer.wait_closed()
