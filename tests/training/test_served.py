"""What a model is measured on is what the worker tells: the same readings, the same warnings."""

import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.models.model import load
from bpstream.resources import shipped
from bpstream.settings import Settings
from bpstream.training import served
from bpstream.training.served import Served
from tests.pipeline.messages import Taken, a_pipeline, chunk, messages
from tests.pipeline.owner import Owner
from tests.training.series import random_series

MODEL = load(shipped("models") / Settings().model)
SERIES = random_series(patients=6, readings=40, seed=3, sd=30)


@pytest.mark.parametrize("at_once", [1, 7, 240])
def test_a_series_and_the_worker_are_told_the_same(at_once):
    """However the readings are cut into chunks, in which the patients take turns."""
    order = np.argsort(SERIES.t_minutes, kind="stable")
    columns = (SERIES.patient, SERIES.t_minutes, SERIES.systolic, SERIES.diastolic)
    taken = [
        Taken(f"o{place}", f"p{patient}", minute, systolic, diastolic)
        for place, (patient, minute, systolic, diastolic) in zip(
            order.tolist(), zip(*(column[order] for column in columns), strict=True), strict=True
        )
    ]
    held = messages(*taken, minute=SERIES.t_minutes.max() + 1)
    owner = Owner(a_pipeline(model=MODEL))
    for begin in range(0, len(held), at_once):
        owner.take(chunk(held[begin : begin + at_once]))
    told = {each.observation_id: each.early_warning for each in owner.documents()}
    expected = Served(MODEL.early_warning).predict(SERIES)
    assert len(told) == len(SERIES)
    for target in TARGETS:
        found = [getattr(told[f"o{place}"], target) for place in range(len(SERIES))]
        assert found == np.round(expected[target], 6).tolist()
        assert np.ptp(found) > 0.01


def test_how_many_readings_are_asked_of_at_once_changes_nothing(monkeypatch):
    whole = Served(MODEL.early_warning).predict(SERIES)
    monkeypatch.setattr(served, "_AT_ONCE", 7)
    for target, probability in Served(MODEL.early_warning).predict(SERIES).items():
        assert probability.tolist() == whole[target].tolist()
