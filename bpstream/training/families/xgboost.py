"""The family of XGBoost: boosted trees, as many of them as patients apart ask for."""

from collections.abc import Mapping
from importlib.metadata import version

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, GRIDS
from bpstream.clinical.history import Floats
from bpstream.clinical.models.trees import TreesForm, TreesRisk
from bpstream.errors import ModelError
from bpstream.training.examples import Examples, Flags
from bpstream.training.families.family import Fitted, Progress, log_odds, teaches
from bpstream.training.families.read_off import constant, of_boosting

try:
    from xgboost import XGBClassifier

    # A manifest tells its version; another distribution of it would be missed only there.
    version("xgboost-cpu")
except ImportError as error:
    raise ModelError(
        f"what learns by xgboost needs the library of this name ({error}): "
        "pip install 'bpstream[xgboost]'"
    ) from error

STEPS = tuple(f"{what} {name}" for name in TARGETS for what in ("count trees of", "fit"))

# 300 trees of depth 3 and a lower rate rank as well (AUROC within .001), at twice the cost.
SHAPE = {
    "max_depth": 4,
    "learning_rate": 0.1,
    "subsample": 0.7,
    "colsample_bytree": 0.4,
}
MOST_TREES = 200

# What a reading's own two pressures tell is little.  Limits are looked for between quantiles;
# the library's usual 256 of them are too far apart for that.
RISK_SHAPE = {"n_estimators": 50, "max_depth": 4, "learning_rate": 0.2, "max_bin": 1024}

# Least weight of a leaf (of n readings with probability p: n p (1 - p)), and as much again holds
# its value near 0; but a small part of all there is, so that little data can be split, too.
_LEAF_WEIGHT, _PART = 20.0, 0.02

# Of the patients: what they say of a model that was fitted without them decides how long it is.
_APART = 0.2
# So many trees in a row that are of no use to them end it.
_PATIENCE = 25
# Where they can say nothing.
_TREES_UNTOLD = 50
# Of a leaf's log-odds.
_DIGITS = 5


def fit(examples: Examples, *, seed: int, progress: Progress) -> Fitted:
    """Boost every target.

    A first model, of all but some of the patients, tells on these after how many trees to stop;
    the second learns from all.  Where all readings came out the same, that is what everybody is
    told.
    """
    known, held_back = examples.apart(_APART, seed=seed)
    estimators, ensembles = {}, {}
    for at, name in enumerate(TARGETS):
        progress(f"count trees of {name}")
        if not teaches(examples, at):
            progress(f"fit {name}")
            ensembles[name] = constant(log_odds(examples.prevalence[name]))
            continue
        share = examples.prevalence[name]
        leaf = min(_LEAF_WEIGHT, _PART * len(examples) * share * (1 - share))
        settings = {"min_child_weight": leaf, "reg_lambda": leaf, "random_state": seed}
        trees = _TREES_UNTOLD
        if teaches(known, at) and teaches(held_back, at):
            trees = _trees(known, held_back, at, settings)
        progress(f"fit {name}")
        model = _model(settings, n_estimators=trees)
        model.fit(examples.features.T, examples.labels[at], sample_weight=examples.weights[at])
        estimators[name] = model
        ensembles[name] = of_boosting(model.get_booster(), list(GRIDS.values()), digits=_DIGITS)
    form = TreesForm(prevalence=examples.prevalence, features=list(FEATURES), targets=ensembles)
    return Fitted(form, estimators)


def _trees(known: Examples, held_back: Examples, at: int, settings: Mapping[str, float]) -> int:
    """Of how many trees a model of `known` is best for those who are held back."""
    model = _model(settings, n_estimators=MOST_TREES, early_stopping_rounds=_PATIENCE)
    model.fit(
        known.features.T,
        known.labels[at],
        sample_weight=known.weights[at],
        eval_set=[(held_back.features.T, held_back.labels[at])],
        sample_weight_eval_set=[held_back.weights[at]],
        verbose=False,
    )
    return int(model.best_iteration) + 1


def _model(settings: Mapping[str, float], **more: float) -> XGBClassifier:
    return XGBClassifier(
        tree_method="hist", eval_metric="logloss", n_jobs=1, **SHAPE, **settings, **more
    )


def fit_risk(pressures: Floats, anomalous: Flags, *, seed: int) -> TreesRisk:
    """As `family.FitRisk` has it."""
    model = XGBClassifier(tree_method="hist", n_jobs=1, random_state=seed, **RISK_SHAPE)
    model.fit(pressures.T, anomalous)
    return TreesRisk(of_boosting(model.get_booster(), [None, None], digits=_DIGITS))
