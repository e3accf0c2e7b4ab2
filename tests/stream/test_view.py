"""Patients as the web shows them."""

from typing import Any

import numpy as np
import pytest

from bpstream.checkpoint import Paused
from bpstream.clinical.alarm_rules import Kind, Rule
from bpstream.clinical.alerts import State
from bpstream.clinical.categories import Severity
from bpstream.clinical.conditions import parse
from bpstream.clinical.rules import Tag
from bpstream.patients import AGGREGATE, COUNTERS, LONG_AGO
from bpstream.reading import Flag
from bpstream.stream.tables import PatientTable
from bpstream.stream.view import PatientView
from tests.pipeline.messages import Taken, a_model
from tests.pipeline.test_corrections import after
from tests.stream.helpers import TakesAll, always, counted, faust_app, nothing_to_read

RULES = (
    Rule(name="high", title="High", severity=Severity.MEDIUM, when=parse("systolic > 140")),
    Rule(
        name="artefact",
        title="Artefact",
        kind=Kind.TECHNICAL,
        severity=Severity.LOW,
        when=parse("artefact >= 1"),
    ),
)
TAKEN_AT = 1_769_722_371_619_300
SECOND = 1_000_000


@pytest.fixture
async def table() -> PatientTable:
    publisher: Any = TakesAll()
    return PatientTable(
        faust_app(),
        changelog="tests-changelog",
        publisher=publisher,
        read=nothing_to_read,
        is_member=always,
    )


@pytest.fixture
async def view(table: PatientTable) -> PatientView:
    return PatientView(table, RULES, a_model())


def a_patient(table: PatientTable, patient_id: str = "p1", partition: int = 0) -> np.void:
    """The row of a patient with one count of every kind."""
    owned = table.store.partition(partition)
    counted(owned, patient_id, readings=7)
    row = owned.patients.row(patient_id)
    assert row is not None
    row["counters"] = [7, 5, 3, 2, 3, 1, 2, 1]
    row["partition"], row["offset"], row["risk"] = 2, 41, 0.97119
    row["last"] = a_reading()
    row["recent"][0] = a_reading()
    return row


def a_reading(taken_at: int = TAKEN_AT, systolic: float = 176.5, **changes: Any) -> Any:
    columns = {
        "identity": 1,
        "version": 0,
        "taken_at": taken_at,
        "systolic": systolic,
        "diastolic": 88.0,
        "mean": 117.5,
        "flags": Flag.LATE,
        "tags": Tag.HYPERTENSION_SYSTOLIC,
        "severity": 3,
    }
    return tuple((columns | changes).values())


async def test_a_patients_counters_are_shown_in_full(table, view):
    a_patient(table)
    assert len(COUNTERS) == 8
    shown = view.get("p1")
    assert (shown["patient_id"], shown["readings"], shown["anomalies"]) == ("p1", 7, 5)
    assert shown["by_type"] == {"hypertension": 3, "hypotension": 2, "normal": 2}
    assert shown["by_tag"] == {
        "hypertension_systolic": 3,
        "hypotension_systolic": 1,
        "hypertension_diastolic": 2,
        "hypotension_diastolic": 1,
    }


async def test_the_last_reading_is_shown_with_what_was_found_out_about_it(table, view):
    a_patient(table)
    last = view.get("p1")["last"]
    assert last.pop("category") == "stage_2"
    assert isinstance(last.pop("severity"), str)
    assert last == {
        "timestamp": "2026-01-29T21:32:51.619300Z",
        "systolic_pressure": 176.5,
        "diastolic_pressure": 88.0,
        "mean_arterial_pressure": 117.5,
        "anomaly_type": "hypertension",
        "anomaly_details": ["hypertension_systolic"],
        "early_warning": None,
        "early_warning_reasons": [],
        "ml_risk_score": 0.9712,
        "flags": ["late"],
        "kafka": {"partition": 2, "offset": 41},
    }


async def test_a_warning_is_shown_with_its_reasons_which_no_row_keeps(table, view):
    owner, _ = after(Taken("o1", systolic=95, diastolic=60), Taken("o2", "p2"))
    patients = table.store.partition(0).patients
    patients.load(owner.rows)
    high, usual = (view.get(patient_id)["last"] for patient_id in ("p1", "p2"))
    assert high["early_warning"] == {"hypotension": 0.5, "low_map": 0.5, "severe": 0.5}
    assert high["early_warning_reasons"] == [
        {
            "target": "hypotension",
            "feature": "systolic_usual",
            "value": 95.0,
            "contribution": 2.0,
        }
    ]
    assert usual["early_warning"]["severe"] == pytest.approx(0.1192)
    assert usual["early_warning_reasons"] == []
    # A reading that came since and tells nothing of the usual leaves no warning.
    after(Taken("o3", minute=1, systolic=100, diastolic=None), owner=owner)
    patients.load(owner.rows)
    assert view.get("p1")["last"]["early_warning"] is None


async def test_what_was_not_measured_is_null(table, view):
    row = a_patient(table)
    row["last"] = a_reading(systolic=np.nan, mean=np.nan, tags=0)
    row["risk"] = np.nan
    last = view.get("p1")["last"]
    names = ("systolic_pressure", "mean_arterial_pressure", "ml_risk_score")
    assert [last[name] for name in names] == [None, None, None]


async def test_a_patient_with_aggregates_only_has_no_last_reading(table, view):
    row = a_patient(table)
    row["last"]["taken_at"] = LONG_AGO
    row["recent"][0] = a_reading(tags=AGGREGATE)
    shown = view.get("p1")
    assert (shown["last"], shown["recent"]) == (None, [])


