"""Examples: what the worker's model would have been given of each reading, and what came next."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, features
from bpstream.clinical.history import HISTORY, Floats, absorb
from bpstream.clinical.models.early_warning import WINDOW, Seen
from bpstream.clinical.models.windows import windows_of
from bpstream.clinical.usual import deviation
from bpstream.training.outcomes import outcomes
from bpstream.training.readings import Series

Flags = NDArray[np.bool_]

IN_STATE = 0.1
"""What a reading counts whose patient is in the state now, against 1 of all others.

No model is measured on it, and a document tells its probability all the same: with no such
readings a model would guess there.
"""

_MINUTE = 60_000_000  # µs


@dataclass(frozen=True, slots=True)
class Examples:
    """Readings that have a next one in time: what an early warning is learned from."""

    features: Floats
    """Shape ``(len(FEATURES), n)``."""
    windows: Callable[[], Floats]
    """Shape ``(n, WINDOW, 3)``; see `early_warning.Seen`."""
    labels: Flags
    """Of each of TARGETS, whether the next reading is in the state: shape ``(targets, n)``."""
    at_risk: Flags
    """Of each of TARGETS, whether this one is not; shape ``(targets, n)``."""
    patient: NDArray[np.int64]
    """Whose reading each is, as in the series."""

    def __len__(self) -> int:
        return len(self.patient)

    @classmethod
    def of(cls, series: Series) -> Self:
        """The examples of a series."""
        outcome_of = outcomes(series)
        followed = np.flatnonzero(outcome_of[TARGETS[0]].followed)
        told = seen(series).take(followed)
        return cls(
            features=told.features,
            windows=told.windows,
            labels=np.array([outcome_of[name].event[followed] for name in TARGETS]),
            at_risk=np.array([outcome_of[name].at_risk[followed] for name in TARGETS]),
            patient=series.patient[followed],
        )

    def of_patients(self, chosen: Flags) -> Self:
        """Those of the patients that are `chosen`, shape ``(P,)``, as `patient` counts them."""
        at = np.flatnonzero(chosen[self.patient])
        return type(self)(
            features=self.features[:, at],
            windows=lambda: self.windows()[at],
            labels=self.labels[:, at],
            at_risk=self.at_risk[:, at],
            patient=self.patient[at],
        )

    def apart(self, share: float, *, seed: int) -> tuple[Self, Self]:
        """All but a `share` (0..1) of the patients, to learn from, and these, to hold it to that.

        Where there are too few patients to hold one back, all of them are on both sides.
        """
        patients = np.unique(self.patient)
        drawn = np.random.default_rng(seed).permutation(patients)[: round(share * len(patients))]
        if not len(drawn):
            return self, self
        held_back = np.zeros(patients[-1] + 1, np.bool_)
        held_back[drawn] = True
        return self.of_patients(~held_back), self.of_patients(held_back)

    @property
    def seen(self) -> Seen:
        """What a model is given of them."""
        return Seen(self.features, self.windows)

    @property
    def weights(self) -> Floats:
        """How much each reading counts in training, shape ``(targets, n)``."""
        return np.where(self.at_risk, 1.0, IN_STATE)

    @property
    def prevalence(self) -> dict[str, float]:
        """Of each target, the share of events among the readings at risk; never 0 or 1."""
        n = np.maximum(self.at_risk.sum(axis=1), 1)
        events = (self.labels & self.at_risk).sum(axis=1)
        shares = np.clip(events / n, 0.5 / n, 1 - 0.5 / n)
        return dict(zip(TARGETS, shares.tolist(), strict=True))


def seen(series: Series) -> Seen:
    """What a model is given of every reading of `series`: the code that the worker runs.

    Each source of a patient is a history of its own.
    """
    return seen_and_deviation(series)[0]


def seen_and_deviation(series: Series) -> tuple[Seen, Floats]:
    """The same, and how far each reading is from its patient's usual (`usual.deviation`)."""
    order, begins = series.runs()
    run = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(series)))
    # In single precision, as a patient's row keeps them.
    systolic, diastolic = (
        pressure[order].astype(np.float32).astype(np.float64)
        for pressure in (series.systolic, series.diastolic)
    )
    sums, _ = absorb(
        np.zeros(len(begins), HISTORY),
        run,
        np.rint(series.t_minutes[order] * _MINUTE).astype(np.int64),
        systolic,
        diastolic,
    )
    found, far = np.empty((len(FEATURES), len(series))), np.empty(len(series))
    found[:, order] = of_runs = features(sums, systolic, diastolic)
    far[order] = deviation(of_runs, sums)

    @cache
    def windows() -> Floats:
        told = np.empty((len(series), WINDOW, 3))
        told[order] = windows_of(
            series.patient[order],
            series.source[order],
            series.t_minutes[order],
            systolic,
            diastolic,
        )
        return told

    return Seen(found, windows), far
