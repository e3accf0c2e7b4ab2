"""Judging: what the rules and the model say of readings, in columns."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical import categories, rules
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.models.early_warning import Reasons, reasons
from bpstream.clinical.models.model import Model
from bpstream.encoding import Judged
from bpstream.histories import Ahead
from bpstream.reading import EXACT, NOT_USUAL, Flag, Kind, Readings


def judge(readings: Readings, model: Model, ahead: Ahead | None) -> Judged:
    """Rules, categories, the risk score, and the early warning of what lies `ahead`."""
    systolic, diastolic = readings.systolic, readings.diastolic
    mean = categories.mean_arterial_pressure(systolic, diastolic, readings.mean)
    # The rules are for adults, and for single readings.
    judged = (readings.kind == Kind.READING) & (readings.flags & np.uint32(Flag.CHILD) == 0)
    bounds = readings.flags & np.uint32(Flag.COMPARATOR) > 0
    tags = np.where(judged, rules.tag(systolic, diastolic), 0).astype(np.uint8)
    for position in np.flatnonzero(judged & bounds).tolist():
        tags[position] = rules.tag_of_bounds(
            systolic[position],
            diastolic[position],
            (readings.details_of(position).comparators or EXACT)[:2],
        )
    deviation = np.full(len(readings), np.nan)
    if ahead is not None:
        deviation[ahead.at] = ahead.deviation
    scored = judged & (readings.flags & NOT_USUAL == 0)
    scores = _score(readings, model, ahead, scored)
    category = categories.categorize(systolic, diastolic)
    severity = categories.severity(systolic, diastolic, mean)
    # A bound says something for certain, or nothing.
    told = judged & (~bounds | (tags > 0))
    return Judged(
        judged=judged,
        tags=tags,
        category=np.where(told, category, categories.UNCATEGORIZED).astype(np.int8),
        severity=np.where(told, severity, categories.Severity.NONE).astype(np.int8),
        mean=mean,
        pulse=categories.pulse_pressure(systolic, diastolic),
        risk=scores.risk,
        warning=scores.warning,
        reasons=scores.reasons,
        deviation=deviation,
        failure=scores.failure,
    )


class _Scores(NamedTuple):
    risk: NDArray[np.float64]
    warning: NDArray[np.float64]
    reasons: Reasons
    failure: Exception | None = None


def _score(
    readings: Readings, model: Model, ahead: Ahead | None, scored: NDArray[np.bool_]
) -> _Scores:
    """What the model says of the readings that are `scored`, and nothing of the others.

    A model is data, and there may be others than ours: whatever is wrong with one, the rules
    go on without it.
    """
    n = len(readings)
    risk, warning = np.full(n, np.nan), np.full((len(TARGETS), n), np.nan)
    why = Reasons.none()
    try:
        found = model.risk.score(readings.systolic, readings.diastolic)
        risk = np.where(scored, found, np.nan)
        if ahead is not None and len(ahead.at):
            at, seen = ahead.at, ahead.seen
            if not scored[at].all():
                kept = np.flatnonzero(scored[at])
                at, seen = at[kept], seen.take(kept)
            probabilities = model.early_warning.probabilities(seen)
            warning[:, at] = probabilities
            why = reasons(model.early_warning, seen, probabilities)
            why = why._replace(at=at[why.at])
    except Exception as error:
        nothing = np.full(n, np.nan)
        return _Scores(nothing, np.full_like(warning, np.nan), Reasons.none(), error)
    return _Scores(risk, warning, why)
