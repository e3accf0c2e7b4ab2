"""Trees, held to a walk in plain Python; forms that are no trees."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.model import AnyRisk
from bpstream.clinical.models.trees import (
    LEAF,
    NO_LEAST,
    Ensemble,
    LogOdds,
    Mean,
    TreesForm,
    TreesRisk,
)
from tests.clinical.models.forms import PREVALENCE, USED, boosted, ensemble, forest, seen

BOOSTED = boosted(np.random.default_rng(0))
AS_IT_IS = Mean(intercept=0.0, slope=1.0, least=NO_LEAST)


def trees_of(columns):
    """As nested tuples: a leaf is its value, else (feature, threshold, first, second)."""
    nodes = list(zip(columns.feature, columns.number, strict=True))
    trees = []
    while nodes:
        root = [*nodes.pop(0)]
        queue = [root]
        while queue:
            node = queue.pop(0)
            if node[0] != LEAF:
                for _ in range(2):
                    node.append([*nodes.pop(0)])
                    queue.append(node[-1])
        trees.append(root)
    return trees


def leaf_of(tree, values):
    while tree[0] != LEAF:
        tree = tree[2] if values[tree[0]] <= tree[1] else tree[3]
    return tree[1]


@given(seed=st.integers(0, 2**32 - 1), trees=st.integers(1, 8), nodes=st.sampled_from([1, 3, 31]))
def test_every_reading_finds_the_leaves_that_a_walk_finds(seed, trees, nodes):
    random = np.random.default_rng(seed)
    columns = ensemble(random, LogOdds(0.0), trees=trees, nodes=nodes)
    values = seen(9, seed).features[[FEATURES.index(name) for name in USED]]
    found = columns.served(len(USED)).leaves(values)
    expected = [
        [leaf_of(tree, reading) for reading in values.T.tolist()] for tree in trees_of(columns)
    ]
    assert found.tolist() == expected


@pytest.mark.parametrize(("value", "leaf"), [(119.5, 0.2), (120.0, 0.2), (120.5, 0.7)])
def test_a_value_on_the_threshold_goes_to_the_first_child(value, leaf):
    stump = Ensemble(link=AS_IT_IS, feature=[0, LEAF, LEAF], number=[120.0, 0.2, 0.7])
    assert stump.served(1).probabilities(np.array([[value]])) == pytest.approx([leaf])


def test_boosted_leaves_are_added_and_a_forests_are_averaged():
    columns = np.zeros((1, 1))
    two_leaves = {"feature": [LEAF, LEAF], "number": [0.1, 0.3]}
    added = Ensemble(link=LogOdds(-1.0), **two_leaves).served(1).probabilities(columns)
    assert added == pytest.approx([1 / (1 + math.exp(0.6))])
    average = Ensemble(link=AS_IT_IS, **two_leaves).served(1).probabilities(columns)
    assert average == pytest.approx([0.2])


@pytest.mark.parametrize(("leaf", "said"), [(0.0, 0.01), (1.0, 0.99), (0.5, 0.5)])
def test_an_average_below_the_least_counts_as_the_least(leaf, said):
    link = Mean(intercept=0.0, slope=1.0, least=0.01)
    tree = Ensemble(link=link, feature=[LEAF], number=[leaf])
    assert tree.served(1).probabilities(np.zeros((1, 1))) == pytest.approx([said])


def test_a_forest_is_set_right_along_a_straight_line_of_log_odds():
    link = Mean(intercept=0.5, slope=2.0, least=NO_LEAST)
    tree = Ensemble(link=link, feature=[LEAF], number=[0.3])
    expected = 1 / (1 + math.exp(-(0.5 + 2 * math.log(0.3 / 0.7))))
    assert tree.served(1).probabilities(np.zeros((1, 1))) == pytest.approx([expected])


def test_only_the_features_of_the_form_are_looked_at():
    form = forest(np.random.default_rng(3))
    asked = seen(30)
    others = asked.features.copy()
    others[[at for at, name in enumerate(FEATURES) if name not in USED]] = 0
    np.testing.assert_array_equal(
        form.served().probabilities(asked), form.served().probabilities(type(asked)(others))
    )


MALFORMED = [
    ([0, LEAF], [1.0, 0.5, 0.5], "2 features and 3 numbers"),
    ([], [], "0 features and 0 numbers"),
    ([0], [1.0], "does not end a tree"),
    ([0, LEAF], [1.0, 0.5], "does not end a tree"),
    ([LEAF, 0, LEAF], [0.5, 1.0, 0.5], "does not end a tree"),
    ([0, 0, LEAF, LEAF], [1.0, 2.0, 0.5, 0.5], "does not end a tree"),
    ([4, LEAF, LEAF], [1.0, 0.5, 0.5], "not -1 to 4"),
    ([-2, LEAF, LEAF], [1.0, 0.5, 0.5], "not -2 to -1"),
    ([0, LEAF, LEAF], [math.inf, 0.5, 0.5], "finite"),
    ([0, LEAF, LEAF], [1.0, math.nan, 0.5], "finite"),
]


@pytest.mark.parametrize(("feature", "number", "wrong"), MALFORMED)
def test_columns_that_are_no_trees_are_refused_with_what_is_wrong(feature, number, wrong):
    bad = Ensemble(link=LogOdds(0.0), feature=feature, number=number)
    form = replace(BOOSTED, targets={**BOOSTED.targets, "severe": bad})
    with pytest.raises(ValueError, match=wrong):
        form.served()


@pytest.mark.parametrize(
    ("features", "wrong"), [([], "one or more"), ([*USED[:3], "weight"], "weight")]
)
def test_unknown_features_are_refused(features, wrong):
    with pytest.raises(ValueError, match=wrong):
        replace(BOOSTED, features=features).served()


@pytest.mark.parametrize("least", [0.0, 0.5, -1.0])
def test_a_least_average_that_leaves_no_log_odds_is_refused(least):
    tree = Ensemble(link=Mean(0.0, 1.0, least), feature=[LEAF], number=[0.3])
    with pytest.raises(ValueError, match="least mean"):
        TreesForm(PREVALENCE, USED, dict.fromkeys(TARGETS, tree)).served()


SPLIT = Ensemble(
    link=AS_IT_IS, feature=[0, LEAF, 1, LEAF, LEAF], number=[90.0, 0.9, 59.5, 0.8, 0.1]
)


def test_a_risk_of_trees_looks_at_systolic_then_diastolic():
    found = TreesRisk(SPLIT).score(np.array([80.0, 120.0, 120.0]), np.array([70.0, 50.0, 80.0]))
    assert found == pytest.approx([0.9, 0.8, 0.1])


@pytest.mark.parametrize("pair", [(math.nan, 80.0), (80.0, math.nan), (math.nan, math.nan)])
def test_a_reading_that_lacks_a_pressure_has_no_risk(pair):
    assert np.isnan(TreesRisk(SPLIT).score(*(np.array([each]) for each in pair))).all()


def test_a_risk_of_trees_that_are_none_cannot_be_read_from_a_file():
    body = msgspec.json.encode(TreesRisk(SPLIT)).replace(b"[0,-1,1,", b"[0,-1,2,")
    with pytest.raises(msgspec.ValidationError, match="not -1 to 2"):
        msgspec.json.decode(body, type=AnyRisk)
