"""The risk of the models that learn from patients: what the rules say, as a probability."""

from typing import Any, NamedTuple

import msgspec
import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from bpstream.clinical import rules
from bpstream.clinical.history import Floats
from bpstream.clinical.models.model import AnyRisk
from bpstream.clinical.models.risk import Distance, beyond_limits
from bpstream.errors import FileError
from bpstream.training.families.family import FitRisk
from bpstream.training.statistics import brier

_DIGITS = 9


class Anomaly(NamedTuple):
    """What was fitted."""

    risk: AnyRisk
    about: dict[str, Any]
    """Its record, for a manifest."""


def fit(
    systolic: Floats, diastolic: Floats, *, learn: FitRisk | None = None, seed: int = 0
) -> Anomaly:
    """Fit the risk to what the rules say of the readings, which have shape ``(n,)`` and are mmHg.

    Without `learn` it is `distance`.  Raises :class:`FileError` when all readings are normal, or
    none is.
    """
    anomalous = rules.tag(systolic, diastolic) > 0
    if anomalous.all() or not anomalous.any():
        kind = "anomalous" if anomalous.all() else "normal"
        raise FileError(f"all {len(anomalous)} readings are {kind}: a risk needs some of each kind")
    risk: AnyRisk
    if learn is None:
        risk = distance(systolic, diastolic)
    else:
        # Most readings are whole numbers, and pressures are not: where between two of them a
        # limit lies, whole ones alone cannot tell.
        whole = np.array([systolic, diastolic])
        between = whole + np.random.default_rng(seed).uniform(-0.5, 0.5, whole.shape)
        pressures = np.concatenate([whole, between], axis=1)
        risk = learn(pressures, rules.tag(*pressures) > 0, seed=seed)
    score = risk.score(systolic, diastolic)
    return Anomaly(
        risk,
        {
            "kind": msgspec.to_builtins(risk)["type"],
            "label": "any rule of bpstream/clinical/rules.py",
            "readings": len(anomalous),
            "anomalous": int(np.count_nonzero(anomalous)),
            "metrics": {
                "agreement": float(np.mean((score >= 0.5) == anomalous)),
                "brier": brier(anomalous, score),
            },
        },
    )


def distance(systolic: Floats, diastolic: Floats) -> Distance:
    """A logistic regression on how far a reading is beyond the limits, or within them.

    The rules never err about themselves, so the readings would make the curve a step; the
    library's usual penalty keeps it a curve.
    """
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8)
    # In one thread: the same sums in the same order, whatever the machine has.
    with threadpool_limits(1):
        model.fit(beyond_limits(systolic, diastolic)[:, None], rules.tag(systolic, diastolic) > 0)
    # What follows differs from one processor to the next.
    return Distance(
        round(float(model.intercept_[0]), _DIGITS), round(float(model.coef_[0, 0]), _DIGITS)
    )
