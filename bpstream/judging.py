"""Judging: what the rules and the model say of readings, in columns."""

import numpy as np

from bpstream.clinical import categories, rules
from bpstream.clinical.risk import RiskModel
from bpstream.encoding import Judged
from bpstream.reading import EXACT, Flag, Kind, Readings

_NOT_FOR_THE_MODEL = np.uint32(Flag.IMPLAUSIBLE | Flag.COMPARATOR)


def judge(readings: Readings, model: RiskModel) -> Judged:
    """Rules, categories and the risk score of every reading."""
    systolic, diastolic = readings.systolic, readings.diastolic
    mean = categories.mean_arterial_pressure(systolic, diastolic, readings.mean)
    # The rules are for adults, and for single readings.
    judged = (readings.kind == Kind.READING) & (readings.flags & np.uint32(Flag.CHILD) == 0)
    bounds = readings.flags & np.uint32(Flag.COMPARATOR) > 0
    tags = np.where(judged, rules.tag(systolic, diastolic), 0).astype(np.uint8)
    for position in np.flatnonzero(judged & bounds):
        tags[position] = rules.tag_of_bounds(
            systolic[position],
            diastolic[position],
            (readings.details[position].comparators or EXACT)[:2],
        )
    risk = model.score(systolic, diastolic)
    risk[~judged | (readings.flags & _NOT_FOR_THE_MODEL > 0)] = np.nan
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
        risk=risk,
    )
