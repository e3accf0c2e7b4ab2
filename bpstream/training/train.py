"""Trains a model of any family on patients, measures it on those it never saw, and writes it."""

from collections.abc import Callable, Iterator
from hashlib import file_digest
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import HORIZON_MINUTES, TARGETS
from bpstream.clinical.features import VERSION
from bpstream.clinical.models.model import MODEL_FORMAT, AnyEarlyWarning, AnyRisk, Form
from bpstream.training import anomaly, folder, original, readings, splits
from bpstream.training.cross_validation import FOLDS, TrainedAnew
from bpstream.training.evaluation import STEPS as EVALUATION_STEPS
from bpstream.training.evaluation import evaluate
from bpstream.training.examples import Examples
from bpstream.training.families import family_named
from bpstream.training.families.family import Fitted
from bpstream.training.fingerprints import fingerprints
from bpstream.training.readings import Series
from bpstream.training.report import Report
from bpstream.training.served import Served
from bpstream.training.simulated import simulate

ORIGINAL = "logistic"
"""The family of the original model: its risk is the original's, whoever the patients are."""
ORIGINAL_NAME = "bp_logreg"
RISK_FILE = f"{ORIGINAL_NAME}.joblib"
ORIGINAL_STEPS = (*original.STEPS, "write")
"""What `train_original` does, in this order; it says each as it begins."""

_ALL = "all"
_DIGITS, _DECIMALS = 5, 9


class Data(NamedTuple):
    """What a model is trained on."""

    series: Series
    whole: Series
    """All sources of its patients, also those it is not trained on."""
    about: dict[str, Any]
    """Its record, for a manifest."""


class Trained(NamedTuple):
    """What was made."""

    report: Report
    """Cross-validated: every patient was told of by a model of the others."""
    left_out: tuple[str, ...]
    """Files that would have been too large."""


def name_of(family: str) -> str:
    """What a family's model is called: its folder in `models/`, and its name in documents."""
    return ORIGINAL_NAME if family == ORIGINAL else f"bp_{family}"


def read(path: Path, *, source: str, progress: Callable[[str], None] = lambda step: None) -> Data:
    """The patients in a file.  Raises :class:`FileError` as `readings.load` does."""
    series = readings.load(path, source=source, progress=progress)
    whole = series if source == _ALL else readings.load(path, source=_ALL)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    about = {
        "name": path.name,
        "sha256": digest,
        "source": source,
        "patients": len(series.patient_ids),
        "readings": len(series),
    }
    patients = np.isin(whole.patient_ids, series.patient_ids)
    return Data(series, whole.of(patients), about)


def simulated(*, seed: int) -> Data:
    """Simulated patients."""
    made = simulate(seed)
    return Data(made.series, made.series, made.about)


def steps(family: str) -> int:
    """How many steps `read` and `train` tell of."""
    of_fit = len(family_named(family).steps)
    return len(readings.STEPS) + len(EVALUATION_STEPS) + (FOLDS + 1) * of_fit + 1


def train(
    data: Data,
    family: str,
    into: Path,
    *,
    seed: int = 0,
    resamples: int = 1000,
    progress: Callable[[str], None] = lambda step: None,
) -> Trained:
    """Train `family` on all patients of `data`, and write the model into the folder `into`.

    The same data, seed and versions of the libraries write the same bytes.
    """
    apart = list[AnyEarlyWarning]()
    anew = trained_anew(family, seed=seed, progress=progress, keep=apart.append)
    report = evaluate(data.series, anew, seed=seed, resamples=resamples, progress=progress).report
    chosen, examples = family_named(family), Examples.of(data.series)
    fitted = chosen.fit(examples, seed=seed, progress=progress)
    progress("write")
    risk, about_risk, files = _risk(family, data.series, seed)
    files[folder.PATIENTS_FILE] = folder.patients_file(fingerprints(data.whole))
    folds = folder.folds_file(apart, [*_of_folds(data, seed)])
    if len(folds) < folder.MOST_FOLDS:
        files[folder.FOLDS_FILE] = folds
    pickled = {folder.JOBLIB_FILE: folder.pickled(dict(fitted.estimators))}
    small = {name: body for name, body in pickled.items() if len(body) < folder.MOST_PICKLED}
    folder.write(
        into,
        name=name_of(family),
        form=Form(MODEL_FORMAT, VERSION, list(fitted.features), risk, fitted.form),
        files=files | (small if fitted.estimators else {}),
        about={
            "created_with": "bpstream train --data DATA"
            f" --family {family} --source {data.about['source']} --seed {seed}",
            "unit": "mmHg",
            "data": data.about,
            "risk": _rounded(about_risk),
            "early_warning": _rounded(_about_early_warning(family, examples)),
            "feature_version": VERSION,
            "features": fitted.features,
            "measured": f"by patient, {FOLDS}-fold cross-validated, seed {seed}",
            "metrics": _rounded(msgspec.to_builtins(report)),
            "distributions": _distributions(data.series, risk, fitted),
            "versions": {library: version(library) for library in chosen.libraries},
        },
    )
    return Trained(report, tuple(pickled.keys() - small.keys()))


