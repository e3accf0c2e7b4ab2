"""What people ask of a worker: who is first, what is refused, and what is said of it."""

import asyncio
import json
from typing import Any

import pytest

from bpstream.acknowledgements import SaidBook
from bpstream.alert import Alert
from bpstream.checkpoint import Paused
from bpstream.clinical import alarm_rules
from bpstream.clinical.alerts import State
from bpstream.clinical.categories import Severity
from bpstream.errors import Conflict, NotFound
from bpstream.limits import LimitBook
from bpstream.settings import Settings
from bpstream.stream.alerts import Alerts
from bpstream.stream.desk import Desk
from bpstream.stream.metrics import Metrics
from bpstream.stream.reminders import Reminders
from bpstream.stream.tables import PatientTable
from bpstream.stream.view import PatientView
from tests.pipeline.messages import Taken, a_model
from tests.pipeline.test_corrections import after
from tests.stream.helpers import TakesAll, always, faust_app, nothing_to_read
from tests.stream.test_view import SECOND, TAKEN_AT, a_patient

RULES = alarm_rules.load()
SETTINGS = Settings()
ALERT = f"{0xFF:016x}"
MINUTE = 60 * SECOND


class Kept:
    """Reads what it writes at once, after others had their turn."""

    def __init__(self, **books: Any) -> None:
        self.books = books
        self.written: list[tuple[str, bytes, bytes | None]] = []

    async def write(self, topic: str, key: bytes, value: bytes | None) -> None:
        await asyncio.sleep(0)
        self.written.append((topic, key, value))
        self.books[topic].apply(key, value)

    async def forget(self, alert_ids: Any) -> None:
        for alert_id in alert_ids:
            await self.write(SETTINGS.acknowledgements_topic, alert_id.encode(), None)


class Ward:
    """A worker's patients, its desk, and what it published."""

    def __init__(self) -> None:
        self.kafka, publisher = TakesAll(), TakesAll()
        self.table = PatientTable(
            faust_app(),
            changelog="tests-changelog",
            publisher=publisher,  # type: ignore[arg-type]
            read=nothing_to_read,
            is_member=always,
        )
        self.limits, self.said = LimitBook(), SaidBook()
        self.kept: Any = Kept(
            **{SETTINGS.limits_topic: self.limits, SETTINGS.acknowledgements_topic: self.said}
        )
        self.view = PatientView(self.table, RULES, a_model(), limits=self.limits, said=self.said)
        kafka: Any = self.kafka
        self.alerts = Alerts(
            kafka,
            topic="alerts",
            partitions=1,
            metrics=Metrics(),
            said=self.said,
            forget=self.kept.forget,
        )
        self.desk = Desk(
            SETTINGS,
            patients=self.view,
            alerts=self.alerts,
            followed=self.kept,
            limits=self.limits,
            said=self.said,
            defaults=self.view.default_limits,
            rules=[rule.name for rule in RULES],
            history=nothing_happened,
        )

    def fires(self, severity: Severity, state: State = State.FIRING, *, taken_over: bool = True):
        """A patient whose alert of the first rule is so."""
        row = a_patient(self.table)
        self.table.store.partition(0).taken_over = taken_over
        slot = row["alarms"][0]
        slot["alert"], slot["mark"], slot["state"] = 0xFF, RULES[0].mark, state
        slot["since"], slot["severity"] = TAKEN_AT // SECOND, severity
        return slot

    def published(self) -> list[dict[str, Any]]:
        return [json.loads(value or b"") for _, _, value in self.kafka.records("alerts")]


async def nothing_happened(*, since: int, limit: int) -> dict[str, Any]:
    return {"alerts": [], "complete": True, "since": since, "limit": limit}


@pytest.fixture
async def ward() -> Ward:
    return Ward()


def body(**said: Any) -> bytes:
    return json.dumps({"by": "Ann"} | said).encode()


async def test_who_acknowledges_is_told_on_the_alert_and_on_its_topic(ward):
    ward.fires(Severity.HIGH)
    shown = await ward.desk.acknowledge(ALERT, body(comment="on my way"))
    assert (shown["state"], shown["acknowledged"]["by"]) == ("firing", "Ann")
    (event,) = ward.published()
    assert (event["state"], event["alert_id"], event["severity"]) == ("acknowledged", ALERT, "high")
    assert (event["by"], event["comment"]) == ("Ann", "on my way")
    assert event["at"] == shown["acknowledged"]["at"]
    assert event["taken_at"] == "2026-01-29T21:32:51.619300Z"
    assert ward.view.alerts() == [shown]


