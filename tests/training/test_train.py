"""Training anew gives the model that is shipped, with the figures of its card."""

import json
from itertools import product

import joblib
import numpy as np
import pytest

from bpstream.clinical import risk
from bpstream.resources import shipped
from bpstream.training.train import JOBLIB_FILE, NAME, STEPS, train

SHIPPED = shipped("models") / NAME


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder, the report and the steps of one training."""
    folder = tmp_path_factory.mktemp("models") / NAME
    steps = []
    return folder, train(folder, progress=steps.append), steps


def test_the_report_has_the_figures_of_the_original(trained):
    _, report, _ = trained
    assert report.accuracy == pytest.approx(0.667, abs=0.0005)
    assert report.recall_hypertension == pytest.approx(0.919, abs=0.0005)
    assert report.auroc == pytest.approx(0.673, abs=0.0005)
    assert report.brier == pytest.approx(0.232, abs=0.0005)
    assert report.risks == pytest.approx(
        {"89/70": 0.305, "120/80": 0.494, "185/120": 0.910}, abs=0.0005
    )


def test_the_model_finds_no_hypotension_and_its_card_says_so(trained):
    _, report, _ = trained
    assert report.recall_hypotension == 0
    card = (SHIPPED.parent / "README.md").read_text()
    assert "| recall, readings that are only too low | **0.000** |" in card


def test_the_classification_report_is_for_people_to_read(trained):
    _, report, _ = trained
    assert "precision" in report.classification
    assert "anomalous" in report.classification


def test_progress_names_every_step_in_order(trained):
    assert tuple(trained[2]) == STEPS


def test_training_anew_gives_the_shipped_coefficients(trained):
    new, old = (
        json.loads((folder / risk.MODEL_FILE).read_bytes()) for folder in (trained[0], SHIPPED)
    )
    for model in (new, old):
        model["weights"] = [model.pop("intercept"), *model.pop("coefficients")]
    assert new.pop("weights") == pytest.approx(old.pop("weights"), abs=1e-6)
    assert new == old


def test_training_anew_gives_the_shipped_record(trained):
    new, old = (
        json.loads((folder / risk.MANIFEST_FILE).read_bytes()) for folder in (trained[0], SHIPPED)
    )
    for manifest in (new, old):
        del manifest["sha256"], manifest["versions"]
        manifest["metrics"] |= manifest["metrics"].pop("risks")
    assert new.pop("metrics") == pytest.approx(old.pop("metrics"), abs=1e-6)
    assert new == old


def test_training_twice_writes_the_same_bytes(trained, tmp_path):
    train(tmp_path, progress=lambda step: None)
    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (trained[0], tmp_path)
    )
    assert first == second
    assert set(first) == {risk.MODEL_FILE, risk.MANIFEST_FILE, JOBLIB_FILE}


def test_training_over_an_older_model_replaces_it(trained, tmp_path):
    for name in (risk.MODEL_FILE, risk.MANIFEST_FILE, JOBLIB_FILE):
        (tmp_path / name).write_text("older")
    train(tmp_path, progress=lambda step: None)
    assert risk.load(tmp_path) == risk.load(trained[0])


def test_the_served_model_scores_as_scikit_learns_does(trained):
    folder = trained[0]
    grid = np.array([*product(range(30, 351, 10), range(10, 251, 10))], np.float64)
    served = risk.load(folder).score(*grid.T)
    original = joblib.load(folder / JOBLIB_FILE).predict_proba(grid)[:, 1]
    assert served == pytest.approx(original, abs=1e-12)
