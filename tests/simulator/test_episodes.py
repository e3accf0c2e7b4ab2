"""Episodes: how they go, how often they come, and that some are under way from the start."""

import numpy as np
import pytest

from bpstream.simulator.episodes import BETWEEN_MINUTES, COURSES, Episode, Episodes

DAY = 24 * 60
ACUTE = [Episode.HYPERTENSIVE_CRISIS, Episode.HYPOTENSION]
GRADUAL = [Episode.DRIFT_UP, Episode.DRIFT_DOWN]
MEAN_MINUTES = sum(
    course.share * course.median_minutes * np.exp(course.spread**2 / 2)
    for course in COURSES.values()
)


def followed(*, patients, days, step):
    """Minutes, kind, start and changes at each step.

    The shapes are ``(steps,)``, twice ``(steps, patients)``, and ``(steps, 2, patients)``.
    """
    episodes = Episodes(patients, np.random.default_rng(1))
    minutes = np.arange(0, days * DAY, step)
    found = [episodes.at(minute) for minute in minutes]
    return minutes, *(np.array(column) for column in zip(*found, strict=True))


@pytest.fixture(scope="module")
def by_the_minute():
    """The courses of episodes that began and ended while it was looked: kind, since, changes."""
    minutes, kind, start, change = followed(patients=60, days=12, step=1)
    courses = []
    for patient in range(60):
        for begun in np.unique(start[:, patient]):
            rows = np.flatnonzero(start[:, patient] == begun)
            if begun >= 0 and len(rows) and rows[-1] + 1 < len(minutes):
                (one,) = set(kind[rows, patient].tolist())
                courses.append((one, minutes[rows] - begun, change[rows, :, patient]))
    return courses


def of(kind, courses):
    found = [(since, change) for one, since, change in courses if one == kind]
    assert len(found) > 4
    return found


def test_the_shares_of_the_kinds_make_one():
    assert sum(course.share for course in COURSES.values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", ACUTE)
def test_an_acute_episode_takes_twelve_minutes_to_come_stays_and_takes_twelve_to_go(
    kind, by_the_minute
):
    least, most = COURSES[kind].change
    for since, change in of(kind, by_the_minute):
        ends = since[-1]  # within a minute
        if ends < 30:
            continue
        stays = (since >= 12) & (since < ends - 12)
        (plateau,) = set(np.round(change[stays, 0], 6).tolist())
        assert least <= plateau <= most
        coming = since < 12
        assert change[coming, 0] == pytest.approx(plateau * since[coming] / 12)
        assert abs(change[-1, 0]) < abs(plateau) / 12 + 1e-6


@pytest.mark.parametrize("kind", GRADUAL)
def test_a_drift_takes_most_of_its_time_to_come(kind, by_the_minute):
    least, most = COURSES[kind].change
    for since, change in of(kind, by_the_minute):
        lasts = since[-1]
        extreme = np.abs(change[:, 0]).argmax()
        assert 0.69 < since[extreme] / lasts < 0.71
        assert least <= change[extreme, 0] <= most


@pytest.mark.parametrize("kind", list(COURSES))
def test_both_pressures_change_the_diastolic_by_less(kind, by_the_minute):
    for _, change in of(kind, by_the_minute):
        assert change[:, 1] == pytest.approx(COURSES[kind].diastolic * change[:, 0])
        assert 0 < COURSES[kind].diastolic < 1


def test_without_an_episode_nothing_changes_and_there_is_no_start():
    _, kind, start, change = followed(patients=200, days=20, step=60)
    none = kind == Episode.NONE
    assert 0 < none.mean() < 1
    assert np.array_equal(none, np.isnan(start))
    assert not change.transpose(1, 0, 2)[:, none].any()


def test_as_many_patients_are_in_an_episode_at_the_start_as_at_any_later_time():
    _, kind, *_ = followed(patients=3000, days=30, step=DAY)
    inside = (kind != Episode.NONE).mean(axis=1)
    expected = MEAN_MINUTES / (MEAN_MINUTES + BETWEEN_MINUTES)
    assert expected == pytest.approx(0.18, abs=0.005)
    for days in (inside[:10], inside[10:20], inside[20:]):
        assert days.mean() == pytest.approx(expected, abs=0.015)
    assert inside[0] == pytest.approx(expected, abs=0.025)


def test_the_kinds_come_in_their_shares():
    _, kind, start, _ = followed(patients=2000, days=30, step=30)
    began = {each: len(np.unique(start[kind == each])) for each in COURSES}
    # An acute episode may pass within half an hour, a drift may not.
    drifts = [COURSES[each].share for each in GRADUAL]
    assert began[Episode.DRIFT_UP] / sum(began[each] for each in GRADUAL) == pytest.approx(
        drifts[0] / sum(drifts), abs=0.04
    )
    acute = sum(began[each] for each in ACUTE) / sum(began.values())
    assert acute == pytest.approx(sum(COURSES[each].share for each in ACUTE), abs=0.04)


def test_the_starts_lie_between_the_readings_not_on_them():
    minutes, _, start, _ = followed(patients=200, days=10, step=60)
    begun = start[np.isfinite(start)]
    assert not np.isin(begun, minutes).any()
