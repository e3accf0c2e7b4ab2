"""The forest family: random forests, whose averages are set right on patients apart."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, GRIDS
from bpstream.clinical.history import Floats
from bpstream.clinical.models.trees import NO_LEAST, Mean, TreesForm, TreesRisk
from bpstream.training.examples import Examples, Flags
from bpstream.training.families.family import Fitted, Progress, log_odds, teaches
from bpstream.training.families.read_off import constant, of_forest

STEPS = tuple(f"{what} {name}" for name in TARGETS for what in ("calibrate", "fit"))

# Small enough for a file of half a megabyte; three times as many trees rank .001 better.
SHAPE = {
    "n_estimators": 100,
    "max_leaf_nodes": 96,
    "max_depth": 9,
    "min_samples_leaf": 40,
    "max_features": 6,
    "max_samples": 0.3,
}

# What a reading's own two pressures tell is little.
RISK_SHAPE = {"n_estimators": 50, "max_leaf_nodes": 24, "min_samples_leaf": 5}

# Of the patients: they are left out of a first forest, which is calibrated on them.
_APART = 0.2
# A lower average than this part of the prevalence is one of fewer readings than can tell.
_LEAST = 0.01
# The inverse of the line's penalty: hardly any, but so much that it ends where all is clear.
_C = 100.0
# Of a leaf's probability: one in a hundred thousand.
_DIGITS = 5


def fit(examples: Examples, *, seed: int, progress: Progress) -> Fitted:
    """Fit a forest to every target.

    A first one, of all but some of the patients, tells on these how far the averages of trees
    are off; the second learns from all, and is corrected by as much.  Where all readings came
    out the same, that is what everybody is told.
    """
    known, held_back = examples.apart(_APART, seed=seed)
    estimators, ensembles = {}, {}
    for at, name in enumerate(TARGETS):
        progress(f"calibrate {name}")
        if not teaches(examples, at):
            progress(f"fit {name}")
            ensembles[name] = constant(log_odds(examples.prevalence[name]))
            continue
        link = Mean(intercept=0.0, slope=1.0, least=examples.prevalence[name] * _LEAST)
        if teaches(known, at) and teaches(held_back, at):
            link = _calibrated(_forest(known, at, seed), held_back, at, link.least)
        progress(f"fit {name}")
        estimators[name] = _forest(examples, at, seed)
        ensembles[name] = of_forest(estimators[name], link, list(GRIDS.values()), digits=_DIGITS)
    form = TreesForm(prevalence=examples.prevalence, features=list(FEATURES), targets=ensembles)
    return Fitted(form, estimators)


def _forest(examples: Examples, at: int, seed: int) -> RandomForestClassifier:
    model = RandomForestClassifier(**SHAPE, random_state=seed)
    return model.fit(examples.features.T, examples.labels[at], sample_weight=examples.weights[at])


def _calibrated(forest: RandomForestClassifier, held_back: Examples, at: int, least: float) -> Mean:
    """Platt's straight line between the averages' log-odds and what came."""
    mean = np.clip(forest.predict_proba(held_back.features.T)[:, 1], least, 1 - least)
    line = LogisticRegression(C=_C, solver="newton-cholesky").fit(
        np.log(mean / (1 - mean))[:, None], held_back.labels[at], held_back.weights[at]
    )
    return Mean(intercept=float(line.intercept_[0]), slope=float(line.coef_[0, 0]), least=least)


def fit_risk(pressures: Floats, anomalous: Flags, *, seed: int) -> TreesRisk:
    """As `family.FitRisk` has it: a forest, whose average is taken as it is."""
    model = RandomForestClassifier(**RISK_SHAPE, random_state=seed)
    model.fit(pressures.T, anomalous)
    link = Mean(intercept=0.0, slope=1.0, least=NO_LEAST)
    return TreesRisk(of_forest(model, link, [None, None], digits=_DIGITS))