def trained_anew(
    family: str,
    *,
    seed: int,
    progress: Callable[[str], None] = lambda step: None,
    keep: Callable[[AnyEarlyWarning], None] = lambda form: None,
) -> TrainedAnew:
    """A predictor for patients that no model of `family` may have seen: a model each fold.

    `keep` is given each as it is made.
    """
    chosen, fold = family_named(family), count(1)

    def fit(part: Series) -> Served:
        number = next(fold)
        fitted = chosen.fit(
            Examples.of(part), seed=seed, progress=lambda step: progress(f"fold {number}, {step}")
        )
        keep(fitted.form)
        return Served(fitted.form.served())

    return TrainedAnew(fit, seed)


def _of_folds(data: Data, seed: int) -> Iterator[NDArray[np.uint64]]:
    """The fingerprints of the patients of each fold, in the order in which they are trained."""
    for fold in splits.folds(data.series, count=FOLDS, seed=seed):
        ids = data.series.patient_ids[fold]
        yield fingerprints(data.whole.of(np.isin(data.whole.patient_ids, ids)))


def train_original(
    shipped: Path, into: Path, *, progress: Callable[[str], None] = lambda step: None
) -> original.Report:
    """Fit the original model's risk anew, and write it into the folder `into`.

    It learns from no patients, and early warnings do: those are taken over from the model in
    the folder `shipped`.  The same versions of the libraries write the same bytes.
    """
    held, made = folder.read(shipped), original.fit(progress)
    progress("write")
    folder.write(
        into,
        name=ORIGINAL_NAME,
        form=msgspec.structs.replace(held.form, risk=made.risk),
        files={RISK_FILE: folder.pickled(made.estimator, compress=0), **held.files},
        about=held.about | {"risk": _rounded(made.about)},
    )
    return made.report


def _risk(
    family: str, series: Series, seed: int
) -> tuple[AnyRisk, dict[str, Any], dict[str, bytes]]:
    """The risk of a family's model, its record, and the files that belong to it."""
    if family == ORIGINAL:
        made = original.fit(lambda step: None)
        return made.risk, made.about, {RISK_FILE: folder.pickled(made.estimator, compress=0)}
    learn = family_named(family).fit_risk
    fitted = anomaly.fit(series.systolic, series.diastolic, learn=learn, seed=seed)
    return fitted.risk, fitted.about, {}


def _about_early_warning(family: str, examples: Examples) -> dict[str, Any]:
    return {
        "family": family,
        "horizon_minutes": HORIZON_MINUTES,
        "readings": len(examples),
        "at_risk": dict(zip(TARGETS, examples.at_risk.sum(axis=1).tolist(), strict=True)),
        "prevalence": examples.prevalence,
    }


def _distributions(series: Series, risk: AnyRisk, fitted: Fitted) -> dict[str, Any]:
    """Of the columns that a worker observes (`encoding.Judged.observed`)."""
    columns = {
        "systolic": series.systolic,
        "diastolic": series.diastolic,
        "risk": risk.score(series.systolic, series.diastolic),
        **Served(fitted.form.served()).predict(series),
    }
    return {name: folder.distribution(column) for name, column in columns.items()}


def _rounded(value: Any) -> Any:
    """The same with fewer digits: those of a sum differ from one processor to the next."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    if isinstance(value, float):
        return float(f"{round(value, _DECIMALS):.{_DIGITS}g}")
    return value
