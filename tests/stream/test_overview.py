"""The overview of all patients, against what is told of each patient alone."""

from typing import Any
from zlib import crc32

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpstream.acknowledgements import Acknowledgement, SaidBook
from bpstream.checkpoint import Paused
from bpstream.clinical.alarm_rules import Rule
from bpstream.clinical.alerts import State
from bpstream.clinical.categories import SEVERITY_NAMES, Severity
from bpstream.clinical.conditions import parse
from bpstream.document import iso
from bpstream.limits import Bound, PatientLimits
from bpstream.patients import stamp_of
from bpstream.stream import encoded, overview, view
from bpstream.stream.overview import STALE_AFTER, Overview
from bpstream.stream.tables import PatientTable
from bpstream.stream.view import PatientView
from tests.pipeline.messages import Taken, a_model, a_pipeline
from tests.pipeline.owner import Owner
from tests.pipeline.test_corrections import after
from tests.stream.helpers import TakesAll, always, faust_app, nothing_to_read

SECOND = 1_000_000
NOW = 1_769_722_371 * SECOND
RULES = tuple(
    Rule(name=name, title=name, severity=Severity.MEDIUM, when=parse(f"systolic > {bound}"))
    for name, bound in (("high", 140), ("higher", 160))
)
IDS = ("PAT-1", "PAT-2", "pat-10", "zoe", "é", "<b>")


class Ward:
    """A table, what is said of its patients, and a clock that stands still."""

    def __init__(self) -> None:
        publisher: Any = TakesAll()
        self.table = PatientTable(
            faust_app(),
            changelog="tests-changelog",
            publisher=publisher,
            read=nothing_to_read,
            is_member=always,
        )
        self.said = SaidBook()
        self.view = PatientView(self.table, RULES, a_model(), said=self.said)
        self.overview = Overview(self.table, RULES, self.said)
        self._stamp = 0

    def row(self, patient_id: str) -> np.void:
        """The row of a patient, to be changed: it has another stamp."""
        patients = self.table.store.partition(len(patient_id) % 3).patients
        (position,) = patients.positions([patient_id])
        row: np.void = patients.rows[position]
        self._stamp += 1
        row["stamp"] = self._stamp
        return row

    def measured(
        self, patient_id: str, *, severity: int = 0, age: int = 0, warning: float = np.nan
    ) -> None:
        """The patient's last reading."""
        row = self.row(patient_id)
        row["last"] = (1, 0, NOW - age * SECOND, 120.0, 80.0, 93.0, 0, 0, severity)
        row["warning"] = warning

    def alarmed(
        self, patient_id: str, rule: int, state: State, severity: int, since: int = 0
    ) -> str:
        """An alert of the patient's; returns its id."""
        row = self.row(patient_id)
        slot = row["alarms"][rule]
        slot["alert"] = crc32(patient_id.encode()) + rule
        slot["mark"], slot["state"] = RULES[rule].mark, state
        slot["severity"], slot["since"] = severity, NOW // SECOND - since
        return f"{int(slot['alert']):016x}"

    def acknowledge(self, alert_id: str, severity: int) -> None:
        said = Acknowledgement(alert_id, None, "", SEVERITY_NAMES[severity], "Ann", "", iso(NOW))
        self.said.apply(said.key, said.encode())

    def order(self, search: str = "", offset: int = 0, limit: int = 99) -> list[str]:
        return self.overview.window(
            search=search, sort="attention", offset=offset, limit=limit, now=NOW
        ).ids

    def attention(self, patient_id: str) -> Any:
        """By what is told of the patient alone: the first to be looked at is the least."""
        told = self.view.get(patient_id)
        assert told is not None
        firing = [
            (-SEVERITY_NAMES.index(each["severity"]), each["acknowledged"] is not None)
            for each in told["alerts"]
            if each["state"] == "firing"
        ]
        row = self.table.find(patient_id)
        assert row is not None
        last = row[0].rows[row[1]]["last"]
        warning = told["last"] and told["last"]["early_warning"]
        return (
            min(firing, default=(1, False)),
            -int(last["severity"]),
            bool(last["taken_at"] < NOW - STALE_AFTER * SECOND),
            -round(100 * max(warning.values())) if warning else 1,
            patient_id,
        )


@pytest.fixture
async def ward() -> Ward:
    return Ward()


severities = st.integers(1, 4)
alarms = st.tuples(
    st.sampled_from(IDS),
    st.integers(0, 1),
    st.sampled_from(State),
    severities,
    st.integers(0, 2),
    st.none() | severities,
)
readings = st.tuples(
    st.sampled_from(IDS),
    st.integers(0, 4),
    st.sampled_from([0, STALE_AFTER, STALE_AFTER + 1]),
    st.sampled_from([np.nan, 0.0, 0.25, 0.5, 1.0]),
)


