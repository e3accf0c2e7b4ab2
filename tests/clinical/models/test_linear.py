"""Linear and quadratic models, held to the formulas in plain Python."""

import math
from itertools import combinations_with_replacement

import numpy as np
import pytest
from msgspec.structs import replace

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.early_warning import Seen
from tests.clinical.models.forms import linear, quadratic, seen

LINEAR, QUADRATIC = linear(np.random.default_rng(0)), quadratic(np.random.default_rng(0))
ASKED = seen(50)


def standardised(form, at):
    """One reading's values, by feature."""
    return {
        name: (ASKED.features[FEATURES.index(name), at] - center) / scale
        for name, center, scale in zip(form.features, form.center, form.scale, strict=True)
    }


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


def test_a_linear_model_is_the_weighted_sum():
    said = LINEAR.served().probabilities(ASKED)
    for target, name in enumerate(TARGETS):
        for at in range(50):
            values = standardised(LINEAR, at).values()
            of = LINEAR.targets[name]
            logit = of.intercept + sum(w * z for w, z in zip(of.weights, values, strict=True))
            assert said[target, at] == pytest.approx(sigmoid(logit), abs=1e-12)


def test_a_quadratic_model_is_the_weighted_sum_with_products():
    said = QUADRATIC.served().probabilities(ASKED)
    for target, name in enumerate(TARGETS):
        of = QUADRATIC.targets[name]
        for at in range(50):
            values = {
                name: min(max(z, -QUADRATIC.most), QUADRATIC.most)
                for name, z in standardised(QUADRATIC, at).items()
            }
            logit = of.intercept
            logit += sum(w * z for w, z in zip(of.weights, values.values(), strict=True))
            pairs = combinations_with_replacement(QUADRATIC.products_of, 2)
            for (one, other), weight, mean in zip(pairs, of.products, QUADRATIC.means, strict=True):
                logit += weight * (values[one] * values[other] - mean)
            assert said[target, at] == pytest.approx(sigmoid(logit), abs=1e-12)


def test_a_feature_that_is_average_adds_nothing():
    average = ASKED.features.copy()
    for name, center in zip(LINEAR.features, LINEAR.center, strict=True):
        average[FEATURES.index(name)] = center
    assert not LINEAR.served().contributions(Seen(average)).any()


def test_beyond_its_bound_a_feature_makes_no_more_difference():
    at = FEATURES.index("systolic")
    far, farther = ASKED.features.copy(), ASKED.features.copy()
    far[at], farther[at] = 200.0, 350.0  # center 110, scale 20, bound 4
    model = QUADRATIC.served()
    np.testing.assert_array_equal(
        model.probabilities(Seen(far)), model.probabilities(Seen(farther))
    )


@pytest.mark.parametrize(
    ("form", "change", "wrong"),
    [
        (LINEAR, {"features": ["systolic", "weight", "mean", "pulse"]}, "weight"),
        (LINEAR, {"features": ["systolic"] * 4}, "once"),
        (LINEAR, {"features": []}, "one or more"),
        (LINEAR, {"center": [1.0]}, "4 features, 1 centers and 4 scales"),
        (LINEAR, {"scale": [1.0, 0.0, 1.0, 1.0]}, "above 0, not 0.0"),
        (LINEAR, {"targets": {**LINEAR.targets, "pain": LINEAR.targets["severe"]}}, "pain"),
        (
            LINEAR,
            {
                "targets": {
                    **LINEAR.targets,
                    "severe": replace(LINEAR.targets["severe"], weights=[]),
                }
            },
            "4 weights, not 0",
        ),
        (QUADRATIC, {"products_of": ["systolic", "pulse"]}, "pulse"),
        (QUADRATIC, {"products_of": ["systolic", "systolic"]}, "once"),
        (QUADRATIC, {"products_of": ["systolic"]}, "1 products, not 3"),
        (QUADRATIC, {"means": [1.0]}, "3 means, not 1"),
        (QUADRATIC, {"most": 0.0}, "most"),
        (QUADRATIC, {"features": ["systolic", "mean_usual", "severe_margin"]}, "low_map_share"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused_with_what_is_wrong(form, change, wrong):
    with pytest.raises(ValueError, match=wrong):
        replace(form, **change).served()
