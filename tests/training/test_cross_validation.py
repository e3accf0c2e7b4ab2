"""Cross-validation: nobody is told of by what has learned from them."""

import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.training.cross_validation import FOLDS, TrainedAnew, Unseen, cross_validated
from tests.training.series import a_series, random_series

SERIES = random_series(patients=23, readings=4)


class Remembers:
    """Tells 1 of every patient it knows, by the first systolic pressure, and 0 of the others."""

    def __init__(self, series):
        self.known = set(series.systolic[np.unique(series.patient, return_index=True)[1]].tolist())

    def predict(self, series):
        first = series.systolic[np.searchsorted(series.patient, series.patient)]
        told = np.isin(first, [*self.known]).astype(float)
        return dict.fromkeys(TARGETS, told)


class Says:
    """Tells the same of everybody."""

    def __init__(self, probability):
        self.probability = probability

    def predict(self, series):
        return {target: np.full(len(series), self.probability) for target in TARGETS}


APART = a_series(
    *(
        (f"p{patient:02}", 60 * hour, 100 + patient, 70)
        for patient in range(23)
        for hour in range(3)
    )
)


def test_every_patient_is_told_of_by_what_the_others_taught():
    parts = []

    def fit(part):
        parts.append(len(part.patient_ids))
        return {"memory": Remembers(part), "half": Says(0.5)}

    found = cross_validated(APART, fit, seed=0)
    assert len(parts) == FOLDS
    assert sum(len(APART.patient_ids) - each for each in parts) == len(APART.patient_ids)
    for target in TARGETS:
        assert set(found["memory"][target]) == {0}
        assert set(found["half"][target]) == {0.5}
    assert set(Remembers(APART).predict(APART)["severe"]) == {1}


def test_a_model_trained_anew_is_a_predictor():
    found = TrainedAnew(Remembers, seed=3).predict(APART)
    assert tuple(found) == TARGETS
    assert set(found["severe"]) == {0}


@pytest.mark.parametrize("familiar", [0, 1, 22, 23])
def test_only_patients_that_a_model_knows_are_told_of_by_another_one(familiar):
    known = np.arange(23) < familiar
    model = Unseen(Says(0.25), TrainedAnew(lambda part: Says(0.75), seed=0), known)
    for probability in model.predict(SERIES).values():
        assert probability.tolist() == np.where(known[SERIES.patient], 0.75, 0.25).tolist()
