"""Trains the original model anew, measures it, and writes what `models/` ships of it."""

import platform
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import joblib
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

from bpstream.clinical.risk import (
    FEATURES,
    LOGISTIC_FORMAT,
    MANIFEST_FILE,
    MANIFEST_FORMAT,
    MODEL_FILE,
)
from bpstream.training import data

NAME, VERSION = "bp_logreg", "1.0.0"
JOBLIB_FILE = f"{NAME}.joblib"
STEPS = ("draw readings", "fit", "measure", "write")
"""What `train` does, in this order; it says each as it begins."""

_TEST_SHARE = 0.2
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "joblib")
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


def train(folder: Path, *, progress: Callable[[str], None]) -> Report:
    """Train, and write model.json, manifest.json and the joblib file into `folder`.

    The same versions of the libraries write the same bytes.  The manifest is written last:
    a crash leaves a folder that `clinical.risk.load` refuses.
    """
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
    progress(STEPS[3])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    files = {MODEL_FILE: _model_json(model), JOBLIB_FILE: _pickled(model)}
    for name, body in files.items():
        (folder / name).write_bytes(body)
    (folder / MANIFEST_FILE).write_bytes(_manifest(files, readings, report))
    return report


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


def _model_json(model: LogisticRegression) -> bytes:
    return _json(
        {
            "format": LOGISTIC_FORMAT,
            "features": FEATURES,
            "intercept": float(model.intercept_[0]),
            "coefficients": model.coef_[0].tolist(),
        }
    )


def _pickled(model: LogisticRegression) -> bytes:
    file = BytesIO()
    joblib.dump(model, file)
    return file.getvalue()


def _manifest(files: dict[str, bytes], readings: data.Dataset, report: Report) -> bytes:
    """The model's record; it holds no time of day, so that training again changes nothing."""
    metrics = msgspec.to_builtins(report)
    del metrics["classification"]
    return _json(
        {
            "format": MANIFEST_FORMAT,
            "name": NAME,
            "version": VERSION,
            "created_with": "bpstream train",
            "sha256": {name: sha256(body).hexdigest() for name, body in files.items()},
            "features": FEATURES,
            "unit": "mmHg",
            "data": {
                "source": "random numbers, no patients (bpstream/training/data.py)",
                "seed": data.SEED,
                "readings": data.READINGS,
                "anomalous": int(readings.anomalous.sum()),
                "systolic": dict(zip(("mean", "sd"), data.SYSTOLIC, strict=True)),
                "diastolic": dict(zip(("mean", "sd"), data.DIASTOLIC, strict=True)),
                "label": data.LABEL,
                "test_share": _TEST_SHARE,
            },
            "metrics": metrics,
            "versions": {
                "python": platform.python_version(),
                **{library: version(library) for library in _LIBRARIES},
            },
        }
    )


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
