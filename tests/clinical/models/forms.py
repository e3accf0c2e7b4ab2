"""Forms of every family, and what they are asked, drawn at random."""

import numpy as np

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, GRIDS
from bpstream.clinical.models.additive import AdditiveForm, Target, Term
from bpstream.clinical.models.early_warning import WINDOW, Seen
from bpstream.clinical.models.linear import (
    LinearForm,
    LinearTarget,
    QuadraticForm,
    QuadraticTarget,
)
from bpstream.clinical.models.recurrent import GATES, INPUTS, RecurrentForm
from bpstream.clinical.models.trees import LEAF, Ensemble, LogOdds, Mean, TreesForm

PREVALENCE = dict.fromkeys(TARGETS, 0.05)
USED = ["systolic", "mean_usual", "severe_margin", "low_map_share"]
CENTER, SCALE = [110.0, 75.0, 3.0, 0.1], [20.0, 10.0, 2.0, 0.2]


def seen(n, seed=0):
    """Features anywhere on their grids, and windows of one to WINDOW readings."""
    random = np.random.default_rng(seed)
    features = [
        (grid.least * grid.per_unit + random.integers(0, grid.cells, n)) / grid.per_unit
        for grid in GRIDS.values()
    ]
    windows = np.stack(
        [
            random.uniform(70, 200, (n, WINDOW)),
            random.uniform(30, 70, (n, WINDOW)),
            random.exponential(1, (n, WINDOW)),
        ],
        axis=-1,
    )
    readings = random.integers(1, WINDOW + 1, n)
    nth = np.arange(WINDOW) - (WINDOW - readings[:, None])
    windows[nth < 0] = np.nan
    windows[nth == 0, 2] = np.nan
    return Seen(np.array(features), lambda: windows)


def additive(random):
    return AdditiveForm(
        prevalence=PREVALENCE,
        targets={
            name: Target(
                -2.0,
                [
                    Term(each, [GRIDS[each].least + 1], random.normal(size=2).tolist())
                    for each in USED
                ],
            )
            for name in TARGETS
        },
    )


def linear(random):
    return LinearForm(
        prevalence=PREVALENCE,
        features=USED,
        center=CENTER,
        scale=SCALE,
        targets={
            name: LinearTarget(float(random.normal()), random.normal(size=4).tolist())
            for name in TARGETS
        },
    )


def quadratic(random):
    return QuadraticForm(
        prevalence=PREVALENCE,
        features=USED,
        center=CENTER,
        scale=SCALE,
        most=4.0,
        products_of=USED[2:],
        means=[1.1, -0.3, 0.9],
        targets={
            name: QuadraticTarget(
                float(random.normal()),
                random.normal(size=4).tolist(),
                random.normal(size=3).tolist(),
            )
            for name in TARGETS
        },
    )


def ensemble(random, link, *, trees=5, nodes=7):
    """Trees of any shape, over the features in USED."""
    feature, number = [], []
    for _ in range(trees):
        places = 1
        for left in range(nodes, 0, -1):
            # No more places than can still be filled with leaves.
            inner = places + 1 < left and random.random() < 0.6
            at = int(random.integers(len(USED))) if inner else LEAF
            feature.append(at)
            grid = GRIDS[USED[at]]
            number.append(float(random.uniform(*grid[:2]) if inner else random.uniform(0, 0.3)))
            places += 1 if inner else -1
            if not places:
                break
    return Ensemble(link=link, feature=feature, number=number)


def boosted(random):
    ensembles = {name: ensemble(random, LogOdds(-2.0)) for name in TARGETS}
    return TreesForm(prevalence=PREVALENCE, features=USED, targets=ensembles)


def forest(random):
    link = Mean(intercept=0.2, slope=1.3, least=1e-3)
    ensembles = {name: ensemble(random, link) for name in TARGETS}
    return TreesForm(prevalence=PREVALENCE, features=USED, targets=ensembles)


def recurrent(random, units=4):
    return RecurrentForm(
        prevalence=PREVALENCE,
        center=[120.0, 60.0, 0.5],
        scale=[20.0, 12.0, 0.5],
        inputs=random.normal(size=(GATES * units, len(INPUTS))).tolist(),
        memory=random.normal(size=(GATES * units, units)).tolist(),
        bias=random.normal(size=GATES * units).tolist(),
        outputs={name: random.normal(size=units).tolist() for name in TARGETS},
        intercepts={name: float(random.normal()) for name in TARGETS},
    )


FORMS = {each.__name__: each for each in (additive, linear, quadratic, boosted, forest, recurrent)}
TELLS_WHY = ("additive", "linear", "quadratic")

assert set(USED) <= set(FEATURES)
