"""The original model's risk, fitted anew: the figures of its card, and the shipped numbers."""

from itertools import product

import numpy as np
import pytest

from bpstream.clinical.models.model import load
from bpstream.resources import shipped
from bpstream.training.original import STEPS, fit
from bpstream.training.train import ORIGINAL_NAME

MODELS = shipped("models")


@pytest.fixture(scope="module")
def fitted():
    """What was fitted, and the steps that were told."""
    steps = []
    return fit(steps.append), steps


def test_the_report_has_the_figures_of_the_original(fitted):
    report = fitted[0].report
    assert report.accuracy == pytest.approx(0.667, abs=0.0005)
    assert report.recall_hypertension == pytest.approx(0.919, abs=0.0005)
    assert report.auroc == pytest.approx(0.673, abs=0.0005)
    assert report.brier == pytest.approx(0.232, abs=0.0005)
    assert report.risks == pytest.approx(
        {"89/70": 0.305, "120/80": 0.494, "185/120": 0.910}, abs=0.0005
    )


def test_it_finds_no_hypotension_and_its_card_says_so(fitted):
    assert fitted[0].report.recall_hypotension == 0
    card = (MODELS / "README.md").read_text()
    assert "| recall, readings that are only too low | **0.000** |" in card


def test_the_classification_report_is_for_people_to_read(fitted):
    report = fitted[0].report
    assert "precision" in report.classification
    assert "anomalous" in report.classification
    assert "classification" not in fitted[0].about["metrics"]


def test_the_served_risk_scores_as_scikit_learns_model_does(fitted):
    grid = np.array([*product(range(30, 351, 10), range(10, 251, 10))], np.float64)
    original = fitted[0].estimator.predict_proba(grid)[:, 1]
    assert fitted[0].risk.score(*grid.T) == pytest.approx(original, abs=1e-12)


def test_the_shipped_risk_is_the_one_that_is_fitted(fitted):
    grid = np.array([*product(range(30, 351, 10), range(10, 251, 10))], np.float64)
    shipped_risk = load(MODELS / ORIGINAL_NAME).risk
    assert shipped_risk.score(*grid.T) == pytest.approx(fitted[0].risk.score(*grid.T), abs=1e-6)


def test_progress_names_every_step_in_order(fitted):
    assert tuple(fitted[1]) == STEPS
