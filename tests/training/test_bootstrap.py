"""The bootstrap: held to patients copied out and measured by scikit-learn."""

import time

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from bpstream.training.bootstrap import METRICS, draw, interval


def population(patients, readings, seed=0):
    """(event, probability, patient): patients differ, readings of one patient less so."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), readings)
    level = random.normal(-2, 1.5, patients)[patient]
    probability = 1 / (1 + np.exp(-level - random.normal(0, 0.5, len(patient))))
    return random.random(len(patient)) < probability, probability, patient


def test_every_draw_is_what_scikit_learn_measures_of_the_patients_drawn():
    event, probability, patient = population(25, 8)
    models = {"fine": probability, "coarse": np.round(probability, 1)}
    found = draw(event, models, patient + 100, resamples=20, seed=3)
    random = np.random.default_rng(3)
    for number in range(20):
        drawn = random.integers(25, size=25)
        rows = np.concatenate([np.flatnonzero(patient == each) for each in drawn])
        for model, p in models.items():
            expected = [
                measure(event[rows], p[rows])
                for measure in (roc_auc_score, average_precision_score, brier_score_loss)
            ]
            measured = [getattr(found[model], metric)[number] for metric in METRICS]
            assert measured == pytest.approx(expected, abs=1e-12)


def test_the_same_seed_draws_the_same_patients_and_another_one_others():
    event, probability, patient = population(20, 5)
    first, second, other = (
        draw(event, {"model": probability}, patient, resamples=5, seed=seed)["model"].auroc
        for seed in (1, 1, 2)
    )
    assert first.tolist() == second.tolist() != other.tolist()


def test_models_are_compared_on_the_same_patients():
    event, probability, patient = population(60, 10)
    nearly = np.clip(probability + np.random.default_rng(1).normal(0, 0.01, len(event)), 0, 1)
    found = draw(event, {"a": probability, "b": nearly}, patient, resamples=200, seed=0)
    apart = found["a"].auroc.std() + found["b"].auroc.std()
    assert (found["a"].auroc - found["b"].auroc).std() < apart / 5


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    def auroc(event, probability, patient):
        return draw(event, {"": probability}, patient, resamples=100, seed=0)[""].auroc

    truth = roc_auc_score(*population(30_000, 8, seed=99)[:2])
    intervals = [interval(auroc(*population(60, 8, seed))) for seed in range(60)]
    held = sum(low <= truth <= high for low, high in intervals)
    assert 50 <= held <= 60


def test_an_interval_of_whole_patients_is_wider_than_one_of_single_readings():
    event, probability, patient = population(100, 30)
    of_patients, of_readings = (
        interval(draw(event, {"": probability}, each, resamples=200, seed=0)[""].brier)
        for each in (patient, np.arange(len(event)))
    )
    assert np.ptp(of_patients) > 1.5 * np.ptp(of_readings)


@pytest.mark.parametrize("event", [[False] * 6, [True] * 6])
def test_draws_without_both_outcomes_have_no_area_and_no_interval(event):
    probability = np.linspace(0.1, 0.9, 6)
    found = draw(np.array(event), {"": probability}, np.arange(6), resamples=10, seed=0)[""]
    assert np.isnan(interval(found.auroc)).all()
    assert np.isnan(interval(found.auprc)).all()
    assert np.isfinite(interval(found.brier)).all()


def test_no_readings_have_no_interval():
    nothing = np.zeros(0)
    found = draw(nothing > 0, {"": nothing}, nothing, resamples=10, seed=0)[""]
    assert all(np.isnan(interval(replicates)).all() for replicates in found)


def test_draws_that_cannot_be_measured_are_passed_over():
    assert interval(np.array([np.nan, 1.0, 2.0, np.nan])) == pytest.approx((1.025, 1.975))


def test_a_thousand_draws_of_many_readings_take_seconds():
    event, probability, patient = population(6000, 17)
    began = time.process_time()
    draw(event, {"model": probability}, patient, resamples=200, seed=0)
    assert time.process_time() - began < 2  # measured: 0.12 s
