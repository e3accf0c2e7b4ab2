"""The additive family: tables that say what scikit-learn says, and rise and fall as they must."""

from dataclasses import replace

import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, GRIDS
from bpstream.clinical.models.early_warning import Seen
from bpstream.training.examples import Examples
from bpstream.training.families import additive
from bpstream.training.ranking import ranked
from tests.training.few_trees import few_trees
from tests.training.series import random_series

TRAIN, UNSEEN = (
    Examples.of(random_series(patients=150, readings=20, seed=seed, sd=30)) for seed in (1, 2)
)


@pytest.fixture(scope="module", autouse=True)
def quickly():
    with few_trees(bins=12):
        yield


@pytest.fixture(scope="module")
def fitted():
    return additive.fit(TRAIN, seed=0, progress=lambda step: None)


def test_the_tables_say_what_scikit_learn_says(fitted):
    served = fitted.form.served().probabilities(UNSEEN.seen)
    for at, target in enumerate(TARGETS):
        columns = UNSEEN.features.T
        expected = fitted.estimators[target].predict_proba(columns)[:, 1]
        assert len(np.unique(expected)) > 5
        assert served[at] == pytest.approx(expected, abs=1e-12)


def test_contributions_and_the_intercept_are_scikit_learns_log_odds(fitted):
    added = fitted.form.served().contributions(UNSEEN.seen)
    for at, target in enumerate(TARGETS):
        columns = UNSEEN.features.T
        expected = fitted.estimators[target].decision_function(columns)
        told = added[at].sum(axis=0) + fitted.form.targets[target].intercept
        assert told == pytest.approx(expected, abs=1e-12)


def test_contributions_are_against_the_average_reading_at_risk(fitted):
    added = fitted.form.served().contributions(TRAIN.seen)
    for of_target, at_risk in zip(added, TRAIN.at_risk, strict=True):
        assert of_target[:, at_risk].mean(axis=1) == pytest.approx(0, abs=1e-12)


def test_the_tables_find_what_comes_next_in_patients_they_never_saw(fitted):
    told = fitted.form.served().probabilities(UNSEEN.seen)
    for probability, event, at_risk in zip(told, UNSEEN.labels, UNSEEN.at_risk, strict=True):
        assert ranked(event[at_risk], probability[at_risk]).auroc > 0.75


@pytest.mark.parametrize("target", TARGETS)
def test_a_probability_only_rises_or_only_falls_where_it_must(fitted, target):
    steps = {term.feature: np.diff(term.values) for term in fitted.form.targets[target].terms}
    wanted = {name: way for name, way in additive.monotone(target).items() if name in steps}
    assert len(wanted) > 1
    for name, way in wanted.items():
        assert (way * steps[name] >= 0).all(), name


def test_a_target_looks_at_no_margin_of_another_one():
    for target in TARGETS:
        names = [FEATURES[at] for at in additive.used(target)]
        others = {f"{other}_margin" for other in TARGETS} - {f"{target}_margin"}
        assert f"{target}_margin" in names
        assert not others & set(names)
        assert set(additive.monotone(target)) <= set(names)


def test_the_prevalence_is_of_readings_at_risk(fitted):
    for at, target in enumerate(TARGETS):
        at_risk = TRAIN.at_risk[at]
        assert fitted.form.prevalence[target] == TRAIN.labels[at][at_risk].mean()


def test_the_same_seed_learns_the_same(fitted):
    assert additive.fit(TRAIN, seed=0, progress=lambda step: None).form == fitted.form


def test_progress_names_every_target_in_order():
    steps = []
    additive.fit(TRAIN, seed=0, progress=steps.append)
    assert tuple(steps) == additive.STEPS


@pytest.mark.parametrize("outcome", [True, False])
def test_where_all_came_out_the_same_the_share_is_told_of_everybody(outcome):
    same = replace(TRAIN, labels=np.full_like(TRAIN.labels, outcome))
    found = additive.fit(same, seed=0, progress=lambda step: None)
    assert not found.estimators
    told = found.form.served().probabilities(UNSEEN.seen)
    assert (abs(told - outcome) < 0.01).all()
    assert ((told > 0) & (told < 1)).all()


def test_readings_too_few_to_be_cut_are_all_told_the_same():
    few = replace(
        TRAIN,
        features=TRAIN.features[:, :8],
        labels=np.tile([True, False], (len(TARGETS), 4)),
        at_risk=TRAIN.at_risk[:, :8],
        patient=TRAIN.patient[:8],
    )
    told = additive.fit(few, seed=0, progress=lambda step: None).form.served()
    assert np.ptp(told.probabilities(UNSEEN.seen), axis=1).max() < 1e-12


def test_every_cell_of_a_feature_has_a_value_that_scikit_learn_gives(fitted):
    """Also those that no reading of the training fell into."""
    at = FEATURES.index("systolic")
    grid = GRIDS["systolic"]
    cells = grid.least + np.arange(grid.cells) / grid.per_unit
    columns = np.repeat(np.median(UNSEEN.features, axis=1)[:, None], len(cells), axis=1)
    columns[at] = cells
    told = fitted.form.served().probabilities(Seen(columns))
    for place, target in enumerate(TARGETS):
        given = columns.T
        expected = fitted.estimators[target].predict_proba(given)[:, 1]
        assert told[place] == pytest.approx(expected, abs=1e-12)
