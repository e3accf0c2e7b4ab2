"""Examples: features as the worker makes them, of readings whose next one is known."""

from dataclasses import replace

import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.training.examples import IN_STATE, Examples, seen
from bpstream.training.outcomes import outcomes
from tests.training.series import a_series, random_series

SERIES = random_series(patients=40, readings=15, sd=30)


def feature(of, name):
    return of.features[FEATURES.index(name)].tolist()


def test_a_reading_is_seen_with_the_earlier_ones_of_its_patient_and_source():
    series = a_series(
        *(("a", 0, 120, 80), ("a", 30, 200, 100, "ART"), ("a", 60, 100, 60)),
        *(("a", 90, 190, 90, "ART"), ("b", 0, 150, 70)),
    )
    of = seen(series)
    assert feature(of, "systolic") == [120, 200, 100, 190, 150]
    alone = seen(a_series(("a", 0, 120, 80), ("a", 60, 100, 60)))
    assert of.features[:, [0, 2]].tolist() == alone.features.tolist()
    first = seen(a_series(("b", 700, 150, 70)))
    assert of.features[:, [4]].tolist() == first.features.tolist()


def test_what_comes_later_changes_nothing():
    now = np.tile(np.arange(15) < 8, 40)
    earlier = a_series(
        *(
            (f"{patient:03}", t, systolic, diastolic)
            for patient, t, systolic, diastolic, is_now in zip(
                *(SERIES.patient, SERIES.t_minutes, SERIES.systolic, SERIES.diastolic, now),
                strict=True,
            )
            if is_now
        )
    )
    assert seen(earlier).features.tolist() == seen(SERIES).features[:, now].tolist()


def test_examples_are_the_readings_that_are_followed_with_what_came():
    found, examples = outcomes(SERIES), Examples.of(SERIES)
    followed = found["severe"].followed
    assert 0 < followed.sum() < len(SERIES)
    assert examples.features.tolist() == seen(SERIES).features[:, followed].tolist()
    for at, target in enumerate(TARGETS):
        assert examples.labels[at].tolist() == found[target].event[followed].tolist()
        assert examples.at_risk[at].tolist() == found[target].at_risk[followed].tolist()


def test_readings_in_the_state_count_little_and_have_no_part_in_the_prevalence():
    rows = [("a", 10 * at, systolic, 70) for at, systolic in enumerate((120, 85, 86, 120, 119))]
    examples = Examples.of(a_series(*rows))
    low = IN_STATE
    assert examples.weights[TARGETS.index("hypotension")].tolist() == [1, low, low, 1]
    assert examples.prevalence["hypotension"] == 0.5
    # Never 0 or 1: of so few nobody can be so sure.
    assert examples.prevalence["severe"] == pytest.approx(0.5 / 4)


def test_a_window_ends_with_the_reading_whatever_the_order_of_the_rows():
    order = np.random.default_rng(0).permutation(len(SERIES))
    columns = ("patient", "t_minutes", "systolic", "diastolic", "source")
    turned = replace(SERIES, **{name: getattr(SERIES, name)[order] for name in columns})
    windows = seen(SERIES).windows()
    assert windows[:, -1, 0].tolist() == SERIES.systolic.tolist()
    np.testing.assert_array_equal(seen(turned).windows(), windows[order])


def test_patients_that_are_set_apart_are_on_one_side_and_take_everything_with_them():
    examples = Examples.of(SERIES)
    most, few = examples.apart(0.25, seed=3)
    assert len(np.unique(few.patient)) == 10
    assert not set(few.patient) & set(most.patient)
    assert len(few) + len(most) == len(examples)
    kept = np.isin(examples.patient, few.patient)
    for name in ("features", "labels", "at_risk"):
        np.testing.assert_array_equal(getattr(few, name), getattr(examples, name)[:, kept])
    np.testing.assert_array_equal(few.windows(), examples.windows()[kept])
    assert set(few.patient) != set(examples.apart(0.25, seed=4)[1].patient)


def test_one_patient_is_on_both_sides():
    alone = Examples.of(SERIES.of(np.arange(40) == 7))
    assert all(side is alone for side in alone.apart(0.25, seed=0))
