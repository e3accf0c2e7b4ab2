"""The original model's risk, fitted anew and measured: a logistic regression of two pressures."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    classification_report,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split

from bpstream.clinical.models.risk import Logistic
from bpstream.training import data

STEPS = ("draw readings", "fit", "measure")
"""What `fit` does, in this order; it says each as it begins."""

_TEST_SHARE = 0.2
_EXAMPLES = ((89, 70), (120, 80), (185, 120))


class Report(msgspec.Struct, frozen=True):
    """How the model does on the readings it was not trained on."""

    accuracy: float
    recall_hypertension: float
    """Share found of the readings that are only too high."""
    recall_hypotension: float
    """Share found of the readings that are only too low."""
    auroc: float
    brier: float
    risks: dict[str, float]
    """The score of a few readings, by `systolic/diastolic`."""
    classification: str
    """scikit-learn's classification report, to be printed."""


class Original(NamedTuple):
    """What was fitted."""

    risk: Logistic
    estimator: LogisticRegression
    report: Report
    about: dict[str, Any]
    """Its record, for a manifest."""


def fit(progress: Callable[[str], None]) -> Original:
    """The same numbers every time, with the same versions of the libraries."""
    progress(STEPS[0])
    readings = data.original()
    columns = train_test_split(
        *readings, test_size=_TEST_SHARE, random_state=data.SEED, stratify=readings.anomalous
    )
    known, unseen = data.Dataset(*columns[0::2]), data.Dataset(*columns[1::2])
    progress(STEPS[1])
    model = LogisticRegression(max_iter=1000).fit(known.features, known.anomalous.astype(int))
    progress(STEPS[2])
    report = _measure(model, unseen)
    systolic, diastolic = model.coef_[0].tolist()
    risk = Logistic(float(model.intercept_[0]), systolic, diastolic)
    return Original(risk, model, report, _about(readings, report))


def _measure(model: LogisticRegression, unseen: data.Dataset) -> Report:
    probability = model.predict_proba(unseen.features)[:, 1]
    predicted = model.predict(unseen.features)
    examples = model.predict_proba(np.array(_EXAMPLES, np.float64))[:, 1]
    return Report(
        accuracy=float(accuracy_score(unseen.anomalous, predicted)),
        recall_hypertension=float(predicted[unseen.hypertension & ~unseen.hypotension].mean()),
        recall_hypotension=float(predicted[unseen.hypotension & ~unseen.hypertension].mean()),
        auroc=float(roc_auc_score(unseen.anomalous, probability)),
        brier=float(brier_score_loss(unseen.anomalous, probability)),
        risks={
            f"{systolic}/{diastolic}": float(risk)
            for (systolic, diastolic), risk in zip(_EXAMPLES, examples, strict=True)
        },
        classification=classification_report(
            unseen.anomalous, predicted, target_names=["normal", "anomalous"], digits=3
        ),
    )


def _about(readings: data.Dataset, report: Report) -> dict[str, Any]:
    metrics = msgspec.to_builtins(report)
    del metrics["classification"]
    return {
        "kind": "logistic",
        "label": data.LABEL,
        "data": {
            "source": "random numbers, no patients (bpstream/training/data.py)",
            "seed": data.SEED,
            "readings": data.READINGS,
            "anomalous": int(readings.anomalous.sum()),
            "systolic": dict(zip(("mean", "sd"), data.SYSTOLIC, strict=True)),
            "diastolic": dict(zip(("mean", "sd"), data.DIASTOLIC, strict=True)),
            "test_share": _TEST_SHARE,
        },
        "metrics": metrics,
    }
