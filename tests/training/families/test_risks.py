"""The families' risks: what the rules say, learned from two pressures."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from bpstream.training import anomaly, data
from bpstream.training.families import family_named
from bpstream.training.ranking import ranked

READINGS = data.original()
RANDOM = np.random.default_rng(0)
UNSEEN = data.label(RANDOM.normal(*data.SYSTOLIC, 4000), RANDOM.normal(*data.DIASTOLIC, 4000))

LEAST = {"quadratic": 0.98, "forest": 0.999, "xgboost": 0.999}
every_risk = pytest.mark.parametrize("name", LEAST)


def risk_of(name):
    return family_named(name).fit_risk(READINGS.features.T, READINGS.anomalous, seed=0)


@every_risk
def test_a_risk_that_sees_both_sides_ranks_unseen_readings(name):
    said = risk_of(name).score(UNSEEN.systolic, UNSEEN.diastolic)
    assert ((said >= 0) & (said <= 1)).all()
    assert ranked(UNSEEN.anomalous, said).auroc > LEAST[name]


@every_risk
@pytest.mark.parametrize(
    ("systolic", "diastolic", "anomalous"),
    [(120, 76, False), (185, 120, True), (70, 40, True), (120, 110, True), (120, 45, True)],
)
def test_a_risk_of_a_plain_reading_is_plain(name, systolic, diastolic, anomalous):
    said = risk_of(name).score(np.array([float(systolic)]), np.array([float(diastolic)]))
    assert (said[0] > 0.5) == anomalous


@pytest.mark.parametrize("name", ["forest", "xgboost"])
@pytest.mark.parametrize(("systolic", "anomalous"), [(139.7, False), (140.4, True)])
def test_a_risk_of_whole_numbers_finds_limits_between_them(name, systolic, anomalous):
    whole = READINGS.features.T.round()
    fitted = anomaly.fit(*whole, learn=family_named(name).fit_risk, seed=0)
    said = fitted.risk.score(np.array([systolic]), np.array([75.0]))
    assert (said[0] > 0.5) == anomalous
    assert fitted.about["kind"] == "trees"
    assert fitted.about["metrics"]["agreement"] > 0.99


def test_the_quadratic_is_the_polynomial_that_scikit_learn_fits():
    logistic = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    model = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False), logistic)
    model.fit(READINGS.features, READINGS.anomalous)
    said = risk_of("quadratic").score(UNSEEN.systolic, UNSEEN.diastolic)
    np.testing.assert_allclose(said, model.predict_proba(UNSEEN.features)[:, 1], atol=1e-6)
