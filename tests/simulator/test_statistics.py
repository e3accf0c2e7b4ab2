"""A simulated week against what was published of real ones.

The series of intensive care that stand beside the others here are the cuff readings of the
PhysioNet/CinC Challenge 2012.
"""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from bpstream.simulator import Artefact, Episode, dataset
from bpstream.simulator.cohort import Cohort
from bpstream.simulator.physiology import DIASTOLIC_RANGE, LEAST_PULSE_PRESSURE, SYSTOLIC_RANGE

PATIENTS, DAYS, INTERVAL = 600, 7, 20


class Week:
    """A week, and its usual readings: without an artefact and outside episodes."""

    def __init__(self):
        self.readings = dataset(PATIENTS, DAYS, INTERVAL, seed=1)
        self.truth = self.readings.truth
        usual = (self.truth.artefact == Artefact.NONE) & (self.truth.episode == Episode.NONE)
        often = np.bincount(self.truth.patient[usual], minlength=PATIENTS) > 100
        self.rows = np.flatnonzero(usual & often[self.truth.patient])
        found = self.readings.take(self.rows)
        self.pressures = np.array([found.systolic, found.diastolic])
        self.minutes = found.minutes
        # Numbered anew, without those who hardly have a usual reading.
        _, self.patient = np.unique(found.patient, return_inverse=True)

    def means(self, values, rows=slice(None)):
        """Of each patient; shape ``(..., patients)``."""
        patient = self.patient[rows]
        counts = np.bincount(patient)
        return np.array([np.bincount(patient, each) / counts for each in values[:, rows]])

    @property
    def around(self):
        """By how much each pressure differs from the patient's mean."""
        return self.pressures - self.means(self.pressures)[:, self.patient]


@pytest.fixture(scope="module")
def week():
    return Week()


def test_pressures_dip_at_night_by_as_much_as_people_do(week):
    """Hinderliter et al., J Am Soc Hypertens 2013;7:432-439: 13 % (SD 5) and 18 % (SD 6)."""
    hour = week.minutes / 60 % 24
    asleep, awake = (hour >= 1) & (hour < 6), (hour >= 9) & (hour < 21)
    dip = 1 - week.means(week.pressures, asleep) / week.means(week.pressures, awake)
    assert np.median(dip, axis=1) == pytest.approx([0.13, 0.18], abs=0.01)
    quartiles = np.quantile(dip, [0.25, 0.75], axis=1).T
    assert quartiles[0] == pytest.approx([0.093, 0.167], abs=0.015)
    assert dip.std(axis=1) == pytest.approx([0.055, 0.075], abs=0.01)


def test_a_patients_pressures_vary_as_they_do_in_intensive_care(week):
    """There: 13.1 and 9.6 mmHg."""
    within = np.sqrt(np.median(week.means(week.around**2), axis=1))
    assert within == pytest.approx([13.1, 9.6], rel=0.08)


def test_a_patients_two_pressures_go_together_as_much_as_people_s(week):
    """Gavish et al., J Hypertens 2008;26:199-209: r is 0.74 (SD 0.14); in intensive care 0.55."""
    both = week.means(np.array([week.around[0] * week.around[1]]))[0]
    r = both / np.sqrt(week.means(week.around**2).prod(axis=0))
    assert 0.55 < r.mean() < 0.74
    assert 0.05 < r.std() < 0.14


def test_a_reading_tells_of_the_next_and_less_of_a_later_one(week):
    """In intensive care 0.59 at 20 minutes at most, between readings that nurses chose to take."""

    def correlation(minutes):
        steps = minutes // INTERVAL
        first, later = slice(None, -steps), slice(steps, None)
        same = (week.patient[first] == week.patient[later]) & np.isclose(
            week.minutes[later] - week.minutes[first], minutes
        )
        return np.corrcoef(week.around[0][first][same], week.around[0][later][same])[0, 1]

    found = [correlation(minutes) for minutes in (20, 60, 180)]
    assert 0.59 < found[0] < 0.75
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.3


def test_a_third_of_the_patients_has_hypertension():
    """NCD-RisC, Lancet 2021;398:957-980: 32 % of women, 34 % of men from 30 to 79."""
    patients = Cohort(5000, seed=1).physiology
    assert patients.hypertensive.mean() == pytest.approx(0.32, abs=0.02)
    for group, systolic, diastolic in ((True, 142, 86), (False, 120, 75)):
        of_group = patients.hypertensive == group
        assert patients.systolic[of_group].mean() == pytest.approx(systolic, abs=1)
        assert patients.diastolic[of_group].mean() == pytest.approx(diastolic, abs=1)
        pair = patients.systolic[of_group], patients.diastolic[of_group]
        assert np.corrcoef(*pair)[0, 1] == pytest.approx(0.65, abs=0.04)


def test_one_reading_in_seventy_is_an_artefact_or_missing(week):
    expected = PATIENTS * DAYS * 24 * 60 // INTERVAL
    missing = expected - len(week.truth.patient)
    wrong = np.count_nonzero(week.truth.artefact)
    assert missing / expected == pytest.approx(0.001, abs=0.0003)
    assert (missing + wrong) / expected == pytest.approx(0.014, abs=0.001)


def test_a_fifth_of_the_time_is_in_episodes(week):
    assert (week.truth.episode != Episode.NONE).mean() == pytest.approx(0.18, abs=0.03)


@hypothesis.settings(max_examples=50)
@hypothesis.given(
    st.integers(0, 2**64), st.floats(0.1, 5000), st.integers(1, 200), st.floats(0, 1e6)
)
def test_every_reading_is_one_a_living_patient_may_have_unless_its_truth_says_artefact(
    seed, interval, patients, start
):
    cohort = Cohort(patients, seed)
    for number in range(20):
        found = cohort.measure(start + number * interval)
        truth = found.truth
        told = found.take(np.flatnonzero(truth.artefact == Artefact.NONE))
        for systolic, diastolic in (
            (told.systolic, told.diastolic),
            (truth.systolic, truth.diastolic),
        ):
            assert ((systolic >= SYSTOLIC_RANGE[0]) & (systolic <= SYSTOLIC_RANGE[1])).all()
            assert ((diastolic >= DIASTOLIC_RANGE[0]) & (diastolic <= DIASTOLIC_RANGE[1])).all()
            # The cuff rounds.
            assert (systolic - diastolic >= LEAST_PULSE_PRESSURE - 1).all()
        in_episode = truth.episode != Episode.NONE
        assert (truth.episode_start[in_episode] <= truth.minutes[in_episode]).all()
