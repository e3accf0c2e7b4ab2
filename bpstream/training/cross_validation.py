"""Cross-validation: every patient is told of by what learned from the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.training import splits
from bpstream.training.predictor import Predictor
from bpstream.training.readings import Series

FOLDS = 5
"""Into which the patients fall; into as many as there are patients, if they are fewer."""


def cross_validated(
    series: Series, fit: Callable[[Series], Mapping[str, Predictor]], *, seed: int
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """What each predictor that `fit` makes tells of every reading: by its name, by target.

    The seed decides the folds, which are the same for all.  Raises :class:`FileError` when
    there is but one patient.
    """
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for fold in splits.folds(series, count=FOLDS, seed=seed):
        unseen, part = fold[series.patient], series.of(fold)
        for name, predictor in fit(series.of(~fold)).items():
            told = found.setdefault(name, {target: np.empty(len(series)) for target in TARGETS})
            for target, probability in predictor.predict(part).items():
                told[target][unseen] = probability
    return found


@dataclass(frozen=True, slots=True)
class TrainedAnew:
    """A predictor (`Predictor`) for patients that a model may know: it is asked of none of them.

    Each is told of by another model, which `fit` makes of the other folds.
    """

    fit: Callable[[Series], Predictor]
    seed: int

    def predict(self, series: Series) -> dict[str, NDArray[np.float64]]:
        """As `Predictor` has it."""
        (told,) = cross_validated(
            series, lambda part: {"": self.fit(part)}, seed=self.seed
        ).values()
        return told


@dataclass(frozen=True, slots=True)
class SetApart:
    """A predictor (`Predictor`): the models of a cross-validation, as they were kept."""

    models: Sequence[Predictor]
    """Each was trained on all patients but those of its fold."""
    fold: NDArray[np.int64]
    """Of each patient of the series, -1 where the patient is in none; shape ``(P,)``."""

    def predict(self, series: Series) -> dict[str, NDArray[np.float64]]:
        """As `Predictor` has it, of the patients who are in a fold; of others NaN."""
        told = {target: np.full(len(series), np.nan) for target in TARGETS}
        for number, model in enumerate(self.models):
            asked = self.fold == number
            if asked.any():
                for target, probability in model.predict(series.of(asked)).items():
                    told[target][asked[series.patient]] = probability
        return told


@dataclass(frozen=True, slots=True)
class Unseen:
    """A predictor (`Predictor`): the model itself, but for the patients it was trained on."""

    model: Predictor
    apart: Predictor
    """Of models that did not learn from the patients they are asked of."""
    familiar: NDArray[np.bool_]
    """Of each patient of the series, whether the model was trained on it; shape ``(P,)``."""

    def predict(self, series: Series) -> dict[str, NDArray[np.float64]]:
        """As `Predictor` has it."""
        itself, apart = self.model.predict(series), self.apart.predict(series)
        familiar = self.familiar[series.patient]
        return {target: np.where(familiar, apart[target], itself[target]) for target in TARGETS}
