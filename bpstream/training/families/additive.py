"""The additive family: a gradient boosting of one feature a tree, compiled into lookup tables.

scikit-learn's histogram gradient boosting learns it; a tree that may use one feature alone is a
step function of that feature, and so is the sum of all trees of a feature.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.history import Floats
from bpstream.clinical.models.additive import AdditiveForm, Target, Term
from bpstream.training.examples import Examples
from bpstream.training.families.family import Fitted, Progress, log_odds, teaches


class _Step(NamedTuple):
    """A step function: `values` are those below the first cut, between them, above the last."""

    cuts: Floats
    """Ascending, shape ``(n,)``; a value on a cut is below it."""
    values: Floats
    """Shape ``(n + 1,)``."""


STEPS = TARGETS

_BINS = 64  # 255, the default, takes almost three times as long and is no better
# Chosen by cross-validation of patients; a severe reading is so rare that finer trees find chance.
_USUAL = {
    "learning_rate": 0.05,
    "max_iter": 300,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 80,
    "l2_regularization": 5.0,
    "max_bins": _BINS,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "hypotension": _USUAL,
    "low_map": _USUAL,
    "severe": _USUAL
    | {"max_iter": 100, "max_leaf_nodes": 4, "min_samples_leaf": 300, "l2_regularization": 10.0},
}
"""What each target's boosting is told."""

# Of a target that is told by no feature.
_NOTHING = Term(FEATURES[0], [], [0.0])

_PRESSURES = tuple(
    f"{pressure}{over}"
    for pressure in ("systolic", "diastolic", "mean")
    for over in ("", "_hour", "_usual")
)
_FALLS, _RISES = -1, 1
_BOOSTING = "boosting"


def monotone(target: str) -> dict[str, int]:
    """The features in which the probability of `target` only rises (1), or only falls (-1)."""
    is_low = target != "severe"
    shares = ("hypotension_share", "low_map_share") if is_low else ("severe_share",)
    return {
        **dict.fromkeys(_PRESSURES, _FALLS if is_low else _RISES),
        **dict.fromkeys(margins(target), _FALLS),
        **dict.fromkeys(shares, _RISES),
    }


def margins(target: str) -> tuple[str, str]:
    """The features that tell how far the state of `target` is."""
    return f"{target}_margin", f"{target}_usual_margin"


def used(target: str) -> list[int]:
    """Where the features of `target` stand in FEATURES: all but the margins of the others."""
    others = {name for other in TARGETS if other != target for name in margins(other)}
    return [at for at, name in enumerate(FEATURES) if name not in others]


def fit(examples: Examples, *, seed: int, progress: Progress) -> Fitted:
    """Boost every target, and compile it.

    Where all readings came out the same, that is what everybody is told.
    """
    targets, estimators = {}, {}
    for at, target in enumerate(TARGETS):
        progress(target)
        labels, at_risk = examples.labels[at], examples.at_risk[at]
        if not teaches(examples, at):
            targets[target] = Target(log_odds(examples.prevalence[target]), [_NOTHING])
            continue
        estimator = _estimator(target, seed)
        # In one thread: the same sums in the same order, whatever the machine has.
        with threadpool_limits(1):
            weights = {f"{_BOOSTING}__sample_weight": examples.weights[at]}
            estimators[target] = estimator.fit(examples.features.T, labels, **weights)
        targets[target] = compiled(
            estimator[_BOOSTING], used(target), examples.features[used(target)][:, at_risk]
        )
    named = {term.feature for target in targets.values() for term in target.terms}
    features = tuple(name for name in FEATURES if name in named)
    return Fitted(AdditiveForm(examples.prevalence, targets), estimators, features)


def _estimator(target: str, seed: int) -> Pipeline:
    """The boosting of the features that the target has, given all of them."""
    features, direction = used(target), monotone(target)
    return Pipeline(
        [
            ("features", ColumnTransformer([("used", "passthrough", features)])),
            (
                _BOOSTING,
                HistGradientBoostingClassifier(
                    **OPTIONS[target],
                    interaction_cst="no_interactions",
                    monotonic_cst=[direction.get(FEATURES[at], 0) for at in features],
                    early_stopping=False,
                    random_state=seed,
                ),
            ),
        ]
    )


def compiled(
    estimator: HistGradientBoostingClassifier, features: list[int], columns: Floats
) -> Target:
    """The same log-odds as tables, each less its average over `columns`.

    `features` tells which of FEATURES the estimator was given, in this order; `columns` are
    theirs, shape ``(len(features), n)``.
    """
    intercept = float(estimator._baseline_prediction.item())
    steps: dict[int, list[_Step]] = {}
    for (tree,) in estimator._predictors:
        column, step = _step(tree.nodes)
        if column is None:
            intercept += step.values.item()
        else:
            steps.setdefault(column, []).append(step)
    terms = []
    for column in sorted(steps):
        cuts, values = _sum(steps[column])
        average = float(values[np.searchsorted(cuts, columns[column])].mean())
        intercept += average
        name = FEATURES[features[column]]
        terms.append(Term(name, cuts.tolist(), (values - average).tolist()))
    return Target(intercept, terms or [_NOTHING])


def _step(nodes: NDArray[np.void]) -> tuple[int | None, _Step]:
    """A tree of one feature: which, and its step function; None for a tree that is one leaf."""
    cuts: list[float] = []
    values: list[float] = []
    columns: set[int] = set()

    def from_left(at: int) -> None:
        node = nodes[at]
        if node["is_leaf"]:
            values.append(node["value"])
            return
        from_left(node["left"])
        cuts.append(node["num_threshold"])
        columns.add(int(node["feature_idx"]))
        from_left(node["right"])

    from_left(0)
    return next(iter(columns), None), _Step(np.array(cuts), np.array(values))


def _sum(steps: list[_Step]) -> _Step:
    cuts = np.unique(np.concatenate([step.cuts for step in steps]))
    # Of each stretch the value where it ends: on a cut, or beyond them all.
    ends = np.append(cuts, np.inf)
    values = np.sum([step.values[np.searchsorted(step.cuts, ends)] for step in steps], axis=0)
    changes = np.flatnonzero(np.diff(values))
    return _Step(cuts[changes], values[np.append(changes, len(cuts))])