async def test_of_two_at_once_the_first_wins_and_the_second_is_told_by_whom(ward):
    ward.fires(Severity.HIGH)
    first, second = await asyncio.gather(
        ward.desk.acknowledge(ALERT, body(by="Ann")),
        ward.desk.acknowledge(ALERT, body(by="Bob")),
        return_exceptions=True,
    )
    assert first["acknowledged"]["by"] == "Ann"
    assert isinstance(second, Conflict)
    assert str(second).startswith("Ann acknowledged the alert at ")
    assert second.told["alert"]["acknowledged"]["by"] == "Ann"
    assert len(ward.published()) == 1


async def test_what_becomes_more_severe_wants_to_be_acknowledged_again(ward):
    slot = ward.fires(Severity.HIGH)
    await ward.desk.acknowledge(ALERT, body())
    slot["severity"] = Severity.CRITICAL
    assert ward.view.alert(ALERT)["acknowledged"] is None
    shown = await ward.desk.acknowledge(ALERT, body(by="Bob"))
    assert shown["acknowledged"]["by"] == "Bob"
    keys = [Alert(**each).key for each in ward.published()]
    assert keys == [f"{ALERT}:acknowledged:high", f"{ALERT}:acknowledged:critical"]


async def test_what_is_over_or_never_was_is_not_found(ward):
    ward.fires(Severity.HIGH, State.NORMAL)
    for alert_id in (ALERT, "0123456789abcdef"):
        with pytest.raises(NotFound, match="it is over, or there was none"):
            await ward.desk.acknowledge(alert_id, body())
    assert ward.published() == ward.kept.written == []


async def test_what_is_pending_cannot_be_acknowledged_yet(ward):
    ward.fires(Severity.HIGH, State.PENDING)
    with pytest.raises(Conflict, match="pending"):
        await ward.desk.acknowledge(ALERT, body())


async def test_an_acknowledgement_ends_with_its_alert(ward):
    slot = ward.fires(Severity.HIGH)
    await ward.desk.acknowledge(ALERT, body())
    event = ward.published()[0] | {"by": None, "comment": None, "at": None}
    slot["state"] = State.NORMAL
    await ward.alerts.publish([Alert(**event | {"state": "recovered"})])
    assert not ward.said.was_acknowledged(ALERT)
    assert ward.kept.written[-1] == (SETTINGS.acknowledgements_topic, ALERT.encode(), None)


async def test_a_paused_intake_is_acknowledged_as_any_alert_is(ward):
    ward.table.store.partition(2).paused = Paused(ALERT, TAKEN_AT)
    shown = await ward.desk.acknowledge(ALERT, body())
    assert (shown["patient_id"], shown["acknowledged"]["by"]) == (None, "Ann")
    (event,) = ward.published()
    assert (event["rule"], event["state"]) == ("intake_paused", "acknowledged")


async def test_an_unacknowledged_alert_comes_first_then_the_most_severe(ward):
    slot = ward.fires(Severity.CRITICAL)
    other = ward.table.store.partition(0).patients.rows["alarms"][0, 1]
    other["alert"], other["mark"], other["state"] = 0xAA, RULES[1].mark, State.FIRING
    other["since"], other["severity"] = slot["since"], Severity.LOW
    assert [alert["alert_id"] for alert in ward.view.alerts()] == [ALERT, f"{0xAA:016x}"]
    await ward.desk.acknowledge(ALERT, body())
    assert [alert["alert_id"] for alert in ward.view.alerts()] == [f"{0xAA:016x}", ALERT]


# Silences.


async def test_a_silenced_alert_is_published_and_shown_marked_and_its_recovery_is_not(ward):
    ward.fires(Severity.HIGH)
    await ward.desk.silence(body(patient_id="p1", minutes=5, comment="washing"))
    assert ward.view.alert(ALERT)["silenced"]["by"] == "Ann"
    await ward.desk.acknowledge(ALERT, body())
    event = ward.published()[0] | {"by": None, "comment": None, "at": None}
    for state in ("firing", "changed", "recovered"):
        await ward.alerts.publish([Alert(**event | {"state": state})])
    marks = {each["state"]: each["silenced"] for each in ward.published()}
    assert marks == {"acknowledged": False, "firing": True, "changed": True, "recovered": False}


async def test_a_silence_is_listed_until_it_is_ended(ward):
    found = await ward.desk.silence(body(rule="hypotension", minutes=5))
    assert found == ward.desk.silences()
    ((said),) = found["silences"]
    assert (said["rule"], said["patient_id"], said["by"]) == ("hypotension", None, "Ann")
    assert await ward.desk.silence(body(rule="hypotension", minutes=0)) == {"silences": []}


