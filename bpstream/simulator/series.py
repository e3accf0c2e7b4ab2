"""Whole simulated data sets, to train on and to be measured by."""

from collections.abc import Callable

import numpy as np

from bpstream.errors import SettingsError
from bpstream.simulator.cohort import Cohort, Measured, Truth

_MINUTES_A_DAY = 24 * 60


def dataset(
    patients: int,
    days: float,
    interval_minutes: float,
    seed: int,
    *,
    progress: Callable[[int], None] = lambda made: None,
) -> Measured:
    """Readings of `patients` over `days`, one each `interval_minutes`: by patient, then by time.

    The patients are measured at times of their own, which begin in the first interval after
    midnight.  A dropout leaves no row.  The mean pressure is not measured, as cuffs do not tell
    theirs in the messages either.  `progress` is told of readings as they are made: how many
    since it was told last.  Raises :class:`SettingsError` where there would be none.

    >>> readings = dataset(2, 1, 60, seed=7)
    >>> readings.truth.patient[[0, -1]], len(readings.systolic)
    (array([0, 1], dtype=int32), 48)
    """
    rounds = int(days * _MINUTES_A_DAY / interval_minutes) if interval_minutes > 0 else 0
    if patients < 1 or rounds < 1:
        raise SettingsError(
            f"{patients} patients measured each {interval_minutes:g} minutes for {days:g} days "
            "give no readings"
        )
    cohort = Cohort(patients, seed)
    offset = interval_minutes * np.random.default_rng([abs(seed), rounds]).random(patients)
    found = list[Measured]()
    for number in range(rounds):
        found.append(cohort.measure(offset + number * interval_minutes))
        progress(len(found[-1].systolic))
    systolic, diastolic = (np.concatenate([each[column] for each in found]) for column in range(2))
    truth = Truth(*map(np.concatenate, zip(*(each.truth for each in found), strict=True)))
    order = np.argsort(truth.patient, kind="stable")
    return Measured(systolic, diastolic, truth).take(order)
