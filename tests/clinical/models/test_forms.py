"""What holds of every family that a model.json may have."""

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.early_warning import reasons
from bpstream.clinical.models.model import AnyEarlyWarning
from bpstream.clinical.models.risk import sigmoid
from tests.clinical.models.forms import FORMS, TELLS_WHY, seen

every_family = pytest.mark.parametrize("family", FORMS)
seeds = st.integers(0, 2**32 - 1)


def served(family, seed=0):
    return FORMS[family](np.random.default_rng(seed)).served()


@every_family
@given(seed=seeds, n=st.integers(0, 300))
def test_what_is_said_are_probabilities(family, seed, n):
    said = served(family, seed).probabilities(seen(n, seed))
    assert said.shape == (len(TARGETS), n)
    assert ((said >= 0) & (said <= 1)).all()


@every_family
@given(seed=seeds)
def test_a_batch_says_what_each_reading_would_alone_in_any_order(family, seed):
    model, asked = served(family, seed), seen(140, seed)
    said = model.probabilities(asked)
    order = np.random.default_rng(seed).permutation(140)
    np.testing.assert_allclose(model.probabilities(asked.take(order)), said[:, order], atol=1e-12)
    for at in order[:5].tolist():
        alone = model.probabilities(asked.take(np.array([at])))
        np.testing.assert_allclose(alone[:, 0], said[:, at], atol=1e-12)


@every_family
def test_a_form_is_the_same_once_it_was_a_file(family):
    form = FORMS[family](np.random.default_rng(1))
    assert msgspec.json.decode(msgspec.json.encode(form), type=AnyEarlyWarning) == form


@pytest.mark.parametrize("family", TELLS_WHY)
@given(seed=seeds)
def test_the_contributions_and_the_intercept_are_the_log_odds(family, seed):
    form, asked = FORMS[family](np.random.default_rng(seed)), seen(20, seed)
    added = form.served().contributions(asked)
    assert added.shape == (len(TARGETS), len(FEATURES), 20)
    intercepts = np.array([[form.targets[name].intercept] for name in TARGETS])
    said = form.served().probabilities(asked)
    np.testing.assert_allclose(sigmoid(added.sum(axis=1) + intercepts), said, atol=1e-12)


@pytest.mark.parametrize("family", sorted(set(FORMS) - set(TELLS_WHY)))
def test_a_family_that_cannot_say_why_gives_no_reasons(family):
    model, asked = served(family), seen(10)
    assert model.contributions(asked) is None
    assert not len(reasons(model, asked, model.probabilities(asked)).at)


@every_family
def test_a_form_that_leaves_a_target_out_is_refused(family):
    form = FORMS[family](np.random.default_rng(0))
    name = "outputs" if family == "recurrent" else "targets"
    fewer = dict(list(getattr(form, name).items())[1:])
    with pytest.raises(ValueError, match="targets"):
        msgspec.structs.replace(form, **{name: fewer}).served()


def test_serving_imports_no_library_that_only_training_needs():
    script = (
        "import sys, bpstream.clinical.models.model\n"
        "print(*sorted({'sklearn', 'scipy', 'xgboost', 'jax', 'joblib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
