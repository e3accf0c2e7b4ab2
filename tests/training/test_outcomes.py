"""Outcomes: what the next reading of the same patient and source is, and who is at risk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.training.outcomes import outcomes
from bpstream.training.readings import load
from tests.training.series import SAMPLE, a_series, needs_sample


def of(series, target="hypotension"):
    """(event, at risk, followed) of each reading."""
    outcome = outcomes(series)[target]
    return [*zip(*(column.tolist() for column in outcome), strict=True)]


@pytest.mark.parametrize(
    ("minutes", "followed"), [(1, True), (239.9, True), (240, True), (240.1, False)]
)
def test_the_next_reading_counts_within_four_hours(minutes, followed):
    found = of(a_series(("a", 0, 120, 80), ("a", minutes, 85, 50)))
    assert found[0] == (followed, True, followed)


def test_the_last_reading_of_a_patient_is_censored_whoever_comes_next():
    found = of(a_series(("a", 0, 120, 80), ("b", 10, 85, 50)))
    assert found == [(False, True, False), (False, False, False)]


def test_a_patient_who_is_in_the_state_is_not_at_risk_of_it():
    series = a_series(("a", 0, 85, 50), ("a", 60, 84, 50), ("a", 120, 120, 80))
    assert of(series) == [(True, False, True), (False, False, True), (False, True, False)]
    assert outcomes(series)["hypotension"].counted.tolist() == [False, False, False]
    assert outcomes(series)["severe"].counted.tolist() == [True, True, False]


def test_only_the_next_reading_counts_and_not_the_one_after():
    assert of(a_series(*(("a", t, s, 60) for t, s in ((0, 120), (10, 110), (20, 85)))))[0] == (
        False,
        True,
        True,
    )


def test_the_next_reading_is_of_the_same_source():
    series = a_series(
        ("a", 0, 120, 80, "NIBP"),
        ("a", 5, 85, 50, "ART"),
        ("a", 10, 119, 80, "NIBP"),
        ("a", 15, 120, 80, "ART"),
    )
    assert [event for event, *_ in of(series)] == [False, False, False, False]
    assert [followed for *_, followed in of(series)] == [True, True, False, False]


def test_a_low_mean_is_that_of_the_two_pressures():
    series = a_series(("a", 0, 120, 80), ("a", 10, 90, 50), ("a", 20, 90, 60))
    assert of(series, "low_map") == [
        (True, True, True),
        (False, False, True),  # (90 + 2 * 50) / 3 is 63.3
        (False, True, False),
    ]


READINGS = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, 600),
    st.integers(80, 190),
    st.integers(50, 65),
    st.sampled_from(["NIBP", "ART"]),
)


@given(st.lists(READINGS, max_size=12, unique_by=lambda row: (row[0], row[1], row[4])))
def test_outcomes_are_those_of_plain_python(rows):
    def is_in(row):
        _, _, systolic, diastolic, _ = row
        mean = (systolic + 2 * diastolic) / 3
        return dict(zip(TARGETS, (systolic < 90, mean < 65, systolic >= 180), strict=True))

    rows.sort(key=lambda row: (row[0], row[1], row[4]))
    if not rows:
        return
    found = outcomes(a_series(*rows))
    for place, row in enumerate(rows):
        later = [
            each for each in rows if (each[0], each[4]) == (row[0], row[4]) and each[1] > row[1]
        ]
        following = min(later, key=lambda each: each[1], default=None)
        followed = following is not None and following[1] - row[1] <= 240
        for target in TARGETS:
            assert found[target].at_risk[place] == (not is_in(row)[target])
            assert found[target].followed[place] == followed
            assert found[target].event[place] == (followed and is_in(following)[target])


@needs_sample
def test_the_targets_of_real_readings_are_as_rare_as_is_known():
    shares = {
        target: outcome.event[outcome.counted].mean()
        for target, outcome in outcomes(load(SAMPLE)).items()
    }
    expected = {"hypotension": 0.0415, "low_map": 0.0939, "severe": 0.0063}
    assert shares == pytest.approx(expected, abs=5e-5)
