"""Measures the model in a folder on any patients, also on those it was trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.models.model import Model, load, named
from bpstream.errors import ModelError
from bpstream.training import evaluation, folder
from bpstream.training.cross_validation import FOLDS, SetApart, Unseen
from bpstream.training.evaluation import Evaluation, evaluate
from bpstream.training.families import FAMILIES, family_named
from bpstream.training.fingerprints import places
from bpstream.training.predictor import Predictor, predictions
from bpstream.training.readings import Series
from bpstream.training.served import Served
from bpstream.training.train import trained_anew


class Subject(NamedTuple):
    """What is measured."""

    model: Model
    family: str
    familiar: NDArray[np.bool_]
    """Of each patient, whether the model was trained on it; shape ``(P,)``."""
    apart: SetApart | None
    """The models of its cross-validation, where its folder holds them."""

    @property
    def steps(self) -> int:
        """How many steps `measure` tells of."""
        are_trained = self.familiar.any() and self.apart is None
        anew = FOLDS * len(family_named(self.family).steps) if are_trained else 0
        return len(evaluation.STEPS) + anew

    @property
    def caution(self) -> str:
        """What has to be known of the figures; empty where there is nothing."""
        count, of = int(np.count_nonzero(self.familiar)), len(self.familiar)
        if not count:
            return ""
        which, rest = (
            (f"all {of} patients", "")
            if count == of
            else (f"{count} of {of} patients", "; the others by the model itself")
        )
        models = (
            f"models of the family {self.family} that were trained anew on the other folds"
            if self.apart is None
            else "the models of its cross-validation, none of which has learned from them"
        )
        return (
            f"{which} are among those that {self.model.name} was trained on: they are told of by "
            f"{models}{rest}"
        )


def subject(name: str, series: Series, *, models: Path) -> Subject:
    """The model of this name (see `model.named`), as it stands to the patients of `series`.

    Raises :class:`ModelError` where it cannot be served, or does not tell where it is from.
    """
    path = named(name, models)
    model, held = load(path), folder.read(path)
    if held.family not in FAMILIES:
        raise ModelError(
            f"{path} is of the family {held.family!r}; this version of bpstream trains "
            f"{', '.join(FAMILIES)}"
        )
    place = places(series, held.patients)
    apart = None
    if held.folds is not None:
        served = [Served(each.served()) for each in held.folds.early_warnings]
        apart = SetApart(served, np.where(place < 0, -1, held.folds.fold[place]))
    return Subject(model, held.family, place >= 0, apart)


class Measured(NamedTuple):
    """What was found."""

    evaluation: Evaluation
    told: dict[str, NDArray[np.float64]]
    """By target, what every reading was told, also those that do not count; shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A predictor (`Predictor`) of one series, which has predicted already."""

    told: dict[str, NDArray[np.float64]]

    def predict(self, series: Series) -> dict[str, NDArray[np.float64]]:
        return self.told


def measure(
    subject: Subject,
    series: Series,
    *,
    seed: int = 0,
    resamples: int = 1000,
    progress: Callable[[str], None] = lambda step: None,
) -> Measured:
    """Evaluate it on `series`; no patient is told of by what has learned from it.

    Raises what `evaluation.evaluate` and the family raise.
    """
    predictor: Predictor = Served(subject.model.early_warning)
    if subject.familiar.any():
        apart = subject.apart or trained_anew(subject.family, seed=seed, progress=progress)
        predictor = Unseen(predictor, apart, subject.familiar)
    told = predictions(predictor, series)
    evaluation = evaluate(series, _Told(told), seed=seed, resamples=resamples, progress=progress)
    return Measured(evaluation, told)
