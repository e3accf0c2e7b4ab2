"""What the cuff makes of a pressure: its error, its artefacts, and that nothing else is wrong."""

import numpy as np
import pytest

from bpstream.simulator.cuff import ARTEFACT_SHARES, Artefact, measure

MANY = 200_000
SYSTOLIC, DIASTOLIC = 130.0, 80.0


@pytest.fixture(scope="module")
def errors():
    """By artefact: by how much a pressure of 130/80 is misread, shape ``(2, n)``."""
    systolic, diastolic, artefact = measure(
        np.full(MANY, SYSTOLIC), np.full(MANY, DIASTOLIC), np.random.default_rng(1)
    )
    wrong = np.array([systolic - SYSTOLIC, diastolic - DIASTOLIC])
    return {kind: wrong[:, artefact == kind] for kind in Artefact}


@pytest.mark.parametrize("kind", list(ARTEFACT_SHARES))
def test_an_artefact_comes_as_often_as_it_should(errors, kind):
    expected = MANY * ARTEFACT_SHARES[kind]
    # Four times the SD of a count of rare things.
    assert errors[kind].shape[1] == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_artefacts_are_one_reading_in_seventy():
    assert sum(ARTEFACT_SHARES.values()) == pytest.approx(0.014)


def test_pressures_are_whole_numbers(errors):
    for kind in set(Artefact) - {Artefact.DROPOUT}:
        assert np.array_equal(errors[kind], np.rint(errors[kind]))


def test_the_error_of_a_cuff_is_within_the_standards(errors):
    found = errors[Artefact.NONE]
    assert found.mean(axis=1) == pytest.approx([0, 0], abs=0.05)
    assert found.std(axis=1) == pytest.approx([5, 4], abs=0.05)


def test_motion_throws_both_pressures_to_the_same_side(errors):
    found = errors[Artefact.MOTION]
    assert found.mean(axis=1) == pytest.approx([0, 0], abs=3)
    assert found.std(axis=1) == pytest.approx([np.hypot(25, 5), np.hypot(15, 4)], rel=0.1)
    assert np.corrcoef(*found)[0, 1] > 0.9


def test_a_small_cuff_reads_too_high(errors):
    assert errors[Artefact.SMALL_CUFF].mean(axis=1) == pytest.approx([17.5, 10], abs=1)
    assert errors[Artefact.SMALL_CUFF].std(axis=1) == pytest.approx(
        [np.hypot(15 / np.sqrt(12), 5), np.hypot(10 / np.sqrt(12), 4)], rel=0.1
    )


def test_a_collapsed_pulse_pressure_is_of_a_few_mmhg(errors):
    systolic, diastolic = errors[Artefact.PULSE_PRESSURE_COLLAPSE]
    pulse = systolic + SYSTOLIC - (diastolic + DIASTOLIC)
    assert set(pulse.tolist()) <= set(range(1, 9))
    assert pulse.mean() == pytest.approx(4.5, abs=0.3)


def test_swapped_pressures_are_the_other_way_round(errors):
    systolic, diastolic = errors[Artefact.SWAPPED]
    assert systolic.mean() + SYSTOLIC == pytest.approx(DIASTOLIC, abs=1)
    assert diastolic.mean() + DIASTOLIC == pytest.approx(SYSTOLIC, abs=1)


def test_a_dropout_has_no_pressures(errors):
    assert np.isnan(errors[Artefact.DROPOUT]).all()


@pytest.mark.parametrize("pressures", [(40.0, 20.0), (300.0, 200.0), (40.0, 30.0)])
def test_the_display_shows_no_more_than_it_can(pressures):
    true = (np.full(MANY, pressure) for pressure in pressures)
    systolic, diastolic, artefact = measure(*true, np.random.default_rng(1))
    shown = artefact != Artefact.DROPOUT
    assert systolic[shown].min() >= 30
    assert systolic[shown].max() <= 300
    assert diastolic[shown].min() >= 10
    assert diastolic[shown].max() <= 250
