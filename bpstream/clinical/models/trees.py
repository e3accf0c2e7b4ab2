"""Trees: an ensemble of decision trees in two columns, walked level by level in numpy.

Random forests and boosted trees differ in what is made of their leaves, the `Link`.  They are
trained and read off by `bpstream.training`, and served without the library they are from.
"""

from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.history import Floats
from bpstream.clinical.models.early_warning import EarlyWarning, Seen, of_targets
from bpstream.clinical.models.risk import sigmoid

LEAF = -1
"""Instead of a feature, in `Trees.feature`."""

NO_LEAST = 1e-12
"""`Mean.least` of a forest that is taken as it is: a probability of 0 has no log-odds."""

# So many readings walk at once: their places in all the trees stay in the processor's cache.
_AT_ONCE = 128


class LogOdds(msgspec.Struct, frozen=True, tag="log_odds", forbid_unknown_fields=True):
    """Boosting (Friedman, Ann Stat 2001;29:1189): leaves are log-odds, and are added up."""

    intercept: float

    def __call__(self, leaves: Floats) -> Floats:
        """Probabilities, shape ``(n,)``, of the readings' leaves, shape ``(trees, n)``."""
        return sigmoid(leaves.sum(axis=0) + self.intercept)


class Mean(msgspec.Struct, frozen=True, tag="mean", forbid_unknown_fields=True):
    """A forest (Breiman, Mach Learn 2001;45:5): leaves are probabilities, and are averaged.

    The average's log-odds are then set right by a straight line (Platt, 1999).
    """

    intercept: float
    slope: float
    least: float
    """Above 0: a lower average counts as this, and a higher one than 1 - this as that."""

    def __call__(self, leaves: Floats) -> Floats:
        """Probabilities, shape ``(n,)``, of the readings' leaves, shape ``(trees, n)``."""
        mean = np.clip(leaves.sum(axis=0) / len(leaves), self.least, 1 - self.least)
        return sigmoid(self.intercept + self.slope * np.log(mean / (1 - mean)))


