"""The feed over a socket, of one worker and of several, each the real server."""

import asyncio
import gzip
import time
import zlib
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from itertools import pairwise

import aiohttp
import pytest

from bpstream.web import feed, gathering
from bpstream.web.cluster import WINDOW
from tests.web.events import applied, events_of, listening
from tests.web.test_cluster import a_cluster, answering, nobody_there
from tests.web.test_routes import NASTY_IDS
from tests.web.worker import FakeWorker, a_patient, an_alert, serving

EVERY = 0.1
KEYS = ["stale_after", "counts", "status", "alerts", "heat", "missing", "total", "order"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A second is a tenth of one."""
    monkeypatch.setattr(feed, "EVERY", EVERY)
    monkeypatch.setattr(feed, "_SOONEST", EVERY / 2)
    monkeypatch.setattr(feed, "_TOGETHER", EVERY / 20)


def ids(event) -> list[str]:
    return [each["patient_id"] for each in event.data["patients"]]


async def gone(worker: FakeWorker) -> None:
    """Return once nobody listens to a worker."""
    async with asyncio.timeout(5):
        while worker.metrics.registry.get_sample_value("bpstream_feed_clients"):
            await asyncio.sleep(0.01)


async def test_the_first_event_is_the_whole_and_the_others_tell_what_changed(browser):
    worker = FakeWorker("p1", "p2", "p3")
    async with serving(worker) as root, listening(browser, root, limit=2) as events:
        whole = await anext(events)
        assert whole.kind == "whole"
        assert sorted(whole.data) == sorted([*KEYS, "at", "patients"])
        assert whole.data["patients"] == [worker.patients.get("p1"), worker.patients.get("p2")]
        assert (whole.data["order"], whole.data["total"]) == (["p1", "p2"], 3)
        assert (whole.data["counts"]["high"], whole.data["heat"]) == (3, "333")
        assert whole.data["stale_after"] == 900
        assert whole.data["status"]["lag"] == 3
        assert whole.data["alerts"] == {"total": 0, "unacknowledged": 0, "shown": []}
        assert whole.data["missing"] == []
        beat = await anext(events)
        assert (beat.kind, list(beat.data)) == ("change", ["at"])
        worker.patients.by_id["p2"] = a_patient("p2", readings=3)
        worker.patients.by_id["p3"] = a_patient("p3", readings=3)
        while list((change := await anext(events)).data) == ["at"]:
            pass
        assert sorted(change.data) == ["at", "patients"]
        assert change.data["patients"] == [worker.patients.get("p2")]


async def test_events_are_no_closer_than_half_the_interval(browser):
    async with serving(FakeWorker("p1")) as root:
        events = await hear(browser, root, 6)
    times = [datetime.fromisoformat(event.data["at"]) for event in events]
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert min(gaps) > EVERY / 3
    assert sum(gaps) > EVERY * 4


async def events_until(events, number):
    for _ in range(number):
        yield await anext(events)


async def test_who_comes_on_view_is_told_and_the_order_with_it(browser):
    worker = FakeWorker("p1", "p2", "p3")
    worker.patients.ranks = {"p1": 1, "p2": 2, "p3": 3}
    async with (
        serving(worker) as root,
        listening(browser, root, limit=2, sort="attention") as events,
    ):
        seen = (await anext(events)).data
        assert seen["order"] == ["p1", "p2"]
        worker.patients.ranks["p3"] = 0
        while "order" not in (change := (await anext(events)).data):
            pass
        assert change["order"] == ["p3", "p1"]
        assert change["patients"] == [worker.patients.get("p3")]
        assert ids_of(applied(seen, change)) == ["p3", "p1"]


def ids_of(data: dict) -> list[str]:
    return [each["patient_id"] for each in data["patients"]]


async def test_a_client_that_was_cut_off_goes_on_where_it_was(browser):
    worker = FakeWorker("p1", "p2")
    async with serving(worker) as root:
        async with listening(browser, root) as events:
            whole = await anext(events)
        await gone(worker)
        worker.patients.by_id["p2"] = a_patient("p2", readings=9)
        async with listening(browser, root, last_event_id=whole.id) as events:
            while "patients" not in (change := await anext(events)).data:
                assert change.kind == "change"
            assert (change.kind, change.data["patients"]) == ("change", [worker.patients.get("p2")])
        async with listening(browser, root, last_event_id=change.id, search="p1") as events:
            assert (await anext(events)).kind == "whole"


async def test_a_client_that_comes_back_late_begins_anew(browser, monkeypatch):
    monkeypatch.setattr(feed, "RESUMES_WITHIN", 0.05)
    worker = FakeWorker("p1")
    async with serving(worker) as root:
        async with listening(browser, root) as events:
            whole = await anext(events)
        await gone(worker)
        await asyncio.sleep(0.2)
        async with listening(browser, root, last_event_id=whole.id) as events:
            assert (await anext(events)).kind == "whole"


async def test_what_many_looked_at_and_left_is_not_kept_for_all(browser, monkeypatch):
    monkeypatch.setattr(feed, "_MOST_LEFT", 2)
    worker, seen = FakeWorker("p1"), []
    async with serving(worker) as root:
        for search in "abc":
            async with listening(browser, root, search=search) as events:
                seen.append(await anext(events))
            await gone(worker)
        kinds = []
        for search, event in zip("cba", reversed(seen), strict=True):
            async with listening(browser, root, search=search, last_event_id=event.id) as events:
                kinds.append((await anext(events)).kind)
            await gone(worker)
        assert kinds == ["change", "change", "whole"]


@pytest.mark.parametrize(
    "query",
    [{"limit": each} for each in ("0", "201", "x")]
    + [{"offset": "-1"}, {"sort": "name"}, {"scope": "cluster"}],
)
async def test_what_cannot_be_asked_for_is_a_400_that_says_what_can(browser, query):
    async with serving(FakeWorker()) as root:
        answer = await browser.get(root / "feed", params=query)
        assert answer.status == 400
        assert next(iter(query)) in (await answer.json())["error"]


async def test_a_search_that_is_no_text_is_a_400():
    async with serving(FakeWorker()) as root:
        reader, writer = await asyncio.open_connection(root.host, root.port)
        writer.write(b"GET /feed?search=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()


async def test_the_feed_is_guarded_like_every_other_address(browser):
    async with serving(FakeWorker(token="s3cret")) as root:
        assert (await browser.get(root / "feed")).status == 401
        headers = {"Authorization": "Bearer s3cret"}
        async with listening(browser, root, headers=headers) as events:
            assert (await anext(events)).kind == "whole"
    async with serving(FakeWorker()) as root:
        elsewhere = await browser.get(root / "feed", headers={"Host": "evil.example"})
        assert elsewhere.status == 403


async def test_more_clients_than_there_may_be_are_refused_until_one_goes(browser, monkeypatch):
    monkeypatch.setattr(feed, "MOST_CLIENTS", 1)
    worker = FakeWorker()
    async with serving(worker) as root:
        async with listening(browser, root) as events:
            await anext(events)
            answer = await browser.get(root / "feed")
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert "1 clients listen" in (await answer.json())["error"]
        await gone(worker)
        async with listening(browser, root) as events:
            await anext(events)


async def test_nothing_is_looked_up_while_nobody_listens(browser):
    worker = FakeWorker("p1")
    async with serving(worker) as root:
        async with listening(browser, root) as events:
            await anext(events)
        await gone(worker)
        await asyncio.sleep(2 * EVERY)
        asked = worker.patients.asked
        await asyncio.sleep(3 * EVERY)
        assert worker.patients.asked == asked > 0


async def test_all_clients_of_all_queries_share_one_look_a_second(browser):
    worker, other = FakeWorker("p1"), FakeWorker("p2")
    async with a_cluster(worker, other) as (root, _):
        heard = await asyncio.gather(
            *(hear(browser, root, 8, search="p" * (number % 3)) for number in range(12))
        )
    frames = {event.data["at"] for events in heard for event in events}
    for each in (worker, other):
        assert each.patients.asked <= len(frames) + 2


async def hear(browser, root, number, **query):
    async with listening(browser, root, **query) as events:
        return [event async for event in events_until(events, number)]


async def test_it_is_told_how_many_listen_and_how_much_they_were_told(browser):
    worker = FakeWorker()
    sample = worker.metrics.registry.get_sample_value
    async with serving(worker) as root:
        async with listening(browser, root) as events:
            await anext(events)
            await anext(events)
            assert sample("bpstream_feed_clients") == 1
        await gone(worker)
        assert sample("bpstream_feed_events_total", {"event": "whole"}) == 1
        assert sample("bpstream_feed_events_total", {"event": "change"}) >= 1


async def test_what_is_sent_is_compressed_event_by_event(browser):
    worker = FakeWorker(*(f"p{number:02}" for number in range(60)))
    async with serving(worker) as root, aiohttp.ClientSession(auto_decompress=False) as raw:
        headers = {"Accept-Encoding": "gzip"}
        packed = b""
        async with raw.get(root / "feed", headers=headers) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            plain = b""
            while plain.count(b"\n\n") < 2:
                packed += (part := await answer.content.readany())
                plain += unpack.decompress(part)
        assert len(packed) < len(plain) / 10
        async with raw.get(root / "feed", headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers
            assert (await answer.content.readline()).startswith(b"id: ")


async def test_a_server_that_stops_ends_the_feeds_at_once_and_whole():
    async with aiohttp.ClientSession(auto_decompress=False) as browser:
        async with serving(FakeWorker("p1")) as root:
            headers = {"Accept-Encoding": "gzip"}
            answer = await browser.get(root / "feed", headers=headers)
            plain = await browser.get(root / "feed", headers={"Accept-Encoding": "identity"})
            await plain.content.readline()
            began = time.monotonic()
        assert time.monotonic() - began < 2
        assert gzip.decompress(await answer.read()).startswith(b"id: ")
        assert (await plain.read()).endswith(b"\n\n")


@asynccontextmanager
async def a_slow_client(browser, root, worker, *, rounds):
    """The answer of a client that took nothing while every patient changed `rounds` times."""
    patients = worker.patients.by_id
    query, headers = {"limit": 200}, {"Accept-Encoding": "identity"}
    async with browser.get(root / "feed", params=query, headers=headers) as slow:
        async with listening(browser, root, limit=1) as events:
            for readings in range(1, rounds + 1):
                for each in patients:
                    patients[each] = a_patient(each, readings=readings) | {"note": "x" * 10_000}
                while "patients" not in (await anext(events)).data:
                    pass
        yield slow


async def test_a_slow_client_holds_nothing_up_and_then_has_the_newest(browser):
    worker = FakeWorker(*(f"p{number:03}" for number in range(200)))
    async with serving(worker) as root, a_slow_client(browser, root, worker, rounds=15) as slow:
        seen = []
        async for event in events_of(slow):
            seen += [each["readings"] for each in event.data.get("patients", [])[-1:]]
            if seen[-1:] == [15]:
                break
        # What the system itself holds back on the way is some events.
        assert len(seen) < 12


async def test_a_slow_client_does_not_keep_the_server_from_stopping(browser):
    worker = FakeWorker(*(f"p{number:03}" for number in range(200)))
    async with AsyncExitStack() as stack:
        async with serving(worker) as root:
            await stack.enter_async_context(a_slow_client(browser, root, worker, rounds=9))
            began = time.monotonic()
        assert time.monotonic() - began < 2


async def test_an_error_nobody_expected_ends_the_feeds_which_begin_anew(browser, caplog):
    worker = FakeWorker("p1")
    working = worker.patients.whole
    async with serving(worker) as root:
        async with listening(browser, root) as events:
            whole = await anext(events)
            worker.patients.whole = lambda: 1 / 0
            last = [event async for event in events]
        assert "the feed failed" in caplog.text
        assert all(event.kind == "change" for event in last)
        worker.patients.whole = working
        async with listening(browser, root, last_event_id=whole.id) as events:
            assert (await anext(events)).kind == "whole"


async def test_whichever_worker_is_asked_the_feed_shows_all_patients(browser):
    first, second = FakeWorker("a", "c"), FakeWorker("b", "d")
    first.patients.ranks, second.patients.ranks = {"a": 4, "c": 1}, {"b": 0, "d": 1}
    first.patients.raised = [an_alert("1")]
    second.patients.raised = [an_alert("2", severity="critical")]
    async with a_cluster(first, second) as roots:
        for root in roots:
            async with listening(browser, root, limit=3) as events:
                whole = (await anext(events)).data
                assert whole["order"] == ids_of(whole) == ["a", "b", "c"]
                assert (whole["total"], whole["counts"]["high"], whole["heat"]) == (4, 4, "4011")
                assert whole["status"]["workers"] == 2
                assert whole["alerts"]["total"] == whole["alerts"]["unacknowledged"] == 2
                assert [each["alert_id"] for each in whole["alerts"]["shown"]] == ["2", "1"]
                assert whole["missing"] == []
            async with listening(browser, root, sort="attention", offset=1, limit=2) as events:
                assert ids(await anext(events)) == ["c", "d"]
            async with listening(browser, root, scope="worker", sort="attention") as events:
                own = (await anext(events)).data
                assert own["order"] == (["c", "a"] if root == roots[0] else ["b", "d"])
                assert (own["status"]["workers"], len(own["heat"])) == (1, 2)
        async with listening(browser, roots[0]) as events:
            seen = (await anext(events)).data
            second.patients.by_id["d"] = a_patient("d", readings=7)
            while "patients" not in (change := (await anext(events)).data):
                pass
            assert change["patients"] == [second.patients.get("d")]
            assert ids_of(applied(seen, change)) == list("abcd")


@pytest.mark.parametrize("token", ["", "s3cret"])
async def test_an_id_of_another_worker_is_shown_whatever_it_holds(browser, token):
    workers = FakeWorker(token=token), FakeWorker(*NASTY_IDS, token=token)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        a_cluster(*workers) as (root, _),
        listening(browser, root, headers=headers) as events,
    ):
        assert ids(await anext(events)) == sorted(NASTY_IDS)


async def test_a_worker_that_goes_is_named_and_one_that_comes_is_shown(browser):
    first, second = FakeWorker("p1"), FakeWorker("p2")
    async with a_cluster(first, second) as (root, other):
        gone = nobody_there()
        first.others = [gone]
        async with listening(browser, root) as events:
            whole = (await anext(events)).data
            assert (whole["order"], whole["missing"]) == (["p1"], [str(gone)])
            first.others = [other]
            while "missing" not in (change := (await anext(events)).data):
                pass
            assert (change["order"], change["missing"]) == (["p1", "p2"], [])
            first.others = [other, gone]
            while "missing" not in (change := (await anext(events)).data):
                pass
            assert change["missing"] == [str(gone)]
            assert "order" not in change


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"200 OK\r\nContent-Type: application/json", b"{}"),
        (b"200 OK\r\nContent-Type: application/json", b"[]"),
        (b"200 OK\r\nContent-Type: text/html", b"<h1>another service</h1>"),
        (b"401 Unauthorized\r\nContent-Type: application/json", b"{}"),
        (b"503 Busy\r\nContent-Type: application/json", b"{}"),
        (b"not http at all", b""),
        (b"", b""),
    ],
)
async def test_a_worker_that_answers_something_else_is_missing(browser, monkeypatch, head, body):
    monkeypatch.setattr(gathering, "TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    worker = FakeWorker("p1")
    async with serving(worker) as root, answering(head, body) as other:
        worker.others = [other]
        async with listening(browser, root) as events:
            whole = (await anext(events)).data
            assert (whole["order"], whole["missing"]) == (["p1"], [str(other)])


@pytest.mark.parametrize(("offset", "status"), [(WINDOW - 10, 200), (WINDOW - 9, 400)])
async def test_several_workers_show_no_farther_than_the_window(browser, offset, status):
    query = {"offset": offset, "limit": 10}
    async with a_cluster(FakeWorker("p1"), FakeWorker("p2")) as (root, _):
        async with browser.get(root / "feed", params=query) as answer:
            assert answer.status == status
        async with browser.get(root / "feed", params={**query, "scope": "worker"}) as answer:
            assert answer.status == 200


async def test_a_feed_that_lies_too_far_once_there_are_several_workers_ends(browser):
    first, second = FakeWorker("p1"), FakeWorker("p2")
    async with a_cluster(first, second) as (root, other):
        first.others = []
        async with listening(browser, root, offset=WINDOW) as events:
            assert (await anext(events)).data["total"] == 1
            first.others = [other]
            assert all([event.data["at"] async for event in events])


async def test_what_one_worker_asks_of_another_may_be_long(browser):
    worker = FakeWorker("p" * 4096, "p1")
    wanted = {"windows": [["", "id", 9]], "patients": ["p1", *(f"{n:04096}" for n in range(200))]}
    async with serving(worker) as root:
        answer = await (await browser.post(root / "feed", json=wanted)).json()
        assert list(answer["patients"]) == ["p1"]
        assert answer["windows"][0]["total"] == 2


@pytest.mark.parametrize(
    "body", ["[]", "{", '{"windows": [["", "name", 9]]}', '{"patients": [1]}', '{"more": 1}']
)
async def test_a_question_that_cannot_be_read_is_a_400(browser, body):
    async with serving(FakeWorker()) as root:
        json = {"Content-Type": "application/json"}
        answer = await browser.post(root / "feed", data=body, headers=json)
        assert answer.status == 400
