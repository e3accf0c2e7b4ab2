"""The flag `late`: older than the patient's newest, or more than 15 minutes on its way."""

import pytest

from tests.pipeline.messages import MINUTE, Message, Taken, at, body, chunk
from tests.pipeline.owner import Owner

INSTANT = 1 / MINUTE  # a microsecond


def late_of(*readings, arrived=30.0, size=100):
    """The names of the late ones, of readings in chunks of `size` that arrived at once."""
    held = [Message(n, body(each), at(arrived)) for n, each in enumerate(readings)]
    owner = Owner()
    for start in range(0, len(held), size):
        owner.take(chunk(held[start : start + size]))
    return [each.observation_id for each in owner.documents() if "late" in each.flags]


@pytest.mark.parametrize(
    ("minutes_on_its_way", "late"),
    [(-5, False), (0, False), (15, False), (15 + INSTANT, True), (60 * 24, True)],
)
def test_a_reading_is_late_after_more_than_15_minutes(minutes_on_its_way, late):
    assert late_of(Taken("o"), arrived=minutes_on_its_way) == (["o"] if late else [])


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize(
    ("minutes", "late"),
    [
        ((20, 21, 22), []),
        ((20, 20), []),
        ((20, 20 - INSTANT), ["o1"]),
        ((22, 20, 21), ["o1", "o2"]),
        ((20, 22, 21, 23, 22), ["o2", "o4"]),
    ],
)
def test_a_reading_is_late_if_it_is_older_than_the_patients_newest_before_it(minutes, late, size):
    readings = [Taken(f"o{n}", minute=minute) for n, minute in enumerate(minutes)]
    assert late_of(*readings, size=size) == late


@pytest.mark.parametrize("size", [1, 100])
def test_another_patients_newer_reading_makes_none_late(size):
    readings = [Taken("a", "p1", 25), Taken("b", "p2", 20), Taken("c", "p3", 22)]
    assert late_of(*readings, size=size) == []


@pytest.mark.parametrize("size", [1, 100])
def test_a_newer_aggregate_makes_no_reading_late(size):
    newer = Taken("mean", minute=25, aggregate=True)
    assert late_of(Taken("a", minute=20), newer, Taken("b", minute=21), size=size) == []


@pytest.mark.parametrize("size", [1, 100])
def test_an_aggregate_is_late_as_a_reading_is(size):
    older = Taken("mean", minute=20, aggregate=True)
    assert late_of(Taken("a", minute=25), older, size=size) == ["mean"]


@pytest.mark.parametrize("size", [1, 100])
def test_a_late_reading_makes_no_other_one_late(size):
    readings = [Taken("a", minute=25), Taken("b", minute=20), Taken("c", minute=25)]
    assert late_of(*readings, size=size) == ["b"]
