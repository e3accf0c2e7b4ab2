"""A patient's history as FHIR, asked over a socket, of whichever worker."""

import json
from typing import Any

import pytest

from bpstream.fhir.codes import Pressure
from bpstream.fhir.export import Kept, searchset
from bpstream.reading import Flag
from tests.fhir.messages import at, parse
from tests.web.test_cluster import TOKEN, a_cluster
from tests.web.test_routes import NASTY_IDS, address_of
from tests.web.worker import FakePatients, FakeWorker, serving

READING = Kept(
    identity="0123456789abcdef",
    version=0,
    taken_at=at("2026-01-29T21:32:51"),
    pressures={Pressure.SYSTOLIC: 176.0, Pressure.DIASTOLIC: 84.0},
    interpretations={},
    flags=Flag(0),
)


class PatientsWithHistory(FakePatients):
    """Each patient has one reading."""

    def history(self, patient_id: str) -> Any:
        return searchset(patient_id, [READING]) if patient_id in self.by_id else None


def a_worker(*patient_ids: str, token: str = "") -> FakeWorker:
    worker = FakeWorker(token=token)
    worker.patients = PatientsWithHistory(*patient_ids)
    return worker


@pytest.mark.parametrize("patient_id", NASTY_IDS, ids=lambda each: ascii(each)[:20])
async def test_history_as_fhir_is_a_searchset_that_names_its_own_address(browser, patient_id):
    async with serving(a_worker(patient_id)) as root:
        address = address_of(root, patient_id, "/history?format=fhir")
        answer = await browser.get(address)
        assert answer.status == 200
        assert answer.content_type == "application/fhir+json"
        bundle = await answer.json()
        assert bundle.pop("link") == [{"relation": "self", "url": str(address)}]
        assert bundle == json.loads(json.dumps(searchset(patient_id, [READING])))


async def test_what_is_downloaded_is_read_as_it_was(browser):
    async with serving(a_worker("p1")) as root:
        body = await (await browser.get(root / "patients/p1/history" % {"format": "fhir"})).read()
        found = parse(body).readings
        assert (found.patient_id, found.taken_at.tolist()) == (["p1"], [READING.taken_at])
        assert (found.systolic.tolist(), found.diastolic.tolist()) == ([176.0], [84.0])


@pytest.mark.parametrize("token", ["", TOKEN])
async def test_whichever_worker_is_asked_the_owner_answers_in_fhir(browser, token):
    workers = a_worker("p1", token=token), a_worker("p2", token=token)
    headers = {"Authorization": f"Bearer {token}"}
    async with a_cluster(*workers) as roots:
        for root in roots:
            for patient_id in ("p1", "p2"):
                address = address_of(root, patient_id, "/history?format=fhir")
                answer = await browser.get(address, headers=headers)
                bundle = await answer.json()
                (entry,) = bundle["entry"]
                assert entry["resource"]["subject"] == {"reference": f"Patient/{patient_id}"}
                # Of the worker that was asked: the owner's may be out of the client's reach.
                assert bundle["link"] == [{"relation": "self", "url": str(address)}]


async def test_a_patient_never_seen_is_a_404_in_fhir_too(browser):
    first = a_worker()
    async with a_cluster(first, a_worker()) as (root, other):
        first.owners["p9"] = other
        for patient_id in ("p1", "p9"):
            answer = await browser.get(address_of(root, patient_id, "/history?format=fhir"))
            assert answer.status == 404
            assert list(await answer.json()) == ["error"]


async def test_a_patient_whose_worker_changes_is_a_503_in_fhir_too(browser):
    worker = a_worker()
    async with serving(worker) as root:
        worker.owners["p1"] = None
        answer = await browser.get(address_of(root, "p1", "/history?format=fhir"))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize("form", ["FHIR", "xml", "json", "fhir "])
async def test_another_format_is_refused_with_what_would_do(browser, form):
    async with serving(a_worker("p1")) as root:
        answer = await browser.get(root / "patients/p1/history" % {"format": form})
        assert answer.status == 400
        assert await answer.json() == {"error": "format can only be fhir"}


async def test_without_a_format_history_is_as_it_was(browser):
    async with serving(a_worker("p1")) as root:
        plain = await browser.get(root / "patients/p1/history")
        empty = await browser.get(root / "patients/p1/history" % {"format": ""})
        assert plain.content_type == "application/json"
        assert await plain.json() == await empty.json()
        assert list(await plain.json()) == ["patient_id", "readings"]
