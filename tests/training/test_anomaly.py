"""The risk that is fitted to the rules: two-sided, and of their opinion on whole mmHg."""

from itertools import product

import numpy as np
import pytest

from bpstream.clinical.rules import tag
from bpstream.errors import FileError
from bpstream.training.anomaly import fit
from tests.training.series import random_series

SERIES = random_series(patients=100, readings=10)
WHOLE = np.array([*product(range(40, 260), range(20, 160))], np.float64).T


def test_the_risk_predicts_what_the_rules_say_of_every_whole_pressure():
    fitted = fit(SERIES.systolic, SERIES.diastolic)
    assert ((fitted.risk.score(*WHOLE) >= 0.5) == (tag(*WHOLE) > 0)).all()
    assert fitted.about["metrics"]["agreement"] == 1
    assert fitted.about["metrics"]["brier"] < 0.01
    assert fitted.about["anomalous"] == np.count_nonzero(tag(SERIES.systolic, SERIES.diastolic))


def test_the_risk_is_a_curve_and_no_step():
    risk = fit(SERIES.systolic, SERIES.diastolic).risk
    at_the_limit, beyond = risk.score(np.array([140.0, 141.0]), np.array([80.0, 80.0]))
    assert 0 < at_the_limit < 0.5 < beyond < 1


@pytest.mark.parametrize(
    ("systolic", "told"), [(120, "all 3 readings are normal"), (200, "all 3 readings are anom")]
)
def test_readings_of_one_kind_teach_no_risk(systolic, told):
    with pytest.raises(FileError, match=told):
        fit(np.full(3, float(systolic)), np.full(3, 80.0))
