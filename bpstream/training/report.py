"""What an evaluation says: figures per target, as a table for people and as JSON for programs.

What cannot be told (an area where there are no events, say) is None, and null in JSON.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

Interval = tuple[float, float]
"""In which 95 of 100 draws of the patients lie."""

MODEL = "model"
"""Beside the baselines' names: what is evaluated."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How one model, or baseline, does on one target."""

    auroc: float | None
    auroc_ci: Interval | None
    auprc: float | None
    auprc_ci: Interval | None
    brier: float | None
    brier_ci: Interval | None
    calibration_slope: float | None
    calibration_intercept: float | None
    expected_calibration_error: float | None
    alerts_per_patient_day: float | None
    """Readings at or above the threshold that gives the report's sensitivity, per day."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The model less a baseline, on the same readings and the same draws of the patients."""

    to: str
    auroc: float | None
    auroc_ci: Interval | None
    auprc: float | None
    auprc_ci: Interval | None
    brier: float | None
    brier_ci: Interval | None


class TargetReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one target."""

    n: int
    """Readings that count: of patients not in the state, with a next reading in time."""
    events: int
    patients: int
    patient_days: float
    """For how long patients were watched: between readings that follow each other in time.

    Two sources of one patient are two series, and each is watched for itself.
    """
    prevalence: float | None
    """The share of events."""
    sensitivity: float
    """At which alerts are counted."""
    model: Figures
    baselines: dict[str, Figures]
    difference: Difference


Report = Mapping[str, TargetReport]
"""By target."""

_HEAD = ("AUROC", "AUPRC", "Brier score", "slope", "intercept", "ECE", "alerts/day")
_WIDTHS = (25, 25, 27, 9, 11, 9, 12)
_NAME = 22


def as_json(report: Report) -> bytes:
    """One object: the targets, each with its figures.

    Finite numbers or null, in the order of their definition, so that the same figures are the
    same bytes.
    """
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def table(report: Report) -> str:
    """The figures, a line each for the model and what it is held against; no line end last."""
    parts = ["\n".join(_lines(target, each)) for target, each in report.items()]
    told = next(iter(report.values()))
    parts.append(
        "In brackets: 95 of 100 draws of the patients.  Slope and intercept of a perfect model "
        "are 1 and 0.\n"
        f"Alerts: per patient-day (of {told.patient_days:,.0f}), where {told.sensitivity:.0%} of "
        "the events are to be warned of."
    )
    return "\n\n".join(parts)


def _lines(target: str, report: TargetReport) -> Iterator[str]:
    counted = f"{target}: {report.n:,} readings of {report.patients:,} patients at risk"
    if report.prevalence is None:
        yield f"{counted}, and nothing to measure"
        return
    yield f"{counted}, {report.events:,} events ({report.prevalence:.2%})"
    yield _line("", _HEAD)
    for name, figures in {MODEL: report.model, **report.baselines}.items():
        yield _line(name, (*_areas(figures), *_calibrations(figures)))
    yield _line(f"{MODEL} - {report.difference.to}", _areas(report.difference, sign="+"))


def _areas(of: Figures | Difference, *, sign: str = "") -> Iterator[str]:
    yield _number(of.auroc, of.auroc_ci, digits=3, sign=sign)
    yield _number(of.auprc, of.auprc_ci, digits=3, sign=sign)
    yield _number(of.brier, of.brier_ci, digits=4, sign=sign)


def _calibrations(of: Figures) -> Iterator[str]:
    yield _number(of.calibration_slope, digits=2)
    yield _number(of.calibration_intercept, digits=2)
    yield _number(of.expected_calibration_error, digits=3)
    yield _number(of.alerts_per_patient_day, digits=2)


def _line(name: str, cells: Iterable[str]) -> str:
    # A difference has no calibration, and so fewer cells.
    filled = "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=False))
    return f"  {name:{_NAME}}{filled}"


def _number(
    number: float | None, interval: Interval | None = None, *, digits: int, sign: str = ""
) -> str:
    if number is None:
        return "-"
    text = f"{number:{sign}.{digits}f}"
    if interval is None:
        return text
    low, high = (f"{each:{sign}.{digits}f}" for each in interval)
    return f"{text} [{low}, {high}]"
