"""Scoring a detector: false alarms, episodes found and delays, of truths made by hand."""

import numpy as np
import pytest

from bpstream.simulator import Artefact, Episode, Truth, dataset
from bpstream.training import scoring

NAN = np.nan
CRISIS, LOW, UP = Episode.HYPERTENSIVE_CRISIS, Episode.HYPOTENSION, Episode.DRIFT_UP
HOUR, DAY = 60, 24 * 60


def truth_of(minutes, *episodes, patient=0):
    """A patient's truth; an episode is its kind, start and end."""
    minutes = np.array(minutes, np.float64)
    kind, begun = np.zeros(len(minutes), np.int8), np.full(len(minutes), NAN)
    for each, start, end in episodes:
        inside = (minutes >= start) & (minutes < end)
        kind[inside], begun[inside] = each, start
    healthy = np.full(len(minutes), 120.0), np.full(len(minutes), 75.0)
    patients = np.full(len(minutes), patient, np.int32)
    return Truth(patients, minutes, kind, begun, np.zeros(len(minutes), np.int8), *healthy)


def together(*truths):
    return Truth(*(np.concatenate(columns) for columns in zip(*truths, strict=True)))


def flagged(truth, *minutes, patient=0):
    return np.isin(truth.minutes, minutes) & (truth.patient == patient)


HOURLY = range(0, 2 * DAY + 1, HOUR)


@pytest.mark.parametrize(
    ("minutes", "alarms"),
    [
        ([], 0),
        ([600], 1),
        ([0], 1),
        ([600, 660, 720, 780, 840], 1),  # it stays on
        ([600, 720], 1),  # back within two hours: the same
        ([600, 780], 2),  # back after three
        ([600, 660, 720, 840], 1),  # two hours from when it was last on
        ([600, 660, 720, 900], 2),
        ([600, 1200, 1800], 3),
    ],
)
def test_an_alert_begins_where_a_flag_rises_that_was_long_off(minutes, alarms):
    truth = truth_of(HOURLY)
    found = scoring.score(flagged(truth, *minutes), truth)
    assert found.false_alarms == alarms
    assert found.patient_days == pytest.approx(2)
    assert found.false_alarms_per_patient_day == pytest.approx(alarms / 2)


def test_a_flag_that_stays_on_is_one_alert_however_seldom_the_patient_is_measured():
    truth = truth_of(range(0, 10 * DAY, DAY))
    assert scoring.score(np.ones(10, bool), truth).false_alarms == 1


@pytest.mark.parametrize(("refractory", "alarms"), [(0, 3), (119, 3), (120, 1), (1000, 1)])
def test_the_refractory_time_is_the_callers(refractory, alarms):
    truth = truth_of(HOURLY)
    flags = flagged(truth, 600, 720, 840)
    assert scoring.score(flags, truth, refractory=refractory).false_alarms == alarms


def test_an_alert_in_an_episode_is_no_false_alarm_and_neither_is_its_end_outside():
    truth = truth_of(HOURLY, (LOW, 590, 790))
    found = scoring.score(flagged(truth, 600, 660, 720, 780, 840, 900), truth)
    assert found.false_alarms == 0
    # The four readings in the episode each end an hour of it.
    assert found.patient_days == pytest.approx(2 - 4 / 24)


def test_an_alert_before_an_episode_is_a_false_alarm():
    truth = truth_of(HOURLY, (LOW, 650, 1000))
    assert scoring.score(flagged(truth, 600, 660), truth).false_alarms == 1


def test_an_artefact_that_is_flagged_is_a_false_alarm():
    truth = truth_of(HOURLY)
    truth.artefact[10] = Artefact.SMALL_CUFF
    assert scoring.score(flagged(truth, 600), truth).false_alarms == 1


def test_one_patients_flag_is_not_anothers():
    truth = together(truth_of([0, 60, 120]), truth_of([130, 190, 250], patient=1))
    flags = flagged(truth, 120) | flagged(truth, 130, patient=1)
    found = scoring.score(flags, truth)
    assert found.false_alarms == 2
    assert found.patient_days == pytest.approx(4 / 24)


def test_a_delay_is_from_the_true_start_to_the_first_flagged_reading():
    truth = truth_of(HOURLY, (CRISIS, 590, 800), (LOW, 1430, 1700))
    found = scoring.score(flagged(truth, 300, 720, 780, 1440), truth)
    assert found.by_kind[CRISIS] == (1, 1.0, 130.0, 130.0)
    assert found.by_kind[LOW] == (1, 1.0, 10.0, 10.0)
    assert found.by_kind[UP] == pytest.approx((0, NAN, NAN, NAN), nan_ok=True)


def test_an_episode_without_a_flag_in_it_is_missed():
    truth = truth_of(HOURLY, (CRISIS, 590, 800))
    found = scoring.score(flagged(truth, 540, 840), truth)
    assert found.by_kind[CRISIS] == pytest.approx((1, 0.0, NAN, NAN), nan_ok=True)


