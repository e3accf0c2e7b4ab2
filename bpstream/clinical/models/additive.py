"""Additive models as tables: one value for each cell of each feature, to be looked up and added.

A gradient boosting whose trees have one feature each is a sum of step functions (a generalized
additive model: Lou et al., KDD 2012, doi:10.1145/2339530.2339556).  The steps are read off the
trees by `bpstream.training`, and this serves them without scikit-learn.
"""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, GRIDS
from bpstream.clinical.history import Floats
from bpstream.clinical.models.early_warning import EarlyWarning, Seen
from bpstream.clinical.models.risk import sigmoid


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one feature adds to the log-odds: a step function."""

    feature: str
    cuts: list[float]
    """Ascending; a value on a cut is below it."""
    values: list[float]
    """One more than cuts: below the first, between them, above the last."""


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log-odds of one target."""

    intercept: float
    terms: list[Term]


class AdditiveForm(msgspec.Struct, frozen=True, tag="additive", forbid_unknown_fields=True):
    """The tables as they stand in model.json."""

    prevalence: dict[str, float]
    targets: dict[str, Target]

    def served(self) -> "Additive":
        """Ready to be looked up.  Raises ValueError where the tables make no sense."""
        return Additive.of(self)


class Additive(EarlyWarning):
    """Every feature's cells, one after the other, in one array a target."""

    def __init__(
        self,
        *,
        prevalence: Floats,
        intercepts: Floats,
        tables: Floats,
        used: NDArray[np.intp],
    ) -> None:
        """`tables` has shape ``(len(TARGETS), cells of all the features used)``."""
        self.prevalence, self._intercepts, self._tables = prevalence, intercepts, tables
        self._used = used
        grids = [GRIDS[FEATURES[at]] for at in used.tolist()]
        begins = np.cumsum([0, *(grid.cells for grid in grids)])[:-1]
        self._per_unit = np.array([[float(grid.per_unit)] for grid in grids])
        # Of a value v the cell is v * per_unit + this.
        self._first = np.array(
            [
                [begin - grid.least * grid.per_unit]
                for begin, grid in zip(begins, grids, strict=True)
            ]
        )

    @classmethod
    def of(cls, form: AdditiveForm) -> Self:
        """Put each step function's value into the cells of its feature."""
        unknown = set(TARGETS) ^ set(form.targets)
        if unknown:
            raise ValueError(f"there have to be the targets {', '.join(TARGETS)} and no others")
        named = {term.feature for target in form.targets.values() for term in target.terms}
        used = [at for at, name in enumerate(FEATURES) if name in named]
        if len(used) < len(named) or not used:
            raise ValueError(f"there are no features {', '.join(sorted(named - set(FEATURES)))}")
        tables = []
        for name in TARGETS:
            steps = {term.feature: term for term in form.targets[name].terms}
            if len(steps) < len(form.targets[name].terms):
                raise ValueError(f"{name} has two terms of one feature")
            tables.append(np.concatenate([_cells(FEATURES[at], steps) for at in used]))
        return cls(
            prevalence=np.array([form.prevalence[name] for name in TARGETS]),
            intercepts=np.array([[form.targets[name].intercept] for name in TARGETS]),
            tables=np.array(tables),
            used=np.array(used, np.intp),
        )

    def probabilities(self, seen: Seen) -> Floats:
        """See the base class."""
        cells = self._looked_up(seen.features)
        logits = [table.take(cells).sum(axis=0) for table in self._tables]
        return sigmoid(np.array(logits) + self._intercepts)

    def contributions(self, seen: Seen) -> Floats:
        """See the base class.  Each table's average over its training data is 0."""
        added = np.zeros((len(TARGETS), *seen.features.shape))
        added[:, self._used] = self._tables[:, self._looked_up(seen.features)]
        return added

    def contributions_to(self, seen: Seen, target: NDArray[np.intp]) -> Floats:
        """See the base class."""
        added = np.zeros(seen.features.shape)
        cells = self._looked_up(seen.features) + target * self._tables.shape[1]
        added[self._used] = self._tables.take(cells)
        return added

    def _looked_up(self, features: Floats) -> NDArray[np.intp]:
        cells: NDArray[np.intp] = (features[self._used] * self._per_unit + self._first).astype(
            np.intp
        )
        return cells


def _cells(feature: str, steps: dict[str, Term]) -> Floats:
    """The value of each of a feature's cells; 0 where the target does not depend on it."""
    grid, term = GRIDS[feature], steps.get(feature)
    if term is None:
        return np.zeros(grid.cells)
    if len(term.values) != len(term.cuts) + 1 or sorted(set(term.cuts)) != term.cuts:
        raise ValueError(
            f"{feature} has {len(term.cuts)} cuts and {len(term.values)} values: "
            "cuts have to ascend, and there is one more value"
        )
    values = grid.least + np.arange(grid.cells) / grid.per_unit
    return np.array(term.values)[np.searchsorted(term.cuts, values, side="left")]
