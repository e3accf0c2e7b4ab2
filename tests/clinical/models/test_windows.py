"""Windows of a data set, held to a loop."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.models.early_warning import WINDOW
from bpstream.clinical.models.windows import windows_of

rows = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["ART", "NIBP"]),
        st.integers(0, 3000).map(float),
        st.floats(60, 250),
        st.floats(30, 55),
    ),
    max_size=60,
).map(sorted)


def window_of(rows, at):
    patient, source = rows[at][:2]
    series = [row[2:] for row in rows[: at + 1] if row[:2] == (patient, source)]
    told = [
        (systolic, diastolic, (t - series[nth - 1][0]) / 60 if nth else math.nan)
        for nth, (t, systolic, diastolic) in enumerate(series)
    ]
    return ([(math.nan,) * 3] * WINDOW + told)[-WINDOW:]


@given(rows)
def test_a_window_holds_the_last_readings_of_the_same_patient_and_source(rows):
    columns = [np.array([row[column] for row in rows]) for column in range(5)]
    found = windows_of(*columns)
    assert found.shape == (len(rows), WINDOW, 3)
    expected = np.array([window_of(rows, at) for at in range(len(rows))]).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