def test_the_share_and_the_quantiles_are_over_all_episodes_of_a_kind():
    delays = range(0, 660, 60)  # 11 detected, of 12
    truth = together(*(truth_of(HOURLY, (UP, 600, 2000), patient=patient) for patient in range(12)))
    flags = np.zeros(len(truth.patient), bool)
    for patient, delay in enumerate(delays):
        flags |= flagged(truth, 600 + delay, patient=patient)
    found = scoring.score(flags, truth).by_kind[UP]
    assert found == (12, pytest.approx(11 / 12), 300.0, 540.0)


def test_episodes_that_start_together_or_follow_at_once_are_told_apart():
    truth = together(
        truth_of(HOURLY, (LOW, 590, 900), (LOW, 900, 1200)),
        truth_of(HOURLY, (LOW, 590, 900), patient=1),
    )
    found = scoring.score(flagged(truth, 660), truth).by_kind[LOW]
    assert found == (3, pytest.approx(1 / 3), 70.0, 70.0)


@pytest.mark.parametrize(("least", "episodes"), [(1, 3), (2, 2), (3, 1), (4, 0)])
def test_an_episode_that_was_hardly_measured_is_not_scored(least, episodes):
    truth = truth_of(HOURLY, (LOW, 590, 610), (LOW, 1190, 1270), (LOW, 1790, 1930))
    found = scoring.score(np.ones(len(truth.patient), bool), truth, least_readings=least)
    assert found.by_kind[LOW].episodes == episodes


def test_an_episode_that_was_under_way_at_the_first_reading_is_not_scored():
    truth = truth_of(HOURLY, (LOW, -10, 500), (LOW, 590, 1000))
    found = scoring.score(np.ones(len(truth.patient), bool), truth)
    assert found.by_kind[LOW] == (1, 1.0, 10.0, 10.0)


def test_while_a_detector_warms_up_nothing_is_scored():
    truth = truth_of([each + 5000 for each in HOURLY], (LOW, 5590, 5900), (LOW, 6590, 6900))
    flags = flagged(truth, 5120, 5660, 6080, 6620)
    found = scoring.score(flags, truth, warm_up=1000)
    assert found.false_alarms == 1  # at 6080
    assert found.by_kind[LOW] == (1, 1.0, 30.0, 30.0)
    # From 6020, the first reading after the warm-up, less the five of the episode.
    assert found.patient_days == pytest.approx((32 - 5) / 24)


def test_what_is_on_at_the_end_of_the_warm_up_is_no_new_alert():
    truth = truth_of(HOURLY)
    found = scoring.score(flagged(truth, 900, 960, 1020), truth, warm_up=1000)
    assert found.false_alarms == 0


def test_the_order_of_the_readings_does_not_matter():
    readings = dataset(30, 4, 30, seed=2)
    flags = scoring.any_rule(readings.systolic, readings.diastolic)
    order = np.random.default_rng(1).permutation(len(flags))
    expected = scoring.score(flags, readings.truth, warm_up=DAY)
    assert scoring.score(flags[order], readings.truth.take(order), warm_up=DAY) == expected
    assert expected.false_alarms > 0
    assert expected.by_kind[LOW].episodes > 0


def test_of_no_readings_nothing_is_known():
    found = scoring.score(np.zeros(0, bool), truth_of([]))
    assert (found.false_alarms, found.patient_days) == (0, 0)
    assert np.isnan(found.false_alarms_per_patient_day)


def test_flags_of_other_readings_are_refused():
    with pytest.raises(ValueError, match=r"\(50,\) flags for \(49,\) readings"):
        scoring.score(np.zeros(50, bool), truth_of(HOURLY))


# The detectors.


@pytest.mark.parametrize(
    ("systolic", "diastolic", "any_rule", "severe"),
    [
        (120, 75, False, False),
        (140, 90, False, False),
        (141, 75, True, False),
        (120, 91, True, False),
        (90, 60, False, False),
        (89, 60, True, True),
        (120, 59, True, False),
        (179, 119, True, False),
        (180, 80, True, True),
        (150, 120, True, True),
        (NAN, NAN, False, False),
    ],
)
def test_the_rules_as_detectors(systolic, diastolic, any_rule, severe):
    pressures = np.array([float(systolic)]), np.array([float(diastolic)])
    assert scoring.any_rule(*pressures).tolist() == [any_rule]
    assert scoring.severe_rule(*pressures).tolist() == [severe]


def test_a_probability_is_a_detector_at_a_threshold_and_none_is_no_flag():
    found = scoring.at_threshold(np.array([0.2, 0.5, 0.9, NAN]), 0.5)
    assert found.tolist() == [False, True, True, False]


def test_either_flags_what_one_of_them_does():
    found = scoring.either(np.array([True, False, False]), np.array([False, True, False]))
    assert found.tolist() == [True, True, False]


def test_a_detector_that_flags_more_has_more_found_and_sooner():
    readings = dataset(300, 7, 20, seed=3)
    pressures = readings.systolic, readings.diastolic
    severe, both = (
        scoring.score(flags, readings.truth)
        for flags in (
            scoring.severe_rule(*pressures),
            scoring.either(scoring.severe_rule(*pressures), scoring.any_rule(*pressures)),
        )
    )
    for kind, found in both.by_kind.items():
        assert found.episodes == severe.by_kind[kind].episodes > 20
        assert found.detected >= severe.by_kind[kind].detected
        assert found.median_delay <= severe.by_kind[kind].median_delay
