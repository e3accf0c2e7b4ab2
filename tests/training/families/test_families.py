"""What holds of every family: it learns, it is served as it learned, and the same twice."""

import sys
from functools import cache

import msgspec
import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.errors import ModelError
from bpstream.training.examples import Examples
from bpstream.training.families import FAMILIES, family_named
from bpstream.training.ranking import ranked
from tests.training.series import a_series, random_series

# The default one has tests of its own, with fewer trees.
OTHERS = [name for name in FAMILIES if name != "additive"]
every_family = pytest.mark.parametrize("name", OTHERS)

KNOWN = Examples.of(random_series(patients=150, readings=12, sd=45))
UNSEEN = Examples.of(random_series(patients=150, readings=12, sd=45, seed=1))


def fit(name, examples, *, seed=0, progress=lambda step: None):
    return family_named(name).fit(examples, seed=seed, progress=progress)


@cache
def fitted(name):
    said = []
    return fit(name, KNOWN, progress=said.append), said


@every_family
def test_a_family_ranks_those_first_who_will_be_in_the_state(name):
    said = fitted(name)[0].form.served().probabilities(UNSEEN.seen)
    for target, at_risk in enumerate(UNSEEN.at_risk):
        event, score = UNSEEN.labels[target][at_risk], said[target][at_risk]
        assert ranked(event, score).auroc > 0.85
        assert score.mean() == pytest.approx(event.mean(), abs=0.05)


@pytest.mark.parametrize("name", ["logistic", "xgboost"])
def test_the_estimator_says_what_the_form_says(name):
    found, _ = fitted(name)
    said = found.form.served().probabilities(UNSEEN.seen)
    for target, probabilities in zip(TARGETS, said, strict=True):
        expected = found.estimators[target].predict_proba(UNSEEN.features.T)[:, 1]
        np.testing.assert_allclose(probabilities, expected, atol=1e-4)


def test_a_forest_is_its_estimator_set_right():
    found, _ = fitted("forest")
    said = found.form.served().probabilities(UNSEEN.seen)
    for target, probabilities in zip(TARGETS, said, strict=True):
        link = found.form.targets[target].link
        mean = found.estimators[target].predict_proba(UNSEEN.features.T)[:, 1]
        mean = mean.clip(link.least, 1 - link.least)
        logit = link.intercept + link.slope * np.log(mean / (1 - mean))
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logit)), atol=1e-3)


@every_family
def test_the_steps_are_told_as_they_begin(name):
    assert tuple(fitted(name)[1]) == family_named(name).steps


@every_family
def test_the_features_that_are_told_are_among_those_there_are(name):
    assert set(fitted(name)[0].features) <= set(FEATURES)


@every_family
def test_the_same_seed_gives_the_same_form(name):
    again = fit(name, KNOWN)
    assert msgspec.json.encode(again.form) == msgspec.json.encode(fitted(name)[0].form)


@pytest.mark.parametrize("name", ["forest", "xgboost", "gru"])
def test_another_seed_gives_another_form(name):
    assert fit(name, KNOWN, seed=1).form != fitted(name)[0].form


@every_family
def test_of_what_never_happens_a_family_says_that_it_is_rare(name):
    steady = Examples.of(
        a_series(*((f"{nth % 10}", 10 * nth, 120 + nth % 7, 80 + nth % 4) for nth in range(80)))
    )
    assert not steady.labels.any()
    said = fit(name, steady).form.served().probabilities(steady.seen)
    assert (said < 0.05).all()


@every_family
def test_one_patient_is_enough_to_learn_something(name):
    alone = Examples.of(
        a_series(*(("a", 30 * nth, 80 + 3 * (nth % 9), 55 + nth % 7) for nth in range(60)))
    )
    said = fit(name, alone).form.served().probabilities(alone.seen)
    assert ((said >= 0) & (said <= 1)).all()


def test_without_xgboost_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "bpstream.training.families.xgboost", raising=False)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(ModelError, match=r"pip install 'bpstream\[xgboost\]'"):
        family_named("xgboost")
