"""Measuring a model's folder: strangers by the model itself, those it knows by another one."""

import json
import shutil

import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.errors import ModelError
from bpstream.training.measuring import measure, subject
from bpstream.training.outcomes import outcomes
from bpstream.training.readings import Series, load
from bpstream.training.served import Served
from bpstream.training.train import read, train, trained_anew
from tests.training.few_trees import few_trees
from tests.training.series import a_file, random_series

KNOWN, STRANGERS = (random_series(patients=50, readings=12, seed=seed, sd=30) for seed in (0, 1))


@pytest.fixture(scope="module", autouse=True)
def quickly():
    with few_trees():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that was trained on KNOWN."""
    path = tmp_path_factory.mktemp("measuring")
    data = read(a_file(path / "known.csv", NIBP=KNOWN), source="NIBP")
    train(data, "additive", path / "model", resamples=0)
    return path / "model"


def of_folder(path, series):
    return subject(str(path), series, models=path.parent)


def told(measured, series, target="low_map"):
    """What was told of each reading that counts, beside these readings."""
    counted = outcomes(series)[target].counted
    return measured.evaluation.samples[target].probabilities["model"], counted


def test_strangers_are_told_of_by_the_model_itself(folder):
    chosen = of_folder(folder, STRANGERS)
    assert chosen.caution == ""
    found, counted = told(measure(chosen, STRANGERS, resamples=0), STRANGERS)
    itself = Served(chosen.model.early_warning).predict(STRANGERS)["low_map"]
    assert found.tolist() == itself[counted].tolist()


def test_patients_of_the_training_are_told_of_by_what_was_trained_without_them(folder):
    chosen = of_folder(folder, KNOWN)
    assert chosen.caution == (
        "all 50 patients are among those that bp_additive was trained on: they are told of by the "
        "models of its cross-validation, none of which has learned from them"
    )
    found, counted = told(measure(chosen, KNOWN, resamples=0), KNOWN)
    anew = trained_anew("additive", seed=0).predict(KNOWN)["low_map"]
    itself = Served(chosen.model.early_warning).predict(KNOWN)["low_map"]
    assert found.tolist() == anew[counted].tolist()
    assert found.tolist() != itself[counted].tolist()


def test_so_are_a_few_of_them_by_the_very_same_models(folder):
    few = KNOWN.of(np.arange(50) % 7 == 3)
    found, counted = told(measure(of_folder(folder, few), few, resamples=0), few)
    everyone = trained_anew("additive", seed=0).predict(KNOWN)["low_map"]
    of_few = np.isin(KNOWN.patient, np.flatnonzero(np.arange(50) % 7 == 3))
    assert found.tolist() == everyone[of_few][counted].tolist()


def test_without_the_folds_of_the_training_models_are_trained_anew(folder, tmp_path):
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / "folds.json").unlink()
    manifest = json.loads((bare / "manifest.json").read_bytes())
    del manifest["sha256"]["folds.json"]
    (bare / "manifest.json").write_text(json.dumps(manifest))
    chosen = of_folder(bare, KNOWN)
    assert "models of the family additive that were trained anew" in chosen.caution
    found, _ = told(measure(chosen, KNOWN, resamples=0), KNOWN)
    apart, _ = told(measure(of_folder(folder, KNOWN), KNOWN, resamples=0), KNOWN)
    assert found.tolist() == apart.tolist()  # Here the file is that of the training.


def test_in_a_mixed_file_each_is_told_of_by_what_never_saw_it(folder, tmp_path):
    few = KNOWN.of(np.arange(50) < 3)
    ids = np.array([f"other {name}" for name in few.patient_ids])
    path = a_file(tmp_path / "mixed.csv", NIBP=joined(STRANGERS, few, ids))
    mixed = load(path)
    chosen = of_folder(folder, mixed)
    assert chosen.familiar.sum() == 3
    assert "3 of 53 patients are among those" in chosen.caution
    assert chosen.caution.endswith("; the others by the model itself")
    found, counted = told(measure(chosen, mixed, resamples=0), mixed)
    itself = Served(chosen.model.early_warning).predict(mixed)["low_map"][counted]
    by_itself = ~chosen.familiar[mixed.patient[counted]]
    assert (found[by_itself] == itself[by_itself]).all()
    assert (found[~by_itself] != itself[~by_itself]).any()


def joined(one: Series, other: Series, ids) -> Series:
    """The patients of both; the other's are called `ids`."""
    return Series(
        patient=np.append(one.patient, other.patient + len(one.patient_ids)),
        **{
            name: np.append(getattr(one, name), getattr(other, name))
            for name in ("t_minutes", "systolic", "diastolic", "source")
        },
        patient_ids=np.append(one.patient_ids, ids),
        left_out={},
    )


def test_progress_tells_of_every_step(folder):
    for series in (STRANGERS, KNOWN):
        steps, chosen = [], of_folder(folder, series)
        measure(chosen, series, resamples=0, progress=steps.append)
        assert len(steps) == chosen.steps


def test_a_handful_of_patients_can_be_measured(folder):
    """Whatever cannot be told of so few is left open."""
    for series in (STRANGERS, KNOWN):
        few = series.of(np.arange(50) < 2)
        report = measure(of_folder(folder, few), few, resamples=5).evaluation.report
        assert tuple(report) == TARGETS


def test_a_model_of_a_family_that_is_not_trained_here_is_refused(folder, tmp_path):
    manifest = folder / "manifest.json"
    before = manifest.read_text()
    try:
        changed = json.loads(before) | {"early_warning": {"family": "oracle"}}
        manifest.write_text(json.dumps(changed))
        with pytest.raises(
            ModelError, match="of the family 'oracle'; this version of bpstream trains additive, "
        ):
            of_folder(folder, STRANGERS)
    finally:
        manifest.write_text(before)
