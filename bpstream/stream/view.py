"""Patients and their alerts as the web shows them: rows of the table, made ready for JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bpstream.alert import FIRING, PENDING
from bpstream.clinical.alarm_rules import Rule
from bpstream.clinical.alarms import State
from bpstream.clinical.categories import CATEGORY_NAMES, SEVERITY_NAMES, categorize
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES
from bpstream.document import iso
from bpstream.fhir.export import searchset
from bpstream.patients import LONG_AGO, Patients, counters_of, recent_in_order
from bpstream.reading import Flag
from bpstream.stream import history, intake
from bpstream.stream.tables import PatientTable

Json = dict[str, Any]

_TAGS = TAG_NAMES[15]
_STATES: dict[int, str] = {State.PENDING: PENDING, State.FIRING: FIRING}


class PatientView:
    """The patients of this worker's partitions."""

    def __init__(self, table: PatientTable, rules: Sequence[Rule]) -> None:
        self._table, self._rules = table, rules
        self._sorted: list[str] = []
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._table.store)

    def get(self, patient_id: str) -> Json | None:
        """A patient's counters, last reading and recent ones; None where never seen."""
        found = self._table.find(patient_id)
        if found is None:
            return None
        patients, position = found
        shown = _shown(patient_id, patients, position)
        slots = patients.rows["alarms"][position]
        shown["alerts"] = [
            self._alert(patient_id, rule, slots[at])
            for at, rule in enumerate(self._rules)
            if _is_on(slots[at], rule)
        ]
        return shown

    def history(self, patient_id: str) -> Json | None:
        """The recent readings, newest first, as a FHIR searchset; None where never seen."""
        found = self._table.find(patient_id)
        if found is None:
            return None
        patients, position = found
        return searchset(patient_id, history.kept(patients.rows[position]))

    def page(self, *, search: str, offset: int, limit: int) -> tuple[int, list[Json]]:
        """How many patients `search` finds, and those at `offset`, sorted by id."""
        ids = self._ids()
        if search:
            wanted = search.casefold()
            ids = [patient_id for patient_id in ids if wanted in patient_id.casefold()]
        page = (self.get(patient_id) for patient_id in ids[offset : offset + limit])
        return len(ids), [shown for shown in page if shown is not None]

    def alerts(self) -> list[Json]:
        """The alerts that are pending or firing, the most severe first, then the oldest."""
        found = []
        for partition in self._table.partitions().values():
            slots = partition.patients.rows["alarms"]
            for at, rule in enumerate(self._rules):
                on = np.flatnonzero(_is_on(slots[:, at], rule))
                found += [
                    self._alert(patient_id, rule, slot)
                    for patient_id, slot in zip(
                        partition.patients.ids(on), slots[on, at], strict=True
                    )
                ]
            if partition.paused is not None:
                found.append(intake.shown(partition.paused))
        return sorted(found, key=urgency)

    def _alert(self, patient_id: str, rule: Rule, slot: np.void) -> Json:
        return {
            "alert_id": f"{int(slot['alert']):016x}",
            "patient_id": patient_id,
            "rule": rule.name,
            "title": rule.title,
            "kind": str(rule.kind),
            "state": _STATES[int(slot["state"])],
            "severity": SEVERITY_NAMES[int(slot["severity"])],
            "since": iso(int(slot["since"]) * 1_000_000),
        }

    def _ids(self) -> list[str]:
        # Patients are added to their partition and never leave it: the counts tell whether
        # any is new.
        partitions = self._table.partitions().items()
        counts = {number: len(partition.patients) for number, partition in partitions}
        if counts != self._counts:
            self._counts, self._sorted = counts, sorted(self._every_id())
        return self._sorted

    def _every_id(self) -> Iterator[str]:
        for partition in self._table.partitions().values():
            yield from partition.patients


def urgency(alert: Json) -> tuple[bool, int, str, str]:
    """Sorts alerts: firing before pending, the most severe first, then the oldest."""
    severity = SEVERITY_NAMES.index(alert["severity"])
    return alert["state"] != FIRING, -severity, alert["since"], alert["alert_id"]


def _is_on(slot: Any, rule: Rule) -> Any:
    """Whether an alert of `rule` is pending or firing; of one slot, or of a column of them."""
    return (slot["state"] != State.NORMAL) & (slot["mark"] == rule.mark)


def _shown(patient_id: str, patients: Patients, position: int) -> Json:
    row = patients.rows[position]
    counters = counters_of(row)
    anomalies = counters["hypertension"] + counters["hypotension"]
    return {
        "patient_id": patient_id,
        "readings": counters["readings"],
        "anomalies": counters["anomalies"],
        "by_type": {
            "hypertension": counters["hypertension"],
            "hypotension": counters["hypotension"],
            "normal": counters["readings"] - anomalies,
        },
        "by_tag": {tag: counters[tag] for tag in _TAGS},
        "last": _last(row),
        "recent": _recent(row),
    }


def _last(row: np.void) -> Json | None:
    last = row["last"]
    if last["taken_at"] == LONG_AGO:
        return None
    tags = int(last["tags"])
    pressures = {name: _mmhg(last[name]) for name in ("systolic", "diastolic", "mean")}
    category = categorize(
        np.array([last["systolic"]], np.float64), np.array([last["diastolic"]], np.float64)
    )
    return {
        "timestamp": iso(int(last["taken_at"])),
        "systolic_pressure": pressures["systolic"],
        "diastolic_pressure": pressures["diastolic"],
        "mean_arterial_pressure": pressures["mean"],
        "anomaly_type": ANOMALY_TYPES[tags],
        "anomaly_details": list(TAG_NAMES[tags]),
        "category": CATEGORY_NAMES[int(category[0])],
        "severity": SEVERITY_NAMES[int(last["severity"])],
        "ml_risk_score": None if np.isnan(row["risk"]) else round(float(row["risk"]), 4),
        "flags": Flag(int(last["flags"])).names(),
        "kafka": {"partition": int(row["partition"]), "offset": int(row["offset"])},
    }


def _recent(row: np.void) -> list[tuple[int, float | None, float | None, int]]:
    """`(ms since 1970, systolic, diastolic, anomalous)` of the last readings, oldest first."""
    kept = recent_in_order(row)
    kept = kept[np.argsort(kept["taken_at"], kind="stable")]
    return [
        (
            int(reading["taken_at"]) // 1000,
            _mmhg(reading["systolic"]),
            _mmhg(reading["diastolic"]),
            int(reading["tags"] > 0),
        )
        for reading in kept
    ]


def _mmhg(value: np.float32) -> float | None:
    return None if np.isnan(value) else round(float(value), 2)
