"""The logistic family: a logistic regression of the standardised features."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.linear import LinearForm, LinearTarget
from bpstream.training.examples import Examples
from bpstream.training.families.family import Fitted, Progress, log_odds, teaches

STEPS = TARGETS

_REGRESSION = "logisticregression"


def fit(examples: Examples, *, seed: int, progress: Progress) -> Fitted:
    """Fit every target by maximum likelihood, with the library's usual penalty.

    Nothing is drawn.  Where all readings came out the same, that is what everybody is told.
    """
    del seed
    rows = examples.features.T
    scaler = StandardScaler().fit(rows)
    targets, estimators = {}, {}
    for at, name in enumerate(TARGETS):
        progress(name)
        if not teaches(examples, at):
            nothing = [0.0] * len(FEATURES)
            targets[name] = LinearTarget(log_odds(examples.prevalence[name]), nothing)
            continue
        # The features resemble each other: the default solver would stop on the way.
        model = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
        with threadpool_limits(1):
            model.fit(
                rows, examples.labels[at], logisticregression__sample_weight=examples.weights[at]
            )
        estimators[name] = model
        targets[name] = _target(model)
    form = LinearForm(
        prevalence=examples.prevalence,
        features=list(FEATURES),
        center=scaler.mean_.tolist(),
        scale=scaler.scale_.tolist(),
        targets=targets,
    )
    return Fitted(form, estimators)


def _target(model: Pipeline) -> LinearTarget:
    fitted = model[_REGRESSION]
    return LinearTarget(float(fitted.intercept_[0]), fitted.coef_[0].tolist())
