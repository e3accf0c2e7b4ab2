"""The producer agent: the worker's own simulated patients, as its settings say."""

from datetime import UTC, datetime, timedelta

import pytest

from bpstream.settings import Settings
from bpstream.stream.app import App

NOW = datetime(2026, 1, 29, 21, 30, tzinfo=UTC)


def lived(**settings):
    """Minutes the patients of a worker live while the wall clock goes on by one."""
    simulator = App(Settings(simulate=3, **settings))._simulator
    first, second = (simulator.observe(NOW + timedelta(minutes=each)) for each in (0, 1))
    assert all(each.measured is not None for each in (first, second))
    return second.measured.minutes[0] - first.measured.minutes[0]


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_the_patients_of_a_worker_live_as_fast_as_its_settings_say(speed):
    assert lived(simulate_speed=speed) == pytest.approx(speed)


def test_the_patients_of_a_worker_may_be_the_original_producers():
    simulator = App(Settings(simulate=3, simulate_profile="uniform"))._simulator
    assert len(simulator.round(NOW)) == 3
    assert simulator.observe(NOW).measured is None
