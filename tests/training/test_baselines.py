"""Baselines: plain arithmetic on a patient's past, fitted as scikit-learn fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.errors import ModelError
from bpstream.training.baselines import BASELINES, BEST_BASELINE, features, fit
from bpstream.training.outcomes import outcomes
from bpstream.training.predictor import predictions
from bpstream.training.ranking import ranked
from bpstream.training.splits import hold_out
from tests.training.series import a_series, random_series

ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 3000),
        st.integers(60, 220),
        st.integers(30, 59),
        st.sampled_from(["NIBP", "ART"]),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: (row[0], row[1], row[4]),
)
SERIES = random_series(patients=300, readings=12)


@given(ROWS)
def test_features_are_those_of_plain_python(rows):
    rows.sort(key=lambda row: (row[0], row[1], row[4]))
    series = a_series(*rows)
    for target in TARGETS:
        value = series.mean_arterial_pressure if target == "low_map" else series.systolic
        found = features(series, target)
        for place, row in enumerate(rows):
            past = [
                value[other]
                for other, each in enumerate(rows[: place + 1])
                if (each[0], each[4]) == (row[0], row[4])
            ]
            extreme = max(past) if target == "severe" else min(past)
            expected = [past[-1], np.mean(past[-5:]), np.mean(past), extreme]
            assert found[place] == pytest.approx(expected, abs=1e-9)
            assert found[place, 3] == extreme


@given(st.integers(1, 11), st.sampled_from(TARGETS))
def test_what_comes_later_and_other_patients_change_nothing(readings, target):
    now = np.tile(np.arange(12) < readings, 300)
    rows = [
        (str(patient), t, systolic, diastolic)
        for patient, t, systolic, diastolic, wanted in zip(
            *(SERIES.patient, SERIES.t_minutes, SERIES.systolic, SERIES.diastolic, now),
            strict=True,
        )
        if wanted and patient in {7, 8}
    ]
    known = now & np.isin(SERIES.patient, [7, 8])
    alone = features(a_series(*rows), target)
    assert alone == pytest.approx(features(SERIES, target)[known], abs=1e-9)


def test_every_baseline_gives_every_target_a_probability():
    models = fit(SERIES)
    assert tuple(models) == BASELINES
    assert BEST_BASELINE in models
    for model in models.values():
        assert set(predictions(model, SERIES)) == set(TARGETS)


def test_the_share_of_events_is_told_of_everybody():
    found = fit(SERIES)["prevalence"].predict(random_series(patients=3, readings=2))
    for target, outcome in outcomes(SERIES).items():
        assert found[target] == pytest.approx(outcome.event[outcome.counted].mean())


@pytest.mark.parametrize(("name", "used"), [("last_value", 1), ("four_features", 4)])
def test_a_fitted_baseline_is_a_logistic_regression(name, used):
    outcome = outcomes(SERIES)["low_map"]
    columns = features(SERIES, "low_map")[:, :used]
    known = columns[outcome.counted]
    model = LogisticRegression(tol=1e-10, max_iter=1000).fit(
        (known - known.mean(axis=0)) / known.std(axis=0), outcome.event[outcome.counted]
    )
    expected = model.predict_proba((columns - known.mean(axis=0)) / known.std(axis=0))[:, 1]
    assert fit(SERIES)[name].predict(SERIES)["low_map"] == pytest.approx(expected, abs=1e-5)


def test_the_more_a_baseline_knows_the_better_it_ranks_patients_it_never_saw():
    series = random_series(patients=1500, readings=15, seed=1)
    held_out = hold_out(series, share=0.4, seed=0)
    unseen = series.of(held_out)
    outcome = outcomes(unseen)["hypotension"]
    areas = {
        name: ranked(
            outcome.event[outcome.counted], model.predict(unseen)["hypotension"][outcome.counted]
        ).auroc
        for name, model in fit(series.of(~held_out)).items()
    }
    assert areas["prevalence"] == 0.5
    assert 0.7 < areas["last_value"] < areas["four_features"]


def test_without_events_a_baseline_tells_that_none_comes():
    calm = a_series(*(("a", 60 * hour, 120 + hour % 3, 75) for hour in range(20)))
    for model in fit(calm).values():
        for probability in model.predict(SERIES).values():
            assert probability.max() < 1e-8


def test_a_pressure_that_never_changes_teaches_nothing_and_breaks_nothing():
    rows = [(patient, 60 * hour, 120, 75) for patient in "abc" for hour in range(5)]
    models = fit(a_series(*rows, ("c", 300, 80, 50)))
    probability = models["four_features"].predict(a_series(*rows))["hypotension"]
    assert probability == pytest.approx(1 / 13, abs=0.01)


def test_readings_that_nothing_follows_teach_nothing():
    for model in fit(a_series(("a", 0, 120, 80), ("a", 241, 120, 80))).values():
        for probability in model.predict(SERIES).values():
            assert set(probability) == {0.5}


class Says:
    """A model that says what it is told to."""

    def __init__(self, **told):
        self.told = told

    def predict(self, series):
        return self.told


FINE = {target: np.array([0.0, 1.0]) for target in TARGETS}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"severe": np.array([0.5])}, r"severe has shape \(1,\), not \(2,\)"),
        ({"severe": np.array([0.5, np.nan])}, "severe of reading 1 is nan: no probability"),
        ({"low_map": np.array([-0.1, 0.5])}, "low_map of reading 0 is -0.1"),
        ({"low_map": np.array([0.5, 1.1])}, "low_map of reading 1 is 1.1"),
    ],
)
def test_what_is_no_probability_is_refused(changed, told):
    with pytest.raises(ModelError, match=told):
        predictions(Says(**FINE | changed), a_series(("a", 0, 120, 80), ("a", 60, 120, 80)))


def test_a_model_that_lacks_a_target_is_refused():
    with pytest.raises(ModelError, match="nothing of severe, only of hypotension, low_map"):
        predictions(
            Says(hypotension=FINE["hypotension"], low_map=FINE["low_map"]),
            a_series(("a", 0, 120, 80), ("a", 60, 120, 80)),
        )
