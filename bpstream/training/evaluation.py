"""Evaluates a model on patients it never saw, beside the baselines it has to beat."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.errors import FileError
from bpstream.training import baselines, bootstrap
from bpstream.training.bootstrap import Replicates
from bpstream.training.cross_validation import cross_validated
from bpstream.training.fingerprints import fingerprints, known
from bpstream.training.outcomes import Outcome, next_readings, outcomes
from bpstream.training.predictor import Predictor, predictions
from bpstream.training.ranking import ranked, threshold_at
from bpstream.training.readings import Series
from bpstream.training.report import MODEL, Difference, Figures, Interval, TargetReport
from bpstream.training.statistics import brier, calibration, expected_calibration_error

SENSITIVITY = 0.8
"""At which alerts are counted: four of five events would have been warned of."""

STEPS = ("fit the baselines", "predict", *(f"measure {target}" for target in TARGETS))
"""What `evaluate` does, in this order; it says each as it begins."""

_DAY = 24 * 60

Probabilities = Mapping[str, NDArray[np.float64]]
"""By model: that which is evaluated (`report.MODEL`), and each baseline."""


class Sample(NamedTuple):
    """The readings on which one target was measured, for plots; shape ``(n,)``."""

    event: NDArray[np.bool_]
    probabilities: Probabilities


class Evaluation(NamedTuple):
    """By target: the figures, and what they were measured on."""

    report: dict[str, TargetReport]
    samples: dict[str, Sample]


def evaluate(
    series: Series,
    predictor: Predictor,
    *,
    train: Series | None = None,
    seed: int = 0,
    resamples: int = 1000,
    progress: Callable[[str], None] = lambda step: None,
) -> Evaluation:
    """Measure `predictor` on every target, over the readings that count for it.

    The baselines are fitted on the patients of `train`; without it each fold of `series` on
    the others.  The seed decides folds and draws.  Raises :class:`FileError` when patients
    are on both sides, or too few, and :class:`ModelError` when what the model says is no
    probability.
    """
    progress(STEPS[0])
    told_of = _baselines(series, train, seed)
    progress(STEPS[1])
    told_of = {MODEL: predictions(predictor, series), **told_of}
    _, gap = next_readings(series)
    evaluation = Evaluation({}, {})
    for (target, outcome), step in zip(outcomes(series).items(), STEPS[2:], strict=True):
        progress(step)
        counted = outcome.counted
        sample = Sample(
            outcome.event[counted], {name: told[target][counted] for name, told in told_of.items()}
        )
        evaluation.samples[target] = sample
        evaluation.report[target] = _measured(
            sample,
            patient=series.patient[counted],
            days=_days(outcome, gap),
            resamples=resamples,
            seed=seed,
        )
    return evaluation


def _baselines(
    series: Series, train: Series | None, seed: int
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """What each baseline tells of every reading: by name, by target."""
    if train is not None:
        both = known(series, fingerprints(train))
        if both.any():
            raise FileError(
                f"{np.count_nonzero(both)} of {len(both)} patients are among those the baselines "
                "are to learn from: what is measured on them says nothing of others"
            )
        return {name: model.predict(series) for name, model in baselines.fit(train).items()}
    told = cross_validated(series, baselines.fit, seed=seed)
    # Of each fold another share would rank the folds, if nothing else: the share is that of all.
    (share,) = baselines.fit(series, [baselines.NO_RANKING]).values()
    return told | {baselines.NO_RANKING: share.predict(series)}


def _days(outcome: Outcome, gap: NDArray[np.float64]) -> float:
    """For how long patients were watched: until a next reading, where one came in time."""
    return float(gap[outcome.followed].sum() / _DAY)


def _measured(
    sample: Sample, *, patient: NDArray[np.int64], days: float, resamples: int, seed: int
) -> TargetReport:
    event, probabilities = sample
    drawn = bootstrap.draw(event, probabilities, patient, resamples=resamples, seed=seed)
    figures = {
        name: _figures(event, probability, drawn[name], days)
        for name, probability in probabilities.items()
    }
    return TargetReport(
        n=len(event),
        events=int(np.count_nonzero(event)),
        patients=len(np.unique(patient)),
        patient_days=days,
        prevalence=float(event.mean()) if len(event) else None,
        sensitivity=SENSITIVITY,
        model=figures[MODEL],
        baselines={name: figures[name] for name in baselines.BASELINES},
        difference=_difference(figures, drawn, to=baselines.BEST_BASELINE),
    )


def _figures(
    event: NDArray[np.bool_],
    probability: NDArray[np.float64],
    drawn: Replicates,
    days: float,
) -> Figures:
    rank = ranked(event, probability)
    slope, intercept = calibration(event, probability)
    threshold = threshold_at(SENSITIVITY, event, probability)
    alerts = np.count_nonzero(probability >= threshold)
    return Figures(
        auroc=_known(rank.auroc),
        auroc_ci=_interval(drawn.auroc),
        auprc=_known(rank.auprc),
        auprc_ci=_interval(drawn.auprc),
        brier=_known(brier(event, probability)),
        brier_ci=_interval(drawn.brier),
        calibration_slope=_known(slope),
        calibration_intercept=_known(intercept),
        expected_calibration_error=_known(expected_calibration_error(event, probability)),
        alerts_per_patient_day=None if math.isnan(threshold) else float(alerts / days),
    )


def _difference(
    figures: Mapping[str, Figures], drawn: Mapping[str, Replicates], *, to: str
) -> Difference:
    model, other = figures[MODEL], figures[to]
    return Difference(
        to=to,
        auroc=_less(model.auroc, other.auroc),
        auroc_ci=_interval(drawn[MODEL].auroc - drawn[to].auroc),
        auprc=_less(model.auprc, other.auprc),
        auprc_ci=_interval(drawn[MODEL].auprc - drawn[to].auprc),
        brier=_less(model.brier, other.brier),
        brier_ci=_interval(drawn[MODEL].brier - drawn[to].brier),
    )


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _interval(replicates: NDArray[np.float64]) -> Interval | None:
    found = bootstrap.interval(replicates)
    return None if math.isnan(found.low) else (found.low, found.high)
