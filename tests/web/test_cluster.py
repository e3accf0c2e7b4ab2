"""Several workers on the loopback, each the real server."""

import asyncio
import json
import socket
import time
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from bpstream.web import cluster
from bpstream.web.cluster import WINDOW
from tests.web.test_routes import NASTY_IDS, address_of
from tests.web.worker import FakeWorker, an_alert, serving

TOKEN = "s3cret"


@asynccontextmanager
async def a_cluster(*workers):
    """Every worker serving, and knowing of the others and of whose each patient is."""
    async with AsyncExitStack() as stack:
        roots = [await stack.enter_async_context(serving(each)) for each in workers]
        for worker in workers:
            worker.others = [root for root in roots if root != worker.own_url]
            for other, root in zip(workers, roots, strict=True):
                worker.owners |= dict.fromkeys(other.patients.by_id, root)
        yield roots


@asynccontextmanager
async def answering(head: bytes, body: bytes = b""):
    """A neighbour that answers every request with the same bytes; never, where there are none."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if head:
            length = f"Content-Length: {len(body)}\r\n\r\n".encode()
            writer.write(b"HTTP/1.1 " + head + b"\r\nConnection: close\r\n" + length + body)
            await writer.drain()
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


def nobody_there() -> URL:
    """An address of this machine at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return URL(f"http://127.0.0.1:{free.getsockname()[1]}/")


@pytest.mark.parametrize("token", ["", TOKEN])
async def test_whichever_worker_is_asked_the_owner_answers(browser, token):
    first, second = FakeWorker("p1", token=token), FakeWorker("p2", token=token)
    headers = {"Authorization": f"Bearer {token}"}
    async with a_cluster(first, second) as roots:
        for root in roots:
            for patient_id in ("p1", "p2"):
                for suffix in ("", "history"):
                    address = root / "patients" / patient_id / suffix
                    answer = await browser.get(address, headers=headers)
                    assert answer.status == 200
                    assert (await answer.json())["patient_id"] == patient_id


@pytest.mark.parametrize("patient_id", NASTY_IDS, ids=lambda each: ascii(each)[:20])
async def test_a_forwarded_id_is_still_decoded_once(browser, patient_id):
    async with a_cluster(FakeWorker(), FakeWorker(patient_id)) as (root, _):
        answer = await browser.get(address_of(root, patient_id))
        assert (await answer.json())["patient_id"] == patient_id


async def test_a_patient_the_owner_does_not_know_is_a_404(browser):
    first = FakeWorker()
    async with a_cluster(first, FakeWorker()) as (root, other):
        first.owners["p9"] = other
        assert (await browser.get(root / "patients/p9/")).status == 404


async def test_an_owner_not_known_yet_is_a_503_that_says_rebalancing(browser):
    worker = FakeWorker()
    worker.owners["p1"] = None
    async with serving(worker) as root:
        answer = await browser.get(root / "patients/p1/")
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "2"
        assert "rebalancing" in (await answer.json())["error"]


async def test_two_workers_that_take_each_other_for_the_owner_do_not_ask_in_circles(browser):
    first, second = FakeWorker(), FakeWorker()
    async with a_cluster(first, second) as (root, other):
        first.owners["p1"], second.owners["p1"] = other, root
        answer = await browser.get(root / "patients/p1/")
        assert answer.status == 503
        assert "rebalancing" in (await answer.json())["error"]


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"200 OK\r\nContent-Type: text/html", b"<h1>another service</h1>"),
        (b"200 OK\r\nContent-Type: application/json", b"not json"),
        (b"200 OK\r\nContent-Type: application/json", b"[]"),
        (b"200 OK\r\nContent-Type: application/json", b"{}"),
        (b"200 OK\r\nContent-Type: application/json", b"\xff"),
        (b"401 Unauthorized\r\nContent-Type: application/json", b"{}"),
        (b"500 Oops\r\nContent-Type: application/json", b"{}"),
        (b"302 Found\r\nLocation: http://127.0.0.1:1/", b""),
        (b"not http at all", b""),
    ],
)
async def test_an_owner_that_answers_something_else_is_a_502_that_names_it(browser, head, body):
    worker = FakeWorker("p1")
    async with serving(worker) as root, answering(head, body) as other:
        worker.owners["p2"] = other
        worker.others = [other]
        answer = await browser.get(root / "patients/p2/")
        assert answer.status == 502
        assert str(other) in (await answer.json())["error"]
        listed = await (await browser.get(root / "patients/")).json()
        assert (listed["total"], listed["missing"]) == (1, [str(other)])


