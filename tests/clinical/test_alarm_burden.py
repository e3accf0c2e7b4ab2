"""The burden of the shipped alarm rules, on real cuff readings of intensive care."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from bpstream.clinical.alarm_rules import SLOTS, Kind, load
from bpstream.clinical.alarms import SLOT, Change, Engine, State
from bpstream.clinical.categories import mean_arterial_pressure
from bpstream.clinical.conditions import Measures

SAMPLE = Path(__file__).parents[3] / "shared/data/bp_open_sample500.csv.gz"
SECOND = 1_000_000


def sample():
    """Columns of the cuff readings, by patient and time: patient, minutes, three pressures."""
    with gzip.open(SAMPLE, "rt", newline="") as file:
        rows = [
            [float(row[name] or "nan") for name in ("patient_id", "t_minutes", "sbp", "dbp", "mbp")]
            for row in csv.DictReader(file)
            if row["source"] == "NIBP"
        ]
    columns = np.array(rows).T
    return columns[:, np.lexsort((columns[1], columns[0]))]


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample of cuff readings is not here")
def test_the_shipped_rules_fire_seldom_and_miss_no_severe_reading():
    patient, minutes, systolic, diastolic, measured = sample()
    mean = mean_arterial_pressure(systolic, diastolic, measured)
    names, rows = np.unique(patient, return_inverse=True)
    engine, slots = Engine(load()), np.zeros((len(names), SLOTS), SLOT)
    clinical = [rule.kind is Kind.PHYSIOLOGICAL for rule in engine.rules]
    inside = np.zeros(len(rows), np.bool_)
    alerts = 0
    # One reading a patient in each call, so that the slots tell what fires at it.
    nth = np.arange(len(rows)) - np.searchsorted(rows, rows)
    for step in range(nth.max() + 1):
        at = np.flatnonzero(nth == step)
        pressures = systolic[at], diastolic[at], mean[at]
        edges = engine.advance(
            slots,
            rows[at],
            at.astype(np.uint64) + np.uint64(1),
            (minutes[at] * 60 * SECOND).astype(np.int64),
            Measures.exact(*pressures, systolic[at] <= diastolic[at]),
        )
        fired = edges.rule[edges.change == Change.FIRING]
        alerts += np.count_nonzero(np.array(clinical)[fired])
        state = slots["state"][rows[at], : len(clinical)]
        inside[at] = (state[:, clinical] == State.FIRING).any(axis=1)

    severe = (systolic < 80) | (systolic >= 180) | (diastolic >= 120) | (mean < 55)
    plausible = systolic > diastolic  # and so complete
    days = sum(np.ptp(minutes[rows == row]) for row in range(len(names))) / (24 * 60)
    assert np.count_nonzero(severe & plausible & ~inside) == 0
    assert alerts / days <= 2