async def test_recent_readings_come_oldest_first_whatever_their_order_of_arrival(table, view):
    row = a_patient(table)
    row["recent"][1] = a_reading(TAKEN_AT - 2 * SECOND, 120.0, tags=0)
    row["recent"][2] = a_reading(TAKEN_AT - SECOND, np.nan)
    at = TAKEN_AT // 1000
    assert view.get("p1")["recent"] == [
        (at - 2000, 120.0, 88.0, 0),
        (at - 1000, None, 88.0, 1),
        (at, 176.5, 88.0, 1),
    ]


async def test_a_patient_never_seen_is_none_and_makes_no_row(view):
    assert view.get("nobody") is None
    assert len(view) == 0


@pytest.mark.parametrize(
    ("search", "offset", "limit", "total", "ids"),
    [
        ("", 0, 10, 4, ["PAT-001", "PAT-002", "PAT-010", "zoe"]),
        ("", 1, 2, 4, ["PAT-002", "PAT-010"]),
        ("", 9, 2, 4, []),
        ("pat-00", 0, 10, 2, ["PAT-001", "PAT-002"]),
        ("ZOE", 0, 10, 1, ["zoe"]),
        ("nobody", 0, 10, 0, []),
    ],
)
async def test_a_page_is_cut_from_the_sorted_ids_that_a_search_finds(
    table, view, search, offset, limit, total, ids
):
    for number, patient in enumerate(["PAT-010", "zoe", "PAT-001", "PAT-002"]):
        a_patient(table, patient, partition=number % 2)
    found = view.window(search=search, sort="id", offset=offset, limit=limit)
    assert found == (total, ids, [0] * len(ids))


def every_id(view: PatientView) -> list[str]:
    return view.window(search="", sort="id", offset=0, limit=9).ids


async def test_a_new_patient_is_on_the_next_page_and_one_that_moved_away_is_not(table, view):
    a_patient(table, "p1", partition=0)
    assert len(every_id(view)) == 1
    a_patient(table, "p0", partition=1)
    assert every_id(view) == ["p0", "p1"]
    del table.store.partitions[0]
    assert every_id(view) == ["p0"]


async def test_as_many_patients_as_moved_away_may_come_at_once(table, view):
    a_patient(table, "old", partition=0)
    assert len(every_id(view)) == 1
    del table.store.partitions[0]
    a_patient(table, "new", partition=1)
    assert every_id(view) == ["new"]


def an_alert(
    row: np.void, rule: Rule, state: State, *, since: int = 0, severity: Severity = Severity.HIGH
) -> None:
    """Put an alert of the rule into a patient's row, `since` seconds after TAKEN_AT."""
    slot = row["alarms"][RULES.index(rule)]
    slot["alert"], slot["mark"], slot["state"] = 0xFF + since, rule.mark, state
    slot["since"], slot["severity"] = TAKEN_AT // SECOND + since, severity


HIGH, ARTEFACT = RULES


async def test_a_patient_is_shown_with_the_alerts_that_are_pending_or_firing(table, view):
    row = a_patient(table)
    assert view.get("p1")["alerts"] == []
    an_alert(row, HIGH, State.FIRING)
    an_alert(row, ARTEFACT, State.PENDING, severity=Severity.LOW)
    firing, pending = view.get("p1")["alerts"]
    assert firing == {
        "alert_id": "00000000000000ff",
        "patient_id": "p1",
        "rule": "high",
        "title": "High",
        "kind": "physiological",
        "state": "firing",
        "severity": "high",
        "since": "2026-01-29T21:32:51.000000Z",
        "last_at": "2026-01-29T21:32:51.619300Z",
        "acknowledged": None,
        "silenced": None,
    }
    assert (pending["rule"], pending["kind"], pending["state"], pending["severity"]) == (
        "artefact",
        "technical",
        "pending",
        "low",
    )


async def test_an_alert_of_a_rule_that_is_no_longer_there_is_not_shown(table, view):
    row = a_patient(table)
    an_alert(row, HIGH, State.FIRING)
    row["alarms"][0]["mark"] += 1
    assert view.get("p1")["alerts"] == view.alerts() == []


async def test_all_alerts_come_firing_first_then_the_most_severe_then_the_oldest(table, view):
    for number, (rule, state, since, severity) in enumerate(
        [
            (HIGH, State.PENDING, 0, Severity.CRITICAL),
            (HIGH, State.FIRING, 9, Severity.HIGH),
            (ARTEFACT, State.FIRING, 0, Severity.LOW),
            (HIGH, State.FIRING, 5, Severity.HIGH),
            (HIGH, State.FIRING, 20, Severity.CRITICAL),
            (HIGH, State.NORMAL, 0, Severity.CRITICAL),
        ]
    ):
        row = a_patient(table, f"p{number}", partition=number % 2)
        an_alert(row, rule, state, since=since, severity=severity)
    assert [alert["patient_id"] for alert in view.alerts()] == ["p4", "p3", "p1", "p2", "p0"]


async def test_a_partition_whose_intake_is_paused_is_an_alert_of_no_patient(table, view):
    assert view.alerts() == []
    table.store.partition(2).paused = Paused("00000000000000ab", TAKEN_AT)
    (alert,) = view.alerts()
    assert (alert["alert_id"], alert["patient_id"]) == ("00000000000000ab", None)
    assert (alert["rule"], alert["kind"], alert["state"], alert["severity"]) == (
        "intake_paused",
        "technical",
        "firing",
        "high",
    )
    assert alert["since"] == "2026-01-29T21:32:51.619300Z"