async def test_an_owner_that_is_gone_is_a_502_that_names_it(browser):
    worker, gone = FakeWorker(), nobody_there()
    worker.owners["p1"] = gone
    async with serving(worker) as root:
        answer = await browser.get(root / "patients/p1/")
        assert answer.status == 502
        assert str(gone) in (await answer.json())["error"]


async def test_an_owner_that_hangs_is_given_up(browser, monkeypatch):
    monkeypatch.setattr(cluster, "_TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    worker = FakeWorker("p1")
    async with serving(worker) as root, answering(b"") as hanging:
        worker.owners["p2"] = hanging
        worker.others = [hanging]
        began = time.monotonic()
        answer = await browser.get(root / "patients/p2/")
        assert answer.status == 502
        assert "no answer in 0.2 s" in (await answer.json())["error"]
        assert (await (await browser.get(root / "patients/")).json())["total"] == 1
        assert time.monotonic() - began < 3


async def test_the_list_of_all_workers_is_one_sorted_list(browser):
    async with a_cluster(FakeWorker("a", "d"), FakeWorker("b"), FakeWorker("c", "e")) as roots:
        for root in roots:
            answer = await (await browser.get(root / "patients/")).json()
            assert [each["patient_id"] for each in answer["patients"]] == list("abcde")
            assert answer["total"] == 5
            assert "missing" not in answer
            own = await (await browser.get(root / "patients/", params={"scope": "worker"})).json()
            assert own["total"] < 5


def a_worker_with_ranks(*ids):
    worker = FakeWorker(*ids)
    worker.patients.ranks = {each: len(each) % 2 for each in ids}
    return worker


@given(
    parts=st.lists(st.sets(st.text("ab/<", min_size=1, max_size=3)), min_size=2, max_size=3),
    offset=st.integers(0, 12),
    limit=st.integers(1, 12),
    search=st.sampled_from(["", "a", "&scope=", "<"]),
    sort=st.sampled_from(["id", "attention"]),
)
@settings(max_examples=20, deadline=None)
def test_a_page_of_all_workers_is_the_page_of_one_that_held_them_all(
    parts, offset, limit, search, sort
):
    held = [part - set().union(*parts[:i]) for i, part in enumerate(parts)]
    query = {"offset": offset, "limit": limit, "search": search, "sort": sort}

    async def gathered() -> dict:
        workers = [a_worker_with_ranks(*part) for part in held]
        async with a_cluster(*workers) as roots, aiohttp.ClientSession() as browser:
            return await (await browser.get(roots[0] / "patients/", params=query)).json()

    patients = a_worker_with_ranks(*set().union(*held)).patients
    total, ids, _ = patients.window(**query)
    assert asyncio.run(gathered()) == {
        "patients": [patients.get(each) for each in ids],
        "total": total,
        "offset": offset,
        "limit": limit,
    }


async def test_a_dead_worker_is_named_and_the_others_are_listed(browser):
    first, gone = FakeWorker("p1"), nobody_there()
    async with a_cluster(first, FakeWorker("p2")) as (root, _):
        first.others.append(gone)
        answer = await (await browser.get(root / "patients/")).json()
        assert [each["patient_id"] for each in answer["patients"]] == ["p1", "p2"]
        assert answer["missing"] == [str(gone)]
        status = await (await browser.get(root / "status")).json()
        assert (status["workers"], status["missing"]) == (3, [str(gone)])
        assert status["readings"] == 20


async def test_a_worker_with_another_token_is_missing(browser):
    async with a_cluster(FakeWorker("p1", token=TOKEN), FakeWorker("p2", token="x")) as roots:
        headers = {"X-BPStream-Token": TOKEN}
        answer = await (await browser.get(roots[0] / "patients/", headers=headers)).json()
        assert (answer["total"], answer["missing"]) == (1, [str(roots[1])])


@pytest.mark.parametrize(("offset", "status"), [(WINDOW - 10, 200), (WINDOW - 9, 400)])
async def test_several_workers_list_no_farther_than_the_window(browser, offset, status):
    query = {"offset": offset, "limit": 10}
    async with a_cluster(FakeWorker("p1"), FakeWorker("p2")) as (root, _):
        answer = await browser.get(root / "patients/", params=query)
        assert answer.status == status
        if status == 400:
            assert "narrow the search" in (await answer.json())["error"]
        alone = {**query, "scope": "worker"}
        assert (await browser.get(root / "patients/", params=alone)).status == 200


async def test_the_status_of_all_workers_adds_up(browser):
    first, second = FakeWorker(), FakeWorker()
    first.health.parts = {"index": "does not answer", "since": "2026-01-29T20:00:00Z"}
    second.health.parts = {"partitions": [3, 2], "lag": 0, "webhook": "the webhook is away"}
    async with a_cluster(first, second) as (_, root):
        assert await (await browser.get(root / "status")).json() == {
            "partitions": [0, 1, 2, 3],
            "lag": 3,
            "readings": 20,
            "anomalies": 8,
            "dead_letters": 2,
            "index": "does not answer",
            "archive": "ok",
            "webhook": "the webhook is away",
            "alertmanager": "ok",
            "since": "2026-01-29T20:00:00Z",
            "workers": 2,
        }
        own = await (await browser.get(root / "status", params={"scope": "worker"})).json()
        assert own == second.health.status()


async def test_the_alerts_of_all_workers_come_the_most_urgent_first(browser):
    first, second = FakeWorker(), FakeWorker()
    first.patients.raised = [an_alert("b", since="2026-01-29T20:00:00.000000Z"), an_alert("c")]
    second.patients.raised = [
        an_alert("a", severity="critical"),
        an_alert("d", state="pending", severity="critical"),
    ]
    async with a_cluster(first, second) as (_, root):
        answer = await (await browser.get(root / "alerts/")).json()
        assert [alert["alert_id"] for alert in answer.pop("alerts")] == ["a", "b", "c", "d"]
        assert answer == {}


async def test_the_alerts_of_a_worker_that_does_not_answer_are_missing_and_that_is_said(browser):
    worker, away = FakeWorker(), nobody_there()
    worker.patients.raised = [an_alert("a")]
    async with serving(worker) as root:
        worker.others = [away]
        answer = await (await browser.get(root / "alerts/")).json()
        assert answer == {"alerts": [an_alert("a")], "missing": [str(away)]}


async def test_a_forwarded_request_carries_the_token_and_the_mark_and_no_cookie(browser):
    asked = []

    async def answer(reader, writer):
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = json.dumps({"patient_id": "p/1"}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    worker = FakeWorker(token=TOKEN)
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        serving(worker) as root,
    ):
        worker.owners["p/1"] = URL("http://127.0.0.1").with_port(server.sockets[0].getsockname()[1])
        headers = {"X-BPStream-Token": TOKEN, "Cookie": "other=1"}
        assert (await browser.get(address_of(root, "p/1"), headers=headers)).status == 200
    assert asked[0].startswith("GET /patients/p%2F1/ HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}\r\n" in asked[0]
    assert f"X-BPStream-Forwarded: {root}\r\n" in asked[0]
    assert "Cookie" not in asked[0]