@given(events=st.lists(alarms | readings, max_size=20), often=st.integers(1, 5))
@settings(max_examples=80, deadline=None)
async def test_it_says_of_all_what_is_told_of_each(events, often):
    ward = Ward()
    for second, event in enumerate(events, 1):
        if len(event) == 4:
            who, severity, age, warning = event
            ward.measured(who, severity=severity, age=age, warning=warning)
        else:
            who, rule, state, severity, since, acknowledged = event
            alert = ward.alarmed(who, rule, state, severity, since)
            if acknowledged is not None:
                ward.acknowledge(alert, acknowledged)
        if second % often and second < len(events):
            continue
        known = sorted(ward.view.window(search="", sort="id", offset=0, limit=99).ids)
        ward.overview.refresh(NOW - SECOND)
        ward.overview.refresh(NOW)
        assert ward.order() == sorted(known, key=ward.attention)
        assert ward.order("PAT") == [each for each in ward.order() if "pat" in each.lower()]
        alerts = ward.view.alerts()
        waiting = [a for a in alerts if a["state"] == "firing" and a["acknowledged"] is None]
        assert ward.overview.alerts() == (len(alerts), len(waiting))
        for most in (1, 3, 60):
            first = [ward.view.alert_at(each) for each in ward.overview.first_alerts(most)]
            assert first == alerts[:most]
        stale = [ward.attention(each)[2] for each in known]
        kinds = [
            "s" if old else str(severity_of(ward, who))
            for who, old in zip(known, stale, strict=True)
        ]
        assert ward.overview.heat() == (known, "".join(kinds))
        counts = ward.overview.counts()
        assert list(counts) == ["critical", "high", "medium", "low", "none", "stale"]
        assert counts["stale"] == kinds.count("s")
        for level, name in enumerate(SEVERITY_NAMES):
            assert counts[name] == kinds.count(str(level))


def severity_of(ward: Ward, patient_id: str) -> int:
    found = ward.table.find(patient_id)
    assert found is not None
    return int(found[0].rows[found[1]]["last"]["severity"])


