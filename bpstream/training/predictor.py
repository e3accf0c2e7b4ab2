"""What is evaluated: anything that gives every reading a probability of each target."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.errors import ModelError
from bpstream.training.readings import Series


class Predictor(Protocol):
    """A model, or a baseline."""

    def predict(self, series: Series) -> dict[str, NDArray[np.float64]]:
        """By each of `TARGETS`, the probability that each reading's next one is in the state.

        Shape ``(n,)``, 0..1, for every reading of `series`: whether it counts is not the
        model's to say.  Only what is known at the reading may be used: it, and the earlier
        ones of its patient and source.
        """


def predictions(predictor: Predictor, series: Series) -> dict[str, NDArray[np.float64]]:
    """What `predictor` says, once it is seen to be probabilities.

    Raises :class:`ModelError` when it is anything else: a NaN would be sorted somewhere.
    """
    found = predictor.predict(series)
    for target in TARGETS:
        if target not in found:
            raise ModelError(f"the model tells nothing of {target}, only of {', '.join(found)}")
        probability = found[target]
        if probability.shape != (len(series),):
            raise ModelError(
                f"the model's {target} has shape {probability.shape}, not ({len(series)},)"
            )
        fine = (probability >= 0) & (probability <= 1)
        if not fine.all():
            wrong = np.flatnonzero(~fine)[0]
            raise ModelError(
                f"the model's {target} of reading {wrong} is {probability[wrong]}: no probability"
            )
    return found
