"""A worker in memory, and the real web server in front of it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp
from prometheus_client import Counter
from yarl import URL

from bpstream.errors import Conflict, NotFound
from bpstream.stream.metrics import Metrics
from bpstream.web.server import Web


@dataclass
class FakeSettings:
    app_id: str = "bpstream"
    web_host: str = "127.0.0.1"
    web_port: int = 0
    web_token: str = ""


class FakeDesk:
    """Acknowledges what `fires`, once, and keeps what else it is sent."""

    def __init__(self, *fires):
        self.fires = dict.fromkeys(fires)
        self.sent = []

    async def acknowledge(self, alert_id, body):
        if alert_id not in self.fires:
            raise NotFound("no alert with this id fires: it is over, or there was none")
        by = json.loads(body)["by"]
        if (earlier := self.fires[alert_id]) is not None:
            raise Conflict(f"{earlier} acknowledged the alert", alert=an_alert(alert_id))
        self.fires[alert_id] = by
        return an_alert(alert_id) | {"acknowledged": {"by": by}}

    async def silence(self, body):
        self.sent.append(json.loads(body))
        return self.silences()

    def silences(self):
        return {"silences": self.sent}

    async def set_limits(self, patient_id, body):
        self.sent.append((patient_id, json.loads(body)))
        return {"patient_id": patient_id, "limits": {}}

    async def history(self, *, since, limit):
        return {"alerts": [], "complete": True, "asked": [since, limit]}


class FakePatients:
    """Patients by id; `search` finds a part of an id, `ranks` tell who needs attention first."""

    def __init__(self, *ids):
        self.by_id = {each: a_patient(each) for each in ids}
        self.ranks = {}
        self.raised = []
        self.asked = 0

    def get(self, patient_id):
        return self.by_id.get(patient_id)

    def limits(self, patient_id):
        return {"patient_id": patient_id, "limits": {}, "suggested": {}, "usual": {}}

    def alerts(self):
        return self.raised

    def window(self, *, search, sort, offset, limit):
        ranks = {each: self.ranks.get(each, 0) if sort == "attention" else 0 for each in self.by_id}
        found = sorted((rank, each) for each, rank in ranks.items() if search in each)
        shown = found[offset : offset + limit]
        return len(found), [each for _, each in shown], [rank for rank, _ in shown]

    def whole(self):
        self.asked += 1
        counts = dict.fromkeys(("critical", "high", "medium", "low", "none", "stale"), 0)
        for each in self.by_id.values():
            counts[each["last"]["severity"]] += 1
        ids = sorted(self.by_id)
        heat = "".join(str(self.ranks.get(each, 3)) for each in ids)
        waiting = sum(not each.get("acknowledged") for each in self.raised)
        alerts = {"total": len(self.raised), "unacknowledged": waiting, "shown": self.raised[:60]}
        return {"counts": counts, "alerts": alerts, "ids": ids, "heat": heat}

    def encoded(self, patient_ids):
        found = {each: self.get(each) for each in patient_ids}
        return {each: json.dumps(told).encode() for each, told in found.items() if told}


@dataclass
class FakeHealth:
    is_dead: list[str] = field(default_factory=list)
    not_ready: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    parts: dict = field(default_factory=dict)

    def dead(self):
        return self.is_dead

    def reasons(self):
        return self.not_ready

    def warnings(self):
        return self.warned

    def status(self):
        whole = {"partitions": [0, 1], "lag": 3, "readings": 10, "anomalies": 4}
        whole |= {"dead_letters": 1, "index": "ok", "archive": "ok"}
        whole |= {"webhook": "ok", "alertmanager": "ok"}
        return whole | {"since": "2026-01-29T21:00:00Z"} | self.parts


class FakeWorker:
    """What bpstream's Faust app offers the web server."""

    # Faust's driver asks for these two.
    conf = SimpleNamespace(web_application_options=None, web_cors_options=None)

    def __init__(self, *patient_ids, token=""):
        self.settings = FakeSettings(web_token=token)
        self.patients = FakePatients(*patient_ids)
        self.desk = FakeDesk()
        self.health = FakeHealth()
        self.metrics = Metrics()
        Counter("bpstream_readings", "Readings.", registry=self.metrics.registry).inc(7)
        self.own_url = URL("http://127.0.0.1:6066/")
        self.owners = {}
        self.others = []

    def owner(self, patient_id):
        return self.owners.get(patient_id, self.own_url)

    def workers(self):
        return [self.own_url, *self.others]


def an_alert(alert_id, *, state="firing", severity="high", since="2026-01-29T21:00:00.000000Z"):
    return {
        "alert_id": alert_id,
        "patient_id": "PAT-001",
        "rule": "critical",
        "title": "Critical",
        "kind": "physiological",
        "state": state,
        "severity": severity,
        "since": since,
    }


def a_patient(patient_id, *, readings=2, at=1769722371619):
    return {
        "patient_id": patient_id,
        "readings": readings,
        "anomalies": 1,
        "by_type": {"hypertension": 1, "hypotension": 0, "normal": readings - 1},
        "by_tag": {
            "hypertension_systolic": 1,
            "hypotension_systolic": 0,
            "hypertension_diastolic": 0,
            "hypotension_diastolic": 0,
        },
        "last": {
            "timestamp": "2026-01-29T21:32:51.619000Z",
            "systolic_pressure": 176.0,
            "diastolic_pressure": 84.0,
            "mean_arterial_pressure": 114.67,
            "anomaly_type": "hypertension",
            "anomaly_details": ["hypertension_systolic"],
            "category": "stage_2",
            "severity": "high",
            "ml_risk_score": 0.93,
            "flags": [],
            "kafka": {"topic": "blood_pressure_fhir", "partition": 0, "offset": 12},
        },
        "recent": [[at - 5000, 118.0, None, 0], [at, 176.0, 84.0, 1]],
    }


@asynccontextmanager
async def serving(worker: FakeWorker) -> AsyncIterator[URL]:
    """The real server on a free port of the loopback, stopped and closed at the end."""
    async with aiohttp.ClientSession() as worker.http_client:
        web = Web(worker)
        await web.start()
        try:
            worker.own_url = URL(f"http://127.0.0.1:{web.port}/")
            yield worker.own_url
        finally:
            await web.stop()