async def test_it_is_refreshed_about_once_a_second_and_at_once_where_patients_come_or_go(ward):
    ward.measured("p1", severity=4)
    assert ward.order() == ["p1"]
    ward.measured("p1", severity=0)
    ward.overview.refresh(NOW + SECOND // 2)
    assert ward.overview.counts()["critical"] == 1
    ward.overview.refresh(NOW + SECOND)
    assert ward.overview.counts()["critical"] == 0
    ward.measured("patient", severity=3)
    assert ward.order() == ["patient", "p1"]
    del ward.table.store.partitions[len("p1") % 3]
    ward.measured("p1", severity=4)
    assert ward.order() == ["p1", "patient"]


async def test_a_clock_that_was_set_back_does_not_keep_it_from_being_refreshed(ward):
    ward.measured("p1", severity=4)
    ward.overview.refresh(NOW)
    ward.measured("p1", severity=0)
    ward.overview.refresh(NOW - 60 * SECOND)
    assert ward.overview.counts()["none"] == 1


async def test_there_is_no_heat_strip_where_there_are_too_many_patients(ward, monkeypatch):
    monkeypatch.setattr(overview, "HEAT_UP_TO", 1)
    ward.measured("p1")
    ward.overview.refresh(NOW)
    assert ward.overview.heat() == (["p1"], "0")
    ward.measured("p2")
    ward.overview.refresh(NOW)
    assert ward.overview.heat() is None


async def test_searches_that_nobody_makes_any_more_are_forgotten(ward, monkeypatch):
    monkeypatch.setattr(overview, "_MOST_FOUND", 3)
    ward.measured("p1")
    ward.measured("p2")
    for search in ("p", "1", "P1", "x", "p", "2"):
        ward.overview.window(search=search, sort="id", offset=0, limit=9, now=NOW)
    assert list(ward.overview._searched) == ["x", "p", "2"]
    monkeypatch.setattr(overview, "_MOST_SEARCHES", 2)
    for search in ("x", "y", "z"):
        ward.overview.window(search=search, sort="id", offset=0, limit=9, now=NOW)
    assert list(ward.overview._searched) == ["y", "z"]


async def test_nobody_is_an_overview_too(ward):
    assert ward.order() == []
    whole = ward.view.whole()
    assert (whole["alerts"]["total"], whole["ids"], whole["heat"]) == (0, [], "")
    assert set(whole["counts"].values()) == {0}


async def test_the_alerts_of_no_patient_are_counted_and_shown_with_the_others(ward, monkeypatch):
    monkeypatch.setattr(view, "MOST_ALERTS", 2)
    low = ward.alarmed("p1", 0, State.FIRING, Severity.LOW)
    pending = ward.alarmed("p1", 1, State.PENDING, Severity.HIGH)
    ward.table.store.partition(2).paused = Paused("00000000000000ab", NOW)
    told = ward.view.whole()["alerts"]
    assert (told["total"], told["unacknowledged"]) == (3, 2)
    assert [each["alert_id"] for each in told["shown"]] == ["00000000000000ab", low]
    assert told["shown"] == ward.view.alerts()[:2]
    ward.acknowledge("00000000000000ab", Severity.HIGH)
    ward.acknowledge(low, Severity.LOW)
    ward.view._overview.refresh(0)
    told = ward.view.whole()["alerts"]
    assert (told["total"], told["unacknowledged"]) == (3, 0)
    assert pending not in [each["alert_id"] for each in told["shown"]]


async def test_acknowledgements_of_what_is_no_alert_of_a_patient_change_nothing(ward):
    ward.acknowledge("not hexadecimal", Severity.HIGH)
    alert = ward.alarmed("p1", 0, State.FIRING, Severity.LOW)
    ward.overview.refresh(NOW)
    assert ward.overview.alerts() == (1, 1)
    ward.acknowledge(alert, Severity.LOW)
    ward.overview.refresh(NOW + 2 * SECOND)
    assert ward.overview.alerts() == (1, 0)


async def test_what_is_encoded_is_what_is_told_and_made_anew_only_where_it_changed(ward):
    ward.measured("p1")
    ward.measured("p2")

    def read() -> dict[str, Any]:
        return {who: orjson.loads(body) for who, body in encoded().items()}

    def encoded() -> dict[str, bytes]:
        return ward.view.encoded(["p2", "p1", "nobody"])

    def told() -> dict[str, Any]:
        return {who: orjson.loads(orjson.dumps(ward.view.get(who))) for who in ("p2", "p1")}

    first = encoded()
    assert list(first) == ["p2", "p1"]
    assert read() == told()
    assert all(encoded()[who] is first[who] for who in first)
    ward.measured("p1", severity=3)
    assert read() == told()
    assert encoded()["p2"] is first["p2"]
    alert = ward.alarmed("p2", 0, State.FIRING, Severity.LOW)
    assert read() == told()
    ward.acknowledge(alert, Severity.LOW)
    assert read() == told()
    assert read()["p2"]["alerts"][0]["acknowledged"]["by"] == "Ann"


async def test_a_limit_that_ended_is_not_told_any_more(ward, monkeypatch):
    ward.measured("p1")
    bound = Bound(160.0, "Ann", "known", iso(NOW), expires=iso(NOW + SECOND))
    record = PatientLimits("p1", {"systolic_high": bound})
    ward.view._limits.apply(b"p1", record.encode())
    values = []
    for now in (NOW, NOW + 2 * SECOND):
        monkeypatch.setattr(view, "_now", lambda now=now: now)
        (body,) = ward.view.encoded(["p1"]).values()
        values.append(orjson.loads(body)["limits"]["bounds"]["systolic_high"]["from"])
    assert values == ["patient", "default"]


async def test_the_patients_kept_as_json_are_bounded(ward, monkeypatch):
    monkeypatch.setattr(encoded, "_MOST", 2)
    for who in ("p1", "p2", "p3"):
        ward.measured(who)
    assert len(ward.view.encoded(["p1", "p2", "p3"])) == 3
    assert list(ward.view._encoded._kept) == ["p2", "p3"]


taken = st.builds(
    Taken,
    st.sampled_from("abcdef"),
    st.sampled_from(["p1", "p2", "p3"]),
    st.integers(0, 30),
    st.sampled_from([60, 120, 200]),
    version=st.integers(0, 2),
    aggregate=st.booleans(),
    status=st.sampled_from(["final", "final", "entered-in-error"]),
)


@given(st.lists(taken, max_size=12))
@settings(max_examples=60, deadline=None)
def test_whatever_changes_a_row_gives_it_another_stamp(messages):
    owner = Owner(a_pipeline())
    before: dict[str, bytes] = {}
    for message in messages:
        after(message, owner=owner)
        patients = owner.partition.patients
        every = list(patients)
        rows = dict(patients.copied(patients.positions(every)))
        for who in every:
            if who in before and stamp_of(before[who]) == stamp_of(rows[who]):
                assert rows[who] == before[who]
        before = rows
