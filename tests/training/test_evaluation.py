"""An evaluation: a model beside its baselines, on patients it never saw."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.errors import FileError, ModelError
from bpstream.training import baselines
from bpstream.training.cross_validation import FOLDS
from bpstream.training.evaluation import SENSITIVITY, STEPS, evaluate
from bpstream.training.outcomes import outcomes
from bpstream.training.readings import load
from bpstream.training.report import MODEL, as_json, table
from bpstream.training.splits import folds, hold_out
from tests.training.series import SAMPLE, a_series, needs_sample, random_series

POPULATION = random_series(patients=400, readings=12, sd=25)
HELD_OUT = hold_out(POPULATION, share=0.5, seed=0)
TRAIN, UNSEEN = POPULATION.of(~HELD_OUT), POPULATION.of(HELD_OUT)


class Tells:
    """A model that tells of each target what `tell` makes of its outcome."""

    def __init__(self, tell):
        self.tell = tell

    def predict(self, series):
        return {target: self.tell(each) for target, each in outcomes(series).items()}


PROPHET = Tells(lambda outcome: outcome.event.astype(float))
GUESSER = Tells(lambda outcome: np.random.default_rng(0).random(len(outcome.event)))


@pytest.fixture(scope="module")
def evaluation():
    """Of a guesser, on the patients held out."""
    return evaluate(UNSEEN, GUESSER, train=TRAIN, resamples=50)


def test_every_target_has_the_figures_that_scikit_learn_measures(evaluation):
    model = baselines.fit(TRAIN)["four_features"].predict(UNSEEN)
    for target, outcome in outcomes(UNSEEN).items():
        report = evaluation.report[target]
        event, told = outcome.event[outcome.counted], model[target][outcome.counted]
        figures = report.baselines["four_features"]
        assert figures.auroc == pytest.approx(roc_auc_score(event, told), abs=1e-12)
        assert figures.auprc == pytest.approx(average_precision_score(event, told), abs=1e-12)
        assert figures.brier == pytest.approx(brier_score_loss(event, told), abs=1e-12)
        assert (report.n, report.events) == (len(event), event.sum())
        assert report.prevalence == event.mean()
        assert report.patients == len(np.unique(UNSEEN.patient[outcome.counted]))


def test_intervals_hold_their_figures_and_differences_theirs(evaluation):
    for report in evaluation.report.values():
        for figures in (report.model, *report.baselines.values(), report.difference):
            for metric in ("auroc", "auprc", "brier"):
                low, high = getattr(figures, f"{metric}_ci")
                assert low <= getattr(figures, metric) <= high
        assert report.difference.to == baselines.BEST_BASELINE
        assert report.difference.auroc_ci[1] < 0  # a guess is worse, beyond doubt
        assert report.difference.brier_ci[0] > 0


def test_a_model_that_is_the_baseline_differs_from_it_in_nothing():
    model = baselines.fit(TRAIN)["four_features"]
    for report in evaluate(UNSEEN, model, train=TRAIN, resamples=20).report.values():
        less = report.difference
        assert (less.auroc, less.auprc, less.brier) == (0, 0, 0)
        assert less.auroc_ci == less.auprc_ci == less.brier_ci == (0, 0)
        assert report.model == report.baselines["four_features"]


def test_a_model_that_knows_the_future_is_perfect_and_warns_only_where_it_must():
    for report in evaluate(UNSEEN, PROPHET, train=TRAIN, resamples=20).report.values():
        assert (report.model.auroc, report.model.auprc, report.model.brier) == (1, 1, 0)
        assert report.model.auroc_ci == (1, 1)
        assert report.model.alerts_per_patient_day == report.events / report.patient_days
        assert report.model.calibration_slope is None


def test_readings_in_the_state_and_those_that_nothing_follows_count_for_nothing():
    def spoil(outcome):
        told = outcome.event.astype(float)
        told[~outcome.counted] = 1 - told[~outcome.counted]
        return told

    spoiled, clean = (
        evaluate(UNSEEN, Tells(tell), train=TRAIN, resamples=5).report
        for tell in (spoil, PROPHET.tell)
    )
    assert spoiled == clean


def test_without_training_patients_each_fold_is_told_by_the_others():
    found = evaluate(UNSEEN, GUESSER, resamples=0, seed=4).samples["low_map"].probabilities
    outcome = outcomes(UNSEEN)["low_map"]
    expected = np.empty(len(UNSEEN))
    for fold in folds(UNSEEN, count=FOLDS, seed=4):
        model = baselines.fit(UNSEEN.of(~fold))["last_value"]
        expected[fold[UNSEEN.patient]] = model.predict(UNSEEN.of(fold))["low_map"]
    assert found["last_value"].tolist() == expected[outcome.counted].tolist()
    # But nobody is ranked by the fold they are in.
    assert set(found["prevalence"]) == {outcome.event[outcome.counted].mean()}


def test_alerts_are_counted_per_day_that_patients_were_watched():
    rows = [("a", 60 * hour, 95, 60) for hour in range(25)]  # a day
    rows += [("b", 0, 95, 60), ("b", 240, 85, 55), ("b", 241, 95, 60)]
    rows += [("b", 60 * hour, 95, 60) for hour in (100, 200)]  # nobody knows what came between
    series = a_series(*rows)
    told = np.full(len(series), 0.1)
    told[[0, 5, 25]] = 0.6, 0.7, 0.6  # 25: b's first, before the only event
    report = evaluate(series, Tells(lambda outcome: told), train=TRAIN, resamples=0).report[
        "hypotension"
    ]
    assert report.events == 1
    assert report.patient_days == pytest.approx(1 + 241 / 1440)
    assert report.model.alerts_per_patient_day == pytest.approx(3 / report.patient_days)
    assert report.sensitivity == SENSITIVITY


def test_patients_of_the_training_are_refused():
    some = POPULATION.of(HELD_OUT | (np.arange(400) < 10))
    known = np.count_nonzero(~HELD_OUT[:10])
    with pytest.raises(FileError, match=f"^{known} of {len(some.patient_ids)} patients are among"):
        evaluate(some, GUESSER, train=TRAIN)


def test_few_patients_are_enough_and_one_alone_is_not():
    patients = np.arange(len(UNSEEN.patient_ids))
    report = evaluate(UNSEEN.of(patients < 2), GUESSER, resamples=5).report
    assert 0 < report["hypotension"].n <= 24
    with pytest.raises(FileError, match="one patient alone"):
        evaluate(UNSEEN.of(patients < 1), GUESSER)


def test_what_is_no_probability_is_refused():
    with pytest.raises(ModelError, match="no probability"):
        evaluate(UNSEEN, Tells(lambda outcome: outcome.event + 1.0), train=TRAIN)


def test_the_same_seed_gives_the_same_bytes(evaluation):
    again = evaluate(UNSEEN, GUESSER, train=TRAIN, resamples=50)
    assert as_json(again.report) == as_json(evaluation.report)
    other = evaluate(UNSEEN, GUESSER, train=TRAIN, resamples=50, seed=1)
    assert as_json(other.report) != as_json(evaluation.report)


def test_progress_names_every_step_in_order():
    steps = []
    evaluate(UNSEEN, GUESSER, train=TRAIN, resamples=0, progress=steps.append)
    assert tuple(steps) == STEPS


def numbers_of(value):
    """Every number in parsed JSON."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from numbers_of(each)
    elif isinstance(value, int | float):
        yield value


