"""The burden of alarm rules on real readings: how often they fire, and what they would miss."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.alarm_rules import SLOTS, Kind, Rule, Scope, load, of_patients
from bpstream.clinical.alarms import SLOT, Change, Edges, Engine
from bpstream.clinical.categories import (
    CRISIS_DIASTOLIC,
    CRISIS_SYSTOLIC,
    CRITICAL_BELOW_MEAN,
    CRITICAL_BELOW_SYSTOLIC,
    SEVERITY_NAMES,
)
from bpstream.clinical.conditions import WARNINGS, Measures
from bpstream.clinical.models import model as shipped_models
from bpstream.clinical.models.early_warning import EarlyWarning
from bpstream.training.examples import seen_and_deviation
from bpstream.training.readings import Series

_MINUTE, _DAY = 60_000_000, 24 * 60  # µs; minutes

Bools = NDArray[np.bool_]


class RuleBurden(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule did."""

    rule: str
    kind: str
    alarms: int
    per_patient_day: float | None
    """None where no patient has two readings."""
    patients: int
    """Who had at least one."""
    critical: int
    """How many alarms were critical at their worst."""


class Burden(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules did on a data set."""

    readings: int
    patients: int
    patient_days: float
    """From each patient's first reading to the last."""
    rules: list[RuleBurden]
    not_judged: list[str]
    """Rules of silence and of the ward: a patient's own time tells nothing of either."""
    physiological: int
    per_patient_day: float | None
    """Physiological alarms."""
    severe: int
    """Readings that are not to be missed."""
    severe_missed: int
    """Those of them that are in no firing alarm."""


@dataclass(frozen=True, slots=True)
class _Course:
    """The readings in the order they were taken, patient by patient."""

    row: NDArray[np.intp]
    taken_at: NDArray[np.int64]
    measures: Measures

    def __len__(self) -> int:
        return len(self.row)


def measure(series: Series, rules: Sequence[Rule], early_warning: EarlyWarning) -> Burden:
    """Let `rules` judge the `series` as a worker does, one reading after the other."""
    of_readings = [rule for rule in of_patients(rules) if rule.scope is Scope.READINGS]
    engine, course = Engine(of_readings), _course(series, early_warning)
    edges = engine.advance(
        np.zeros((len(series.patient_ids), SLOTS), SLOT),
        course.row,
        np.arange(1, len(course) + 1).astype(np.uint64),
        course.taken_at,
        course.measures,
    )
    days = _days(series)
    found = [_of_rule(rule, at, edges, course, days) for at, rule in enumerate(of_readings)]
    physiological = [at for at, rule in enumerate(of_readings) if rule.kind is Kind.PHYSIOLOGICAL]
    inside = np.logical_or.reduce(
        [_inside(edges, at, course.row) for at in physiological], initial=False
    )
    severe = _severe(course.measures)
    alarms = sum(found[at].alarms for at in physiological)
    return Burden(
        readings=len(course),
        patients=len(series.patient_ids),
        patient_days=days,
        rules=found,
        not_judged=[rule.name for rule in rules if rule.scope is not Scope.READINGS],
        physiological=alarms,
        per_patient_day=_a_day(alarms, days),
        severe=int(np.count_nonzero(severe)),
        severe_missed=int(np.count_nonzero(severe & ~inside)),
    )


def measure_files(series: Series, *, rules: Path | None, model: str, models: Path) -> Burden:
    """The same for a file of rules (None: those shipped), and a model by its name in `models`.

    Raises :class:`StartError` and :class:`ModelError` where they cannot be used.
    """
    warning = shipped_models.load(shipped_models.named(model, models)).early_warning
    return measure(series, load(rules), warning)


def table(burden: Burden) -> str:
    """The burden for a person to read."""
    lines = [
        f"{burden.readings:,} readings of {burden.patients:,} patients, "
        f"{burden.patient_days:,.0f} patient-days",
        "",
        f"{'rule':<24} {'kind':<14} {'alarms':>8} {'a day':>7} {'patients':>9} {'critical':>9}",
    ]
    lines += [
        f"{each.rule:<24} {each.kind:<14} {each.alarms:>8,} {_shown(each.per_patient_day):>7} "
        f"{each.patients:>9,} {each.critical:>9,}"
        for each in burden.rules
    ]
    lines += [f"{name:<24} not judged here" for name in burden.not_judged]
    return "\n".join(
        [
            *lines,
            "",
            f"physiological alarms per patient-day: {_shown(burden.per_patient_day)}",
            f"severe readings: {burden.severe:,}, of which in no alarm: {burden.severe_missed:,}",
        ]
    )


def _shown(number: float | None) -> str:
    return "-" if number is None else f"{number:.2f}"


def _course(series: Series, early_warning: EarlyWarning) -> _Course:
    seen, deviation = seen_and_deviation(series)
    order = np.lexsort((series.t_minutes, series.patient))
    warnings = early_warning.probabilities(seen)[:, order]
    measures = Measures.exact(
        series.systolic[order],
        series.diastolic[order],
        series.mean_arterial_pressure[order],
        np.zeros(len(order), np.bool_),
        {"deviation": deviation[order], **dict(zip(WARNINGS, warnings, strict=True))},
    )
    taken_at = np.rint(series.t_minutes[order] * _MINUTE).astype(np.int64)
    return _Course(series.patient[order].astype(np.intp), taken_at, measures)


def _days(series: Series) -> float:
    first = np.full(len(series.patient_ids), np.inf)
    last = np.full(len(series.patient_ids), -np.inf)
    np.minimum.at(first, series.patient, series.t_minutes)
    np.maximum.at(last, series.patient, series.t_minutes)
    return float((last - first).sum() / _DAY)


def _of_rule(rule: Rule, nth: int, edges: Edges, course: _Course, days: float) -> RuleBurden:
    own = edges.rule == nth
    alarms = edges.reading[own & (edges.change == Change.FIRING)]
    critical = own & (edges.severity == SEVERITY_NAMES.index("critical"))
    return RuleBurden(
        rule=rule.name,
        kind=str(rule.kind),
        alarms=len(alarms),
        per_patient_day=_a_day(len(alarms), days),
        patients=len(np.unique(course.row[alarms])),
        critical=len(np.unique(edges.alert[critical])),
    )


def _a_day(alarms: int, days: float) -> float | None:
    return alarms / days if days else None


def _inside(edges: Edges, rule: int, row: NDArray[np.intp]) -> Bools:
    """Which readings are within an alarm of the rule, from the one that made it fire."""
    own = edges.rule == rule
    begins = np.zeros(len(row), np.int64)
    begins[edges.reading[own & (edges.change == Change.FIRING)]] = 1
    begins[edges.reading[own & (edges.change == Change.RECOVERED)]] -= 1
    firing = np.cumsum(begins)
    # What fires at a patient's last reading does not go on into the next patient's.
    first = np.searchsorted(row, row)
    before: NDArray[np.int64] = np.where(first > 0, firing[first - 1], 0)
    inside: Bools = firing - before > 0
    return inside


def _severe(measures: Measures) -> Bools:
    """The readings that are critical to everybody (`categories.severity`)."""
    pressures = measures.low
    severe: Bools = (
        (pressures["systolic"] < CRITICAL_BELOW_SYSTOLIC)
        | (pressures["systolic"] >= CRISIS_SYSTOLIC)
        | (pressures["diastolic"] >= CRISIS_DIASTOLIC)
        | (pressures["mean"] < CRITICAL_BELOW_MEAN)
    )
    return severe
