"""What people ask over HTTP: what is taken, what is refused, and by which worker."""

import asyncio

import pytest

from tests.web.test_cluster import a_cluster, nobody_there
from tests.web.test_routes import NASTY_IDS, address_of
from tests.web.worker import FakeDesk, FakeWorker, serving

ALERT = "00000000000000ff"
ADDRESS = f"alerts/{ALERT}/acknowledge"
POSTS = [ADDRESS, "silences/", "patients/p1/limits"]


def a_worker(*fires, **options) -> FakeWorker:
    worker = FakeWorker("p1", **options)
    worker.desk = FakeDesk(*fires)
    return worker


async def told(answer):
    return answer.status, await answer.json()


async def test_an_alert_is_acknowledged_once(browser):
    async with serving(a_worker(ALERT)) as root:
        status, alert = await told(await browser.post(f"{root}{ADDRESS}", json={"by": "Ann"}))
        assert (status, alert["acknowledged"]["by"]) == (200, "Ann")
        status, found = await told(await browser.post(f"{root}{ADDRESS}", json={"by": "Bob"}))
        assert (status, found["error"]) == (409, "Ann acknowledged the alert")
        assert found["alert"]["alert_id"] == ALERT


@pytest.mark.parametrize("alert_id", ["0" * 16, "0" * 15, "F" * 16, "..%2f..", "x" * 4000])
async def test_what_does_not_fire_is_a_404_with_json(browser, alert_id):
    async with serving(a_worker(ALERT)) as root:
        answer = await browser.post(f"{root}alerts/{alert_id}/acknowledge", json={"by": "Ann"})
        assert answer.status == 404
        assert list(await answer.json()) == ["error"]


@pytest.mark.parametrize("address", POSTS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "application/json", "Origin": "https://elsewhere.example"}, 403),
        ({"Content-Type": "application/json", "Origin": "null"}, 403),
    ],
    ids=str,
)
async def test_a_page_of_another_site_changes_nothing(browser, address, headers, status):
    worker = a_worker(ALERT)
    async with serving(worker) as root:
        answer = await browser.post(f"{root}{address}", data=b'{"by":"Ann"}', headers=headers)
        assert answer.status == status
        assert (worker.desk.fires, worker.desk.sent) == ({ALERT: None}, [])


async def test_our_own_page_may_ask(browser):
    async with serving(a_worker(ALERT)) as root:
        for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": str(root.origin())}):
            answer = await browser.post(f"{root}silences/", json={}, headers=headers)
            assert answer.status == 200


@pytest.mark.parametrize("address", POSTS)
async def test_nobody_without_the_token_may_ask(browser, address):
    worker = a_worker(ALERT, token="s3cret")
    async with serving(worker) as root:
        assert (await browser.post(f"{root}{address}", json={"by": "Ann"})).status == 401
        headers = {"Authorization": "Bearer s3cret"}
        answer = await browser.post(f"{root}{address}", json={"by": "Ann"}, headers=headers)
        assert answer.status == 200


@pytest.mark.parametrize("body", [b"", b"x", b"[1", b"\xff"])
async def test_a_body_that_is_no_json_is_a_400_that_says_so(browser, body):
    async with serving(a_worker(ALERT)) as root:
        headers = {"Content-Type": "application/json"}
        answer = await browser.post(f"{root}{ADDRESS}", data=body, headers=headers)
        assert answer.status == 400
        assert list(await answer.json()) == ["error"]


@pytest.mark.parametrize("address", POSTS)
async def test_a_worker_that_starts_is_to_be_asked_again(browser, address):
    worker = a_worker()
    worker.desk = None
    async with serving(worker) as root:
        answer = await browser.post(f"{root}{address}", json={"by": "Ann"})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("state=all", 200),
        ("state=all&since=2026-01-29T21:30Z&limit=5", 200),
        ("state=over", 400),
        ("state=all&since=yesterday", 400),
        ("state=all&limit=0", 400),
        ("state=all&limit=1001", 400),
    ],
)
async def test_the_history_is_asked_for_within_bounds(browser, query, status):
    async with serving(a_worker()) as root:
        answer = await browser.get(f"{root}alerts/?{query}")
        assert answer.status == status
        if "since=2026" in query and status == 200:
            assert (await answer.json())["asked"] == [1_769_722_200_000, 5]


# Whichever worker is asked.


async def test_an_alert_is_acknowledged_at_the_worker_where_it_fires(browser):
    workers = a_worker(), a_worker(ALERT), a_worker()
    async with a_cluster(*workers) as roots:
        status, _ = await told(await browser.post(f"{roots[0]}{ADDRESS}", json={"by": "Ann"}))
        assert (status, workers[1].desk.fires) == (200, {ALERT: "Ann"})
        status, found = await told(await browser.post(f"{roots[2]}{ADDRESS}", json={"by": "Bob"}))
        assert (status, found["error"]) == (409, "Ann acknowledged the alert")
        gone = f"alerts/{'0' * 16}/acknowledge"
        assert (await browser.post(f"{roots[0]}{gone}", json={"by": "Ann"})).status == 404


async def test_of_two_at_once_at_two_workers_one_is_told(browser):
    async with a_cluster(a_worker(ALERT), a_worker()) as roots:
        answers = await asyncio.gather(
            *(browser.post(f"{root}{ADDRESS}", json={"by": "Ann"}) for root in roots)
        )
        assert sorted(answer.status for answer in answers) == [200, 409]


async def test_an_alert_that_may_fire_at_a_worker_that_is_away_is_not_unknown(browser):
    worker = a_worker()
    async with serving(worker) as root:
        worker.others = [nobody_there()]
        answer = await browser.post(f"{root}{ADDRESS}", json={"by": "Ann"})
        assert answer.status == 503
        assert str(worker.others[0]) in (await answer.json())["error"]


@pytest.mark.parametrize(
    "patient_id", [*NASTY_IDS[:-2], "p/limits"], ids=lambda each: ascii(each)[:20]
)
async def test_limits_are_shown_and_set_at_the_patients_worker_whatever_the_id(browser, patient_id):
    asked, owner = FakeWorker("other"), FakeWorker(patient_id)
    async with a_cluster(asked, owner) as roots:
        address = address_of(roots[0], patient_id, "/limits")
        change = {"by": "Dr Ada", "reason": "r"}
        status, found = await told(await browser.post(address, json=change))
        assert (status, found["patient_id"]) == (200, patient_id)
        assert owner.desk.sent == [(patient_id, change)]
        assert asked.desk.sent == []
        status, found = await told(await browser.get(address))
        assert (status, found["patient_id"]) == (200, patient_id)


async def test_limits_of_a_patient_on_the_move_are_to_be_asked_for_again(browser):
    worker = a_worker()
    async with serving(worker) as root:
        worker.owners["p9"] = None
        for answer in (
            await browser.post(f"{root}patients/p9/limits", json={}),
            await browser.get(f"{root}patients/p9/limits"),
        ):
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
