"""Elasticsearch fails in every way it can: intake pauses and says so, and nothing is lost."""

import json
import re
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from bpstream.simulator import Message
from tests.faults import oracle, stored
from tests.faults.killable import running
from tests.faults.loads import Hospital
from tests.faults.oracle import Letter
from tests.faults.proxy import Fault, Proxy
from tests.faults.run import Run
from tests.integration.workers import Worker, until

pytestmark = pytest.mark.services

RATE = 200
"""Messages a second."""
TOLD_WITHIN = 20.0
"""Seconds from the fault to the technical alarm: five of patience, and a busy machine."""
MENDED_WITHIN = 60.0
PATIENT = 15.0
"""Seconds of patience where the node may be slow by itself beside what the proxy adds."""

WAITING = 20_000
"""Readings of one partition, which are more than are judged ahead."""
GROWTH = 128 << 20
"""Most bytes that a worker may grow by while they wait."""
FURTHER_GROWTH = 24 << 20
"""And while half as many again come to wait: to hold these would take more."""
WATCHED = 2.0
"""Seconds in which a worker would have fetched them all."""

PAUSING = [fault for fault in Fault if fault not in (Fault.NONE, Fault.SLOW)]


@dataclass
class Stage:
    """A worker, its Elasticsearch with the proxy before it, and where its load comes from."""

    run: Run
    worker: Worker
    proxy: Proxy
    hospital: Hospital

    def alerts(self) -> list[dict[str, Any]]:
        return list(stored.published(self.run.kafka, self.run.settings["BPSTREAM_ALERTS_TOPIC"]))

    def pauses(self) -> dict[str, list[dict[str, Any]]]:
        """The events of each technical alarm that intake is paused."""
        events = defaultdict(list)
        for alert in self.alerts():
            if alert["rule"] == "intake_paused":
                events[alert["alert_id"]].append(alert)
        return events

    def has_alerted(self, sent: list[oracle.Sent]) -> bool:
        """Whether every alert that follows from `sent` is on the topic."""
        there = stored.episodes(self.alerts())
        return all(
            alert_id in there and there[alert_id].edges[: len(episode.edges)] == episode.edges
            for alert_id, episode in oracle.expected(sent).episodes.items()
        )

    def reasons(self) -> list[str]:
        """Why the worker is not ready."""
        try:
            self.worker.get("/health/ready")
        except HTTPError as refused:
            with refused as answer:
                return list(json.load(answer)["reasons"])
        return []

    def has_stored(self) -> float:
        return metric(self.worker, 'bpstream_stored_total{sink="index"}')

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Elasticsearch has the fault until the end of the block."""
        self.proxy.be(fault)
        try:
            yield
        finally:
            self.proxy.be(Fault.NONE)

    def recovers(self) -> None:
        """All drains, is equal, and no pause is left."""
        until(lambda: self.worker.status("/health/ready") == 200, MENDED_WITHIN, self.worker.told)
        self.run.drained()
        self.run.check(self.worker)
        states = [[event["state"] for event in events] for events in self.pauses().values()]
        assert all(each == ["firing", "recovered"] for each in states), states


def metric(worker: Worker, name: str) -> float:
    with urlopen(worker.url + "/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def resident(worker: Worker) -> int:
    """The most bytes of memory that the worker's process has within some seconds."""
    assert worker.process is not None
    pages, end = Path(f"/proc/{worker.process.pid}/statm"), time.monotonic() + WATCHED
    seen = 0
    while time.monotonic() < end:
        seen = max(seen, int(pages.read_text().split()[1]))
        time.sleep(0.1)
    return seen * resource.getpagesize()


@contextmanager
def through_proxy(kafka: str, elasticsearch: str, folder: Path) -> Iterator[tuple[Run, Proxy]]:
    """A run, with no worker yet, whose Elasticsearch has the proxy before it."""
    with (
        running(Proxy(elasticsearch)) as proxy,
        Run(folder, kafka=kafka, elasticsearch=proxy.url, BPSTREAM_BATCH_SIZE="500") as run,
    ):
        yield run, proxy


