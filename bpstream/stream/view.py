"""Patients and their alerts as the web shows them: rows of the table, made ready for JSON."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
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
from bpstream.clinical.categories import SEVERITY_NAMES, Severity
from bpstream.clinical.limits import defaults, suggested, usual
from bpstream.clinical.models.early_warning import reasons
from bpstream.clinical.models.model import Model
from bpstream.document import iso
from bpstream.fhir.export import searchset
from bpstream.limits import LimitBook, effective
from bpstream.patients import LONG_AGO, Patients
from bpstream.stream import history, intake, rows
from bpstream.stream.encoded import Encoded
from bpstream.stream.overview import Overview, Place, Window
from bpstream.stream.rows import Json
from bpstream.stream.tables import PatientTable

MOST_ALERTS = 60
"""Alerts that are told of in full where there are many."""

_ALERT_ID = re.compile(r"[0-9a-f]{16}")
_STATES: dict[int, str] = {State.PENDING: PENDING, State.FIRING: FIRING}
_SECOND = 1_000_000  # µs


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
        self._marks = np.array([rule.mark for rule in rules], np.uint16)
        self.default_limits = defaults(rules)
        self._of_ward = of_ward
        self._overview = Overview(table, rules, self._said)
        self._encoded = Encoded(self.get, table, self._limits, self._said)

    def __len__(self) -> int:
        return len(self._table.store)

    def get(self, patient_id: str) -> Json | None:
        """A patient's counters, last reading and recent ones; None where never seen."""
        found = self._table.find(patient_id)
        if found is None:
            return None
        patients, position = found
        shown = rows.shown(patient_id, patients, position)
        if shown["last"] is not None:
            shown["last"]["early_warning_reasons"] = self._reasons(patients, position)
        row = patients.rows[position]
        shown["limits"] = self._effective(patient_id)
        slots = row["alarms"][: len(self._rules)]
        shown["alerts"] = [
            self._alert(patient_id, self._rules[at], slots[at], row["last"]["taken_at"])
            for at in np.flatnonzero(_is_on(slots, self._marks)).tolist()
        ]
        return shown

    def limits(self, patient_id: str) -> Json:
        """What holds for the patient, seen or not, and what is suggested by what is usual."""
        found = self._table.find(patient_id)
        usually = {}
        if found is not None:
            patients, position = found
            sums = [series["sums"][position] for series in patients.histories]
            usually = usual(max(sums, key=itemgetter(0)))
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

    def window(self, *, search: str, sort: str, offset: int, limit: int) -> Window:
        """Which patients stand at some places of a list, see :meth:`Overview.window`."""
        return self._overview.window(
            search=search, sort=sort, offset=offset, limit=limit, now=_now()
        )

    def whole(self) -> Json:
        """What is said of all patients together; refreshed at most about once a second.

        `counts` by severity, `alerts` with how many there are and the most urgent ones, `heat`
        with a character for each of `ids`, or both empty where they are too many.
        """
        self._overview.refresh(_now())
        total, waiting = self._overview.alerts()
        others = [*self._of_no_patient()]
        first = [self.alert_at(place) for place in self._overview.first_alerts(MOST_ALERTS)]
        alerts = sorted([*others, *first], key=urgency)
        waiting += sum(each["state"] == FIRING and not each["acknowledged"] for each in others)
        ids, heat = self._overview.heat() or ([], None)
        return {
            "counts": self._overview.counts(),
            "alerts": {
                "total": total + len(others),
                "unacknowledged": waiting,
                "shown": alerts[:MOST_ALERTS],
            },
            "ids": ids,
            "heat": heat,
        }

    def encoded(self, patient_ids: Iterable[str]) -> dict[str, bytes]:
        """What :meth:`get` tells of each, as JSON; those never seen are left out."""
        return self._encoded.of(patient_ids)

    def alerts(self) -> list[Json]:
        """The alerts that are pending or firing, the most urgent first."""
        found = [*self._of_no_patient(), *self._of_patients(lambda slots: True)]
        return sorted(found, key=urgency)

    def alert(self, alert_id: str) -> Json | None:
        """One alert that is pending or firing, or None."""
        of_none = (each for each in self._of_no_patient() if each["alert_id"] == alert_id)
        if (found := next(of_none, None)) is not None or not _ALERT_ID.fullmatch(alert_id):
            return found
        number = np.uint64(int(alert_id, 16))
        return next(self._of_patients(lambda slots: slots["alert"] == number), None)

    def firing(self, severity: Severity, *, since: int) -> Iterator[tuple[int, int, Place]]:
        """The alerts about patients that fire, as severe as that, of partitions in our hands.

        Only those that began at `since` or before: of each the id, when it began (both times in
        µs since 1970 UTC), and where it is kept.
        """
        for partition in self._table.partitions().values():
            if not partition.taken_over or partition.lost:
                continue
            # Row by row: of many patients each row is far from the one before it.
            slots = partition.patients.rows["alarms"][:, : len(self._rules)]
            on = (slots["state"] == State.FIRING) & (slots["severity"] == severity)
            row, rule = np.nonzero(on)
            held = slots[row, rule]
            due = (held["mark"] == self._marks[rule]) & (held["since"] <= since // _SECOND)
            for alert, began, position, at in zip(
                *(held[name][due].tolist() for name in ("alert", "since")),
                *(each[due].tolist() for each in (row, rule)),
                strict=True,
            ):
                yield alert, began * _SECOND, Place(partition.patients, position, at)

    def _of_patients(
        self,
        chosen: Callable[[NDArray[np.void]], NDArray[np.bool_] | bool],
    ) -> Iterator[Json]:
        """Those of the alerts about patients, pending or firing, whose slots are `chosen`."""
        for partition in self._table.partitions().values():
            slots = partition.patients.rows["alarms"]
            for at, rule in enumerate(self._rules):
                on = _is_on(slots[:, at], rule.mark) & chosen(slots[:, at])
                yield from self._alerts_of(partition, at, np.flatnonzero(on))

    def _of_no_patient(self) -> Iterator[Json]:
        for each in self._of_ward():
            yield self._said_of({"last_at": each["since"], **each})
        for partition in self._table.partitions().values():
            if partition.paused is not None:
                yield self._said_of(intake.shown(partition.paused))

    def alert_at(self, place: Place) -> Json:
        """The alert that is kept there."""
        row = place.patients.rows[place.position]
        (patient_id,) = place.patients.ids(np.array([place.position]))
        slot, last_at = row["alarms"][place.rule], row["last"]["taken_at"]
        return self._alert(patient_id, self._rules[place.rule], slot, last_at)

    def _alerts_of(self, partition: Partition, at: int, on: NDArray[np.intp]) -> Iterator[Json]:
        """The alerts of the rule at `at` that the patients in these rows have."""
        held = partition.patients.rows[on]
        for patient_id, slot, taken_at in zip(
            partition.patients.ids(on),
            held["alarms"][:, at],
            held["last"]["taken_at"],
            strict=True,
        ):
            yield self._alert(patient_id, self._rules[at], slot, taken_at)

    def _reasons(self, patients: Patients, position: int) -> list[Json]:
        """Why a warning is high: worked out when it is asked for, for rows do not keep it."""
        warning = patients.rows["warning"][position].astype(np.float64)
        is_known = not np.isnan(warning).any()
        seen = histories.ahead_of_last(patients, position) if is_known else None
        if seen is None:
            return []
        told = reasons(self._model.early_warning, seen, warning[:, None])
        return [asdict(reason) for reason in told.of(0)]

    def _alert(self, patient_id: str, rule: Rule, slot: np.void, last_at: np.int64) -> Json:
        since = iso(int(slot["since"]) * _SECOND)
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


def urgency(alert: Json) -> tuple[bool, bool, int, str, str]:
    """Sorts alerts: firing before pending, unacknowledged first, then severe, then old ones."""
    severity = SEVERITY_NAMES.index(alert["severity"])
    acknowledged = alert.get("acknowledged") is not None
    return alert["state"] != FIRING, acknowledged, -severity, alert["since"], alert["alert_id"]


def _now() -> int:
    return time.time_ns() // 1000


def _is_on(slots: NDArray[np.void], marks: Any) -> Any:
    """Where an alert of the rule with that mark is pending or firing."""
    return (slots["state"] != State.NORMAL) & (slots["mark"] == marks)
