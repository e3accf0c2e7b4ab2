"""Drift: a feed that does not look like the training data is seen, one that does is not."""

import numpy as np
import pytest

from bpstream.clinical.models.drift import FEWEST, LARGE, Drift, Reference, stability_index

RANDOM = np.random.default_rng(1)


def reference(values: np.ndarray, bins: int = 10) -> Reference:
    edges = np.quantile(values, np.arange(1, bins) / bins)
    shares = np.bincount(np.searchsorted(edges, values), minlength=bins) / len(values)
    return Reference(edges, shares)


@pytest.fixture
def drift() -> Drift:
    return Drift({"systolic": reference(RANDOM.normal(120, 20, 50_000))})


@pytest.mark.parametrize(
    ("mean", "sd", "other"), [(120, 20, False), (122, 20, False), (135, 20, True), (120, 45, True)]
)
def test_a_feed_of_another_population_has_a_large_index(drift, mean, sd, other):
    for _ in range(20):
        drift.observe({"systolic": RANDOM.normal(mean, sd, 500)})
    assert (drift.index()["systolic"] > LARGE) == other


def test_a_feed_that_changes_is_seen_however_long_it_was_as_before(drift):
    for _ in range(100):
        drift.observe({"systolic": RANDOM.normal(120, 20, 1000)})
    assert drift.index()["systolic"] < 0.02
    for _ in range(20):
        drift.observe({"systolic": RANDOM.normal(150, 20, 1000)})
    assert drift.index()["systolic"] > LARGE


def test_nothing_is_said_of_few_readings_and_nan_is_none(drift):
    drift.observe({"systolic": np.full(FEWEST - 1, 300.0)})
    assert drift.index() == {}
    drift.observe({"systolic": np.full(10, np.nan), "unknown": np.zeros(3)})
    assert drift.index() == {}
    drift.observe({"systolic": np.array([300.0])})
    assert drift.index()["systolic"] > LARGE
    assert drift.counts["systolic"].sum() == FEWEST


def test_how_readings_are_cut_into_batches_hardly_matters(drift):
    other = Drift(drift.references)
    values = RANDOM.normal(130, 20, 20_000)
    drift.observe({"systolic": values[:10_000]})
    drift.observe({"systolic": values[10_000:]})
    for part in np.split(values, 200):
        other.observe({"systolic": part})
    assert other.index()["systolic"] == pytest.approx(drift.index()["systolic"], rel=0.1)


def test_equal_shares_have_the_index_0_and_an_unseen_bin_a_finite_one():
    shares = np.array([0.2, 0.8])
    assert stability_index(shares, shares) == 0
    assert 1 < stability_index(np.array([0.0, 1.0]), np.array([0.5, 0.5])) < 10
