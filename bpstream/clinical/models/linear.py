"""Linear models: a logistic regression of the features, or of their squares and products too.

Both can say exactly what each feature adds to the log-odds.
"""

from itertools import combinations_with_replacement
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.history import Floats
from bpstream.clinical.models.early_warning import EarlyWarning, Seen, of_targets
from bpstream.clinical.models.risk import sigmoid


class LinearTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log-odds of one target."""

    intercept: float
    weights: list[float]
    """One a feature, of its standardised value."""


class LinearForm(msgspec.Struct, frozen=True, tag="linear", forbid_unknown_fields=True):
    """The weights as they stand in model.json."""

    prevalence: dict[str, float]
    features: list[str]
    center: list[float]
    """Each feature's mean in the training data ..."""
    scale: list[float]
    """... and its standard deviation."""
    targets: dict[str, LinearTarget]

    def served(self) -> "Linear":
        """Ready to be added up.  Raises ValueError where the weights make no sense."""
        return Linear.of(self)


class QuadraticTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log-odds of one target."""

    intercept: float
    weights: list[float]
    """One a feature, of its standardised value."""
    products: list[float]
    """One a pair of `QuadraticForm.products_of`, of the product less its mean."""


class QuadraticForm(msgspec.Struct, frozen=True, tag="quadratic", forbid_unknown_fields=True):
    """The weights as they stand in model.json."""

    prevalence: dict[str, float]
    features: list[str]
    center: list[float]
    scale: list[float]
    most: float
    """Beyond so many standard deviations a feature counts as being there: a square that was
    fitted where the readings are says nothing far from them."""
    products_of: list[str]
    """Features that are multiplied with themselves and each other: pairs in the order of
    `itertools.combinations_with_replacement`."""
    means: list[float]
    """Of these products of standardised values, in the training data."""
    targets: dict[str, QuadraticTarget]

    def served(self) -> "Quadratic":
        """Ready to be added up.  Raises ValueError where the weights make no sense."""
        return Quadratic.of(self)


class Standardised(NamedTuple):
    """Which features are used, and what makes their values comparable."""

    used: NDArray[np.intp]
    """Their rows among FEATURES, shape ``(k,)``."""
    center: Floats
    """Shape ``(k, 1)``, as `scale` is."""
    scale: Floats

    @classmethod
    def of(cls, features: list[str], center: list[float], scale: list[float]) -> Self:
        """Raises ValueError for an unknown feature, and numbers that do not fit."""
        unknown = [name for name in features if name not in FEATURES]
        if unknown or not features or len(set(features)) < len(features):
            raise ValueError(f"features are one or more of those there are, once: {features}")
        if not len(features) == len(center) == len(scale):
            raise ValueError(
                f"{len(features)} features, {len(center)} centers and {len(scale)} scales"
            )
        if not min(scale) > 0:
            raise ValueError(f"every scale is above 0, not {min(scale)}")
        return cls(
            np.array([FEATURES.index(name) for name in features]),
            np.array(center)[:, None],
            np.array(scale)[:, None],
        )

    def __call__(self, features: Floats) -> Floats:
        """Shape ``(k, n)``."""
        standardised: Floats = (features[self.used] - self.center) / self.scale
        return standardised


class Linear(EarlyWarning):
    """Weighted sums of standardised features."""

    def __init__(
        self, *, prevalence: Floats, inputs: Standardised, intercepts: Floats, weights: Floats
    ) -> None:
        """`intercepts` has shape ``(len(TARGETS), 1)``, `weights` ``(len(TARGETS), k)``."""
        self.prevalence = prevalence
        self._inputs, self._intercepts, self._weights = inputs, intercepts, weights

    @classmethod
    def of(cls, form: LinearForm) -> Self:
        """See `LinearForm.served`."""
        targets = of_targets(form.targets)
        return cls(
            prevalence=np.array(of_targets(form.prevalence)),
            inputs=Standardised.of(form.features, form.center, form.scale),
            intercepts=np.array([[each.intercept] for each in targets]),
            weights=_table([each.weights for each in targets], len(form.features), "weights"),
        )

    def probabilities(self, seen: Seen) -> Floats:
        """See the base class."""
        return sigmoid(self._weights @ self._inputs(seen.features) + self._intercepts)

    def contributions(self, seen: Seen) -> Floats:
        """See the base class: an average feature adds nothing."""
        added = np.zeros((len(TARGETS), *seen.features.shape))
        added[:, self._inputs.used] = self._weights[:, :, None] * self._inputs(seen.features)
        return added


class Quadratic(EarlyWarning):
    """Weighted sums of standardised features, and of products of some of them."""

    def __init__(
        self,
        *,
        prevalence: Floats,
        inputs: Standardised,
        most: float,
        intercepts: Floats,
        weights: Floats,
        multiplied: NDArray[np.intp],
        products: Floats,
        means: Floats,
    ) -> None:
        """`multiplied`, shape ``(m,)``, tells which of the k inputs are.

        `products` has shape ``(len(TARGETS), m, m)``, `means` ``(m, m)``; both are symmetric,
        and a product of two features stands in both places with half its weight.
        """
        self.prevalence = prevalence
        self._inputs, self._most, self._multiplied = inputs, most, multiplied
        self._weights, self._products = weights, products
        # What an average feature adds with its products, per target: shape (TARGETS, m, 1).
        self._offsets = (products * means).sum(axis=2, keepdims=True)
        self._intercepts = intercepts

    @classmethod
    def of(cls, form: QuadraticForm) -> Self:
        """See `QuadraticForm.served`."""
        targets = of_targets(form.targets)
        missing = [name for name in form.products_of if name not in form.features]
        if missing or len(set(form.products_of)) < len(form.products_of):
            raise ValueError(f"products are of features that are used, once: {form.products_of}")
        if not form.most > 0:
            raise ValueError(f"most has to be above 0, and is {form.most}")
        m = len(form.products_of)
        pairs = list(combinations_with_replacement(range(m), 2))
        products = _table([each.products for each in targets], len(pairs), "products")
        means = _table([form.means], len(pairs), "means")
        first, second = np.array(pairs, np.intp).reshape(-1, 2).T
        square = np.zeros((len(targets), m, m))
        mean_of = np.zeros((m, m))
        mean_of[first, second] = mean_of[second, first] = means[0]
        square[:, first, second] += products / 2
        square[:, second, first] += products / 2
        return cls(
            prevalence=np.array(of_targets(form.prevalence)),
            inputs=Standardised.of(form.features, form.center, form.scale),
            most=form.most,
            intercepts=np.array([[each.intercept] for each in targets]),
            weights=_table([each.weights for each in targets], len(form.features), "weights"),
            multiplied=np.array([form.features.index(name) for name in form.products_of], np.intp),
            products=square,
            means=mean_of,
        )

    def probabilities(self, seen: Seen) -> Floats:
        """See the base class."""
        values, added = self._of_products(seen)
        return sigmoid(self._weights @ values + added.sum(axis=1) + self._intercepts)

    def contributions(self, seen: Seen) -> Floats:
        """See the base class: of a product each of the two features adds half."""
        values, of_products = self._of_products(seen)
        added = np.zeros((len(TARGETS), *seen.features.shape))
        added[:, self._inputs.used] = self._weights[:, :, None] * values
        added[:, self._inputs.used[self._multiplied]] += of_products
        return added

    def _of_products(self, seen: Seen) -> tuple[Floats, Floats]:
        """The inputs, and what each multiplied one adds with the others, per target."""
        values = np.clip(self._inputs(seen.features), -self._most, self._most)
        factors = values[self._multiplied]
        return values, factors * (self._products @ factors) - self._offsets


def _table(rows: list[list[float]], width: int, name: str) -> Floats:
    for row in rows:
        if len(row) != width:
            raise ValueError(f"there have to be {width} {name}, not {len(row)}")
    return np.array(rows, np.float64).reshape(len(rows), width)