@pytest.fixture(scope="module")
def stage(
    kafka: str, elasticsearch: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("outages")
    with through_proxy(kafka, elasticsearch, folder) as (run, proxy):
        yield Stage(run, run.worker(), proxy, Hospital(seed=4))


@pytest.mark.parametrize("fault", PAUSING, ids=lambda fault: fault.name.lower())
def test_intake_pauses_alarms_go_out_and_afterwards_everything_is_stored(
    stage: Stage, fault: Fault
) -> None:
    run, worker, told = stage.run, stage.worker, stage.worker.told
    known, before = set(stage.pauses()), stage.has_stored()
    with run.sending(stage.hospital, rate=RATE):
        until(lambda: stage.has_stored() > before, 30, told)
        with stage.failing(fault):
            until(lambda: worker.status("/health/ready") == 503, TOLD_WITHIN, told)
            assert any(names_the_index(reason, stage) for reason in stage.reasons())
            new = until(lambda: stage.pauses().keys() - known, TOLD_WITHIN, told)
            # Of one that is down nothing is counted where no connection was open just then.
            assert stage.proxy.struck(fault) or fault is Fault.DOWN
            assert run.lag()

            taken_in = list(run.sent)
            until(lambda: stage.has_alerted(taken_in), 20, told)
            assert worker.status("/health/live") == 200
            assert worker.status("/health/ready") == 503
            assert run.lag()
    for alert_id in new:
        event = stage.pauses()[alert_id][0]
        assert (event["state"], event["severity"]) == ("firing", "high")
        assert (event["kind"], event["patient_id"]) == ("technical", None)
        assert re.search(r"partition \d", event["message"])
        assert names_the_index(event["message"], stage)
    stage.recovers()


def names_the_index(reason: str, stage: Stage) -> bool:
    return stage.proxy.url in reason or "index" in reason


def test_a_slow_elasticsearch_slows_the_intake_and_neither_pauses_it_nor_holds_alarms_up(
    kafka: str, elasticsearch: str, tmp_path: Path
) -> None:
    with through_proxy(kafka, elasticsearch, tmp_path) as (run, proxy):
        stage = Stage(run, run.patient(PATIENT), proxy, Hospital(seed=4))
        with run.sending(stage.hospital, rate=2 * RATE), stage.failing(Fault.SLOW):
            until(lambda: proxy.struck(Fault.SLOW) > 10, 30, stage.worker.told)
            time.sleep(PATIENT)  # All of it together takes longer than any of it may.
            assert run.lag()
            taken_in = list(run.sent)
            until(lambda: stage.has_alerted(taken_in), 20, stage.worker.told)
            assert stage.worker.status("/health/ready") == 200
        assert not stage.pauses()
        stage.recovers()


def test_however_much_waits_memory_is_bounded_and_it_all_is_stored_in_the_end(
    stage: Stage,
) -> None:
    run, worker, one = stage.run, stage.worker, Hospital(patients=1, seed=5)
    run.drained()
    at_rest = resident(worker)
    with stage.failing(Fault.DOWN):
        run.send(one.take(WAITING))
        until(lambda: worker.status("/health/ready") == 503, TOLD_WITHIN, worker.told)
        with_some = resident(worker)
        run.send(one.take(WAITING // 2))
        with_more = resident(worker)
        assert run.lag() > WAITING
        assert worker.status("/health/live") == 200
    stage.recovers()
    assert with_some - at_rest < GROWTH
    assert with_more - with_some < FURTHER_GROWTH


def test_a_document_that_the_index_will_never_take_is_a_dead_letter_and_the_others_proceed(
    stage: Stage,
) -> None:
    """The last of its stage: the oracle does not know of such a document."""
    run, proxy = stage.run, stage.proxy
    # Fields of a month that somebody has mapped otherwise.
    body = json.dumps({"mappings": {"properties": {"device": {"type": "integer"}}}}).encode()
    index = f"{proxy.url}/{run.settings['BPSTREAM_INDEX']}-2019.03"
    headers = {"Content-Type": "application/json"}
    urlopen(Request(index, body, headers, method="PUT")).close()

    run.drained()
    run.send([_of_march_2019(f"o{n}", _CUFF if n % 5 == 2 else None) for n in range(20)])
    run.drained()
    should = run.expected()
    for message in run.sent[-20:]:
        if _CUFF.encode() in message.value:
            (document,) = (
                each
                for each in should.indexed
                if (each.partition, each.offset) == (message.partition, message.offset)
            )
            del should.indexed[document]
            place = (message.partition, message.offset, 0)
            should.letters[Letter(*place, "refused_by_index", message.value)] += 1
    run.check(stage.worker, should=should)
    assert stage.worker.status("/health/ready") == 200


_CUFF = "Device/cuff-7"


def _of_march_2019(name: str, device: str | None) -> Message:
    pressures = (("Systolic Blood Pressure", 170), ("Diastolic Blood Pressure", 100))
    observation = {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "subject": {"reference": "Patient/PAT-001"},
        "effectiveDateTime": "2019-03-04T05:06:07+00:00",
        "component": [
            {"code": {"text": text}, "valueQuantity": {"value": value, "unit": "mmHg"}}
            for text, value in pressures
        ],
        "performer": [{"reference": "Practitioner/PRAC-01"}],
        "device": device and {"reference": device},
    }
    return Message("PAT-001", json.dumps(observation).encode())