class Ensemble(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Trees, one after the other, and what is made of their leaves.

    A tree's nodes stand breadth first, so that its shape needs no numbers of nodes: the children
    of its first inner node are its nodes 1 and 2, of its second 3 and 4, and so on.  The tree
    ends where no inner node is without children.
    """

    link: LogOdds | Mean
    feature: list[int]
    """Of each inner node, where in the list of features; -1 for a leaf."""
    number: list[float]
    """An inner node's threshold: values up to it go to the first child.  A leaf's value."""

    def served(self, features: int) -> "Walk":
        """Ready to be walked.  Raises ValueError where the columns are no trees."""
        return Walk(self, features)


class Walk:
    """The nodes of all trees, in arrays."""

    def __init__(self, ensemble: Ensemble, features: int) -> None:
        feature, number = np.array(ensemble.feature, np.intp), np.array(ensemble.number)
        if not len(feature) == len(number) or not len(feature):
            raise ValueError(f"{len(feature)} features and {len(number)} numbers of nodes")
        if feature.min() < LEAF or feature.max() >= features:
            raise ValueError(
                f"a node's feature is {LEAF} (a leaf) to {features - 1}, "
                f"not {feature.min()} to {feature.max()}"
            )
        if not np.isfinite(number).all():
            raise ValueError("thresholds and leaves are finite numbers")
        if isinstance(ensemble.link, Mean) and not 0 < ensemble.link.least < 0.5:
            raise ValueError(f"the least mean is between 0 and 0.5, not {ensemble.link.least}")
        inner = feature != LEAF
        self._link = ensemble.link
        self._roots = _roots(inner)
        self._first_child = _first_children(inner, self._roots)
        # A leaf leads to itself: nothing is above infinity.
        self._feature = np.where(inner, feature, 0)
        self._threshold = np.where(inner, number, np.inf)
        self._value = number
        self._depth = _depth(inner, self._roots, self._first_child)

    def probabilities(self, columns: Floats) -> Floats:
        """Shape ``(n,)``, of readings whose features have shape ``(features, n)``."""
        n = columns.shape[1]
        found = np.empty(n)
        for begin in range(0, n, _AT_ONCE):
            block = np.ascontiguousarray(columns[:, begin : begin + _AT_ONCE])
            found[begin : begin + _AT_ONCE] = self._link(self.leaves(block))
        return found

    def leaves(self, columns: Floats) -> Floats:
        """The value each reading finds in each tree, shape ``(trees, n)``."""
        n = columns.shape[1]
        values, reading = columns.ravel(), np.arange(n)
        begins = self._feature * n
        at = np.repeat(self._roots[:, None], n, axis=1)
        for _ in range(self._depth):
            value = values.take(begins.take(at) + reading)
            beyond = value > self._threshold.take(at)
            at = self._first_child.take(at)
            at += beyond
        return self._value.take(at)


def _roots(inner: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Where each tree begins.

    An inner node leaves one more place open than it takes, a leaf takes one: a tree, which
    begins with one open place, ends where the count of them is lower than ever before.
    """
    places = np.cumsum(np.where(inner, 1, -1))
    lowest = np.minimum.accumulate(np.append(0, places))
    ends = np.flatnonzero(lowest[1:] < lowest[:-1])
    if not len(ends) or ends[-1] != len(inner) - 1:
        raise ValueError(f"the last of the {len(inner)} nodes does not end a tree")
    return np.append(0, ends[:-1] + 1)


def _first_children(inner: NDArray[np.bool_], roots: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where the first of each node's two children stands; a leaf is its own."""
    begins = np.repeat(roots, np.diff(np.append(roots, len(inner))))
    before = np.append(0, np.cumsum(inner))
    nth = before[:-1] - before[begins]
    return np.where(inner, begins + 2 * nth + 1, np.arange(len(inner)))


def _depth(inner: NDArray[np.bool_], roots: NDArray[np.intp], first_child: NDArray[np.intp]) -> int:
    """How many steps lead to the lowest leaf."""
    depth, level = 0, roots[inner[roots]]
    while len(level):
        children = first_child[level]
        level = np.concatenate([children, children + 1])
        level = level[inner[level]]
        depth += 1
    return depth


class TreesForm(msgspec.Struct, frozen=True, tag="trees", forbid_unknown_fields=True):
    """The trees as they stand in model.json."""

    prevalence: dict[str, float]
    features: list[str]
    targets: dict[str, Ensemble]

    def served(self) -> "Trees":
        """Ready to be walked.  Raises ValueError where the columns are no trees."""
        unknown = [name for name in self.features if name not in FEATURES]
        if unknown or not self.features:
            raise ValueError(f"features are one or more of those there are, not {self.features}")
        return Trees(self)


class Trees(EarlyWarning):
    """An ensemble a target.  It cannot say why: what a tree tells is of all features at once."""

    def __init__(self, form: TreesForm) -> None:
        self.prevalence = np.array(of_targets(form.prevalence))
        self._used = np.array([FEATURES.index(name) for name in form.features])
        self._walks = [each.served(len(form.features)) for each in of_targets(form.targets)]

    def probabilities(self, seen: Seen) -> Floats:
        """See the base class."""
        columns = seen.features[self._used]
        return np.array([walk.probabilities(columns) for walk in self._walks]).reshape(
            len(TARGETS), -1
        )


class TreesRisk(msgspec.Struct, frozen=True, dict=True, tag="trees", forbid_unknown_fields=True):
    """Trees that see a reading's two pressures, systolic first; the `risk` of a model.json."""

    ensemble: Ensemble

    def __post_init__(self) -> None:
        """Raises ValueError where the columns are no trees."""
        _ = self._walk

    def score(self, systolic: Floats, diastolic: Floats) -> Floats:
        """See `risk.Risk`."""
        pressures = np.array([systolic, diastolic])
        known = ~np.isnan(pressures).any(axis=0)
        return np.where(known, self._walk.probabilities(pressures), np.nan)

    @cached_property
    def _walk(self) -> Walk:
        return self.ensemble.served(2)
