"""Patients and their alerts as the web shows them: rows of the table, made ready for JSON."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from bpstream import histories
from bpstream.acknowledgements import SaidBook
from bpstream.alert import FIRING, PENDING
from bpstream.batch import Partition
from bpstream.clinical.alarm_rules import Rule
from bpstream.clinical.alarms import State
from bpstream.clinical.categories import CATEGORY_NAMES, SEVERITY_NAMES, categorize
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.limits import defaults, suggested, usual
from bpstream.clinical.models.early_warning import reasons
from bpstream.clinical.models.model import Model
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES
from bpstream.document import iso
from bpstream.fhir.export import searchset
from bpstream.limits import LimitBook, effective
from bpstream.patients import LONG_AGO, Patients, counters_of, recent_in_order
from bpstream.reading import Flag
from bpstream.stream import history, intake
from bpstream.stream.tables import PatientTable

Json = dict[str, Any]

_TAGS = TAG_NAMES[15]
_STATES: dict[int, str] = {State.PENDING: PENDING, State.FIRING: FIRING}


class PatientView:
    """The patients of this worker's partitions."""

    def __init__(
        self,
        table: PatientTable,
        rules: Sequence[Rule],
        model: Model,
        *,
        limits: LimitBook | None = None,
        said: SaidBook | None = None,
        of_ward: Callable[[], Iterable[Json]] = tuple,
    ) -> None:
        """`of_ward` tells the alerts about no patient that this worker knows of."""
        self._table, self._rules, self._model = table, rules, model
        self._limits = LimitBook() if limits is None else limits
        self._said = SaidBook() if said is None else said
        self.default_limits = defaults(rules)
        self._of_ward = of_ward
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
        if shown["last"] is not None:
            shown["last"]["early_warning_reasons"] = self._reasons(patients.rows[position])
        row = patients.rows[position]
        shown["limits"] = self._effective(patient_id)
        shown["alerts"] = [
            self._alert(patient_id, rule, row["alarms"][at], row["last"]["taken_at"])
            for at, rule in enumerate(self._rules)
            if _is_on(row["alarms"][at], rule)
        ]
        return shown

    def limits(self, patient_id: str) -> Json:
        """What holds for the patient, seen or not, and what is suggested by what is usual."""
        found = self._table.find(patient_id)
        usually = {}
        if found is not None:
            patients, position = found
            series = patients.rows["history"][position]
            usually = usual(series["sums"][series["sums"][:, 0].argmax()])
        return {
            "patient_id": patient_id,
            "limits": self._effective(patient_id),
            "suggested": suggested(usually, self.default_limits),
            "usual": {
                name: {"mean": round(each.mean, 1), "sd": round(each.sd, 1)}
                for name, each in usually.items()
            },
        }

    def _effective(self, patient_id: str) -> Json:
        return effective(self._limits.of(patient_id), self.default_limits, now=_now())

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
        """The alerts that are pending or firing, the most urgent first."""
        found = [self._said_of({"last_at": each["since"], **each}) for each in self._of_ward()]
        for partition in self._table.partitions().values():
            slots = partition.patients.rows["alarms"]
            for at, rule in enumerate(self._rules):
                on = np.flatnonzero(_is_on(slots[:, at], rule))
                found += self._alerts_of(partition, at, on)
            if partition.paused is not None:
                found.append(self._said_of(intake.shown(partition.paused)))
        return sorted(found, key=urgency)

    def alert(self, alert_id: str) -> Json | None:
        """One alert that is pending or firing, or None."""
        return next((each for each in self.alerts() if each["alert_id"] == alert_id), None)

    def firing(self, severity: str) -> list[Json]:
        """The alerts about patients that fire, as severe as that, of partitions in our hands."""
        level = SEVERITY_NAMES.index(severity)
        found: list[Json] = []
        for partition in self._table.partitions().values():
            if partition.lost or not partition.taken_over:
                continue
            slots = partition.patients.rows["alarms"]
            for at, rule in enumerate(self._rules):
                fires = _is_on(slots[:, at], rule) & (slots["state"][:, at] == State.FIRING)
                on = np.flatnonzero(fires & (slots["severity"][:, at] == level))
                found += self._alerts_of(partition, at, on)
        return found

    def _alerts_of(self, partition: Partition, at: int, rows: NDArray[np.intp]) -> Iterator[Json]:
        """The alerts of the rule at `at` that the patients in these rows have."""
        held = partition.patients.rows[rows]
        for patient_id, slot, taken_at in zip(
            partition.patients.ids(rows),
            held["alarms"][:, at],
            held["last"]["taken_at"],
            strict=True,
        ):
            yield self._alert(patient_id, self._rules[at], slot, taken_at)

    def _reasons(self, row: np.void) -> list[Json]:
        """Why a warning is high: worked out when it is asked for, for rows do not keep it."""
        warning = row["warning"].astype(np.float64)
        seen = None if np.isnan(warning).any() else histories.ahead_of_last(row)
        if seen is None:
            return []
        (told,) = reasons(self._model.early_warning, seen, warning[:, None])
        return [asdict(reason) for reason in told]

    def _alert(self, patient_id: str, rule: Rule, slot: np.void, last_at: np.int64) -> Json:
        since = iso(int(slot["since"]) * 1_000_000)
        alert = {
            "alert_id": f"{int(slot['alert']):016x}",
            "patient_id": patient_id,
            "rule": rule.name,
            "title": rule.title,
            "kind": str(rule.kind),
            "state": _STATES[int(slot["state"])],
            "severity": SEVERITY_NAMES[int(slot["severity"])],
            "since": since,
            "last_at": since if last_at == LONG_AGO else iso(int(last_at)),
        }
        return self._said_of(alert)

    def _said_of(self, alert: Json) -> Json:
        """The alert, and what people said of it."""
        severity = alert["severity"]
        said = self._said.acknowledgement(alert["alert_id"], severity)
        silence = self._said.silence(alert["patient_id"], alert["rule"], severity, now=_now())
        names = ("by", "comment", "at")
        alert["acknowledged"] = said and {name: getattr(said, name) for name in names}
        alert["silenced"] = silence and {name: getattr(silence, name) for name in (*names, "until")}
        return alert

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


def urgency(alert: Json) -> tuple[bool, bool, int, str, str]:
    """Sorts alerts: firing before pending, unacknowledged first, then severe, then old ones."""
    severity = SEVERITY_NAMES.index(alert["severity"])
    acknowledged = alert.get("acknowledged") is not None
    return alert["state"] != FIRING, acknowledged, -severity, alert["since"], alert["alert_id"]


def _now() -> int:
    return time.time_ns() // 1000


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
        "early_warning": _early_warning(row["warning"]),
        "ml_risk_score": None if np.isnan(row["risk"]) else round(float(row["risk"]), 4),
        "flags": Flag(int(last["flags"])).names(),
        "kafka": {"partition": int(row["partition"]), "offset": int(row["offset"])},
    }


def _early_warning(warning: NDArray[np.float32]) -> Json | None:
    if np.isnan(warning).any():
        return None
    return dict(zip(TARGETS, np.round(warning.astype(np.float64), 4).tolist(), strict=True))


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