async def test_a_silence_of_an_unknown_rule_is_refused(ward):
    with pytest.raises(ValueError, match="did you mean hypotension"):
        await ward.desk.silence(body(rule="hypotenson", minutes=5))


# Limits.


async def test_limits_are_set_all_or_none(ward):
    change = {"reason": "r", "bounds": {"systolic_high": 150, "systolic_low": 70}}
    with pytest.raises(ValueError, match="the floor is 80"):
        await ward.desk.set_limits("p1", body(**change))
    assert len(ward.limits) == 0
    change["bounds"]["systolic_low"] = 85
    shown = await ward.desk.set_limits("p1", body(**change))
    assert shown["limits"]["bounds"]["systolic_high"]["value"] == 150
    a_patient(ward.table)
    assert ward.view.get("p1")["limits"] == shown["limits"]


async def test_of_two_who_set_limits_at_once_neither_undoes_the_other(ward):
    await asyncio.gather(
        *(
            ward.desk.set_limits("p1", body(reason="r", bounds={name: value}))
            for name, value in (("systolic_high", 150), ("systolic_low", 85))
        )
    )
    bounds = ward.view.limits("p1")["limits"]["bounds"]
    assert (bounds["systolic_high"]["value"], bounds["systolic_low"]["value"]) == (150, 85)


async def test_limits_are_suggested_around_what_is_usual_for_the_patient(ward):
    assert ward.view.limits("p1")["suggested"] == {}
    owner, _ = after(
        *(Taken(f"o{n}", minute=n, systolic=150 + 10 * (n % 2), diastolic=80) for n in range(8))
    )
    ward.table.store.partition(0).patients.load(owner.rows)
    found = ward.view.limits("p1")
    assert found["usual"]["systolic"] == {"mean": pytest.approx(155, 0.1), "sd": 5.0}
    assert found["suggested"] == {
        "systolic_low": 110.0,
        "systolic_high": 180.0,
        "diastolic_high": 95.0,
    }


# Reminders.


def reminded(reminders: Reminders, minute: float) -> list[int]:
    return [each.repeat for each in reminders.due(TAKEN_AT + round(minute * MINUTE))]


@pytest.fixture
def reminders(ward) -> Reminders:
    return Reminders(ward.view, ward.alerts, every=600)


async def test_a_critical_alert_is_said_again_every_ten_minutes(ward, reminders):
    ward.fires(Severity.CRITICAL)
    minutes = [0, 9.9, 10, 10.1, 19.9, 20, 45]
    assert [reminded(reminders, minute) for minute in minutes] == [[], [], [1], [], [], [2], [4]]


async def test_a_reminder_is_the_same_event_whoever_says_it(ward, reminders):
    ward.fires(Severity.CRITICAL)
    (said,) = reminders.due(TAKEN_AT + 25 * MINUTE)
    restarted = Reminders(ward.view, ward.alerts, every=600)
    (again,) = restarted.due(TAKEN_AT + 29 * MINUTE)
    assert said.key == again.key == f"{ALERT}:firing:critical:2"
    assert (said.state, said.patient_id, said.repeat) == ("firing", "p1", 2)
    assert said.message.endswith("nobody acknowledged it, 25 min after it began")


async def test_nobody_is_reminded_of_what_was_acknowledged_is_silenced_or_less_severe(
    ward, reminders
):
    slot = ward.fires(Severity.HIGH)
    assert reminded(reminders, 10) == []
    slot["severity"] = Severity.CRITICAL
    await ward.desk.silence(body(patient_id="p1", minutes=60))
    assert reminded(reminders, 20) == []
    await ward.desk.silence(body(patient_id="p1", minutes=0))
    assert reminded(reminders, 30) == [3]
    await ward.desk.acknowledge(ALERT, body())
    assert reminded(reminders, 40) == []


async def test_a_worker_reminds_of_its_own_patients_only_and_of_none_where_that_is_off(ward):
    ward.fires(Severity.CRITICAL, taken_over=False)
    assert reminded(Reminders(ward.view, ward.alerts, every=600), 30) == []
    ward.table.store.partition(0).taken_over = True
    assert reminded(Reminders(ward.view, ward.alerts, every=0), 30) == []
    ward.table.store.partition(0).lost = True
    assert reminded(Reminders(ward.view, ward.alerts, every=600), 30) == []
