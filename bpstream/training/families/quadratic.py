"""The quadratic family: a logistic regression of features, and of products of some of them."""

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.history import Floats
from bpstream.clinical.models.linear import QuadraticForm, QuadraticTarget
from bpstream.clinical.models.risk import QuadraticRisk
from bpstream.training.examples import Examples, Flags
from bpstream.training.families.family import Fitted, Progress, log_odds, teaches
from bpstream.training.families.standard import Standard

STEPS = TARGETS

PRODUCTS_OF = (
    "systolic",
    "diastolic",
    "systolic_hour",
    "diastolic_hour",
    "systolic_usual",
    "diastolic_usual",
    "systolic_sd",
    "diastolic_sd",
    "systolic_slope",
    "diastolic_slope",
    "hypotension_share",
    "low_map_share",
)
"""What does not follow from the others.  The products of all features would be seven times as
many numbers, for .001 or .002 of AUROC."""

# Standard deviations beyond which a feature counts as being there.
_MOST = 4.0
# The inverse of the penalty: products that say little are held near 0, for severe is rare.
_C = 0.01


def fit(examples: Examples, *, seed: int, progress: Progress) -> Fitted:
    """Fit every target by penalised maximum likelihood.

    Nothing is drawn.  Where all readings came out the same, that is what everybody is told.
    """
    del seed
    standard = Standard.of(examples.features)
    values = np.clip(standard(examples.features), -_MOST, _MOST)
    pairs = _pairs([FEATURES.index(name) for name in PRODUCTS_OF])
    products = values[pairs[:, 0]] * values[pairs[:, 1]]
    means = products.mean(axis=1)
    products -= means[:, None]
    # The penalty is to weigh on all of them alike.
    scale = products.std(axis=1)
    scale[scale == 0] = 1
    rows = np.concatenate([values, products / scale[:, None]]).T
    targets = {}
    for at, name in enumerate(TARGETS):
        progress(name)
        intercept, weights = log_odds(examples.prevalence[name]), np.zeros(rows.shape[1])
        if teaches(examples, at):
            model = LogisticRegression(solver="newton-cholesky", C=_C)
            with threadpool_limits(1):
                model.fit(rows, examples.labels[at], examples.weights[at])
            intercept, weights = float(model.intercept_[0]), model.coef_[0]
        linear, quadratic = np.split(weights, [len(FEATURES)])
        targets[name] = QuadraticTarget(intercept, linear.tolist(), (quadratic / scale).tolist())
    form = QuadraticForm(
        prevalence=examples.prevalence,
        features=list(FEATURES),
        center=standard.center.tolist(),
        scale=standard.scale.tolist(),
        most=_MOST,
        products_of=list(PRODUCTS_OF),
        means=means.tolist(),
        targets=targets,
    )
    return Fitted(form, {})


def fit_risk(pressures: Floats, anomalous: Flags, *, seed: int) -> QuadraticRisk:
    """As `family.FitRisk` has it: a logistic regression of squares and product, too."""
    del seed
    center = pressures.mean(axis=1, keepdims=True)
    x, y = pressures - center
    columns = np.array([x, y, x * x, y * y, x * y])
    standard = Standard.of(columns)
    model = LogisticRegression(solver="newton-cholesky", C=np.inf, tol=1e-8)
    with threadpool_limits(1):
        model.fit(standard(columns).T, anomalous)
    weights = model.coef_[0] / standard.scale
    of_x, of_y, of_xx, of_yy, of_xy = weights.tolist()
    return QuadraticRisk(
        center=(float(center[0, 0]), float(center[1, 0])),
        intercept=float(model.intercept_[0] - weights @ standard.center),
        linear=(of_x, of_y),
        squares=(of_xx, of_yy),
        product=of_xy,
    )


def _pairs(of: list[int]) -> NDArray[np.intp]:
    return np.array(list(combinations_with_replacement(of, 2)), np.intp)