def test_the_json_has_every_target_with_its_model_and_baselines(evaluation):
    found = json.loads(as_json(evaluation.report))
    assert tuple(found) == TARGETS
    for target in found.values():
        assert target["n"] > target["events"] > 0
        assert tuple(target["baselines"]) == baselines.BASELINES
        assert {"auroc", "auprc", "brier", "auroc_ci", "calibration_slope"} < set(target["model"])
        assert target["baselines"]["prevalence"]["calibration_slope"] is None
    assert all(map(math.isfinite, numbers_of(found)))


def test_the_table_has_a_line_each_for_the_model_the_baselines_and_the_difference(evaluation):
    text = table(evaluation.report)
    report = evaluation.report["low_map"]
    (part,) = (each for each in text.split("\n\n") if each.startswith("low_map"))
    title, head, *lines, less = part.splitlines()
    assert f"{report.n:,} readings of {report.patients} patients" in title
    assert [line.split()[0] for line in lines] == [MODEL, *baselines.BASELINES]
    assert f"{report.model.auroc:.3f} [{report.model.auroc_ci[0]:.3f}, " in lines[0]
    assert less.split()[:4] == ["model", "-", "four_features", f"{report.difference.auroc:+.3f}"]
    assert len({len(line) for line in (head, *lines)}) == 1
    assert "80% of the events" in text


def test_a_file_that_tells_nothing_of_a_target_has_figures_that_are_null():
    same = {
        name: np.full(len(UNSEEN), mmhg) for name, mmhg in (("systolic", 85.0), ("diastolic", 60.0))
    }
    low = replace(UNSEEN, **same)
    report = evaluate(low, GUESSER, train=TRAIN, resamples=5).report
    found = json.loads(as_json(report))
    assert found["hypotension"]["n"] == 0
    assert found["hypotension"]["prevalence"] is None
    assert set(found["hypotension"]["model"].values()) == {None}
    assert found["severe"]["events"] == 0
    assert found["severe"]["model"]["auroc"] is None
    assert found["severe"]["model"]["auroc_ci"] is None
    assert found["severe"]["model"]["brier"] > 0
    assert "hypotension: 0 readings of 0 patients at risk, and nothing to measure" in table(report)


@needs_sample
def test_the_baselines_are_as_good_on_real_readings_as_is_known():
    series = load(SAMPLE)
    report = evaluate(series, GUESSER, resamples=20).report
    areas = {
        target: [round(each.baselines[name].auroc, 2) for name in ("last_value", "four_features")]
        for target, each in report.items()
    }
    assert areas == {"hypotension": [0.83, 0.85], "low_map": [0.77, 0.80], "severe": [0.92, 0.93]}
