"""Movement: a partition that has messages and commits nothing is stuck, after a while."""

import pytest

from bpstream.stream.movement import STUCK_AFTER, Movement
from tests.stream.helpers import tp

HALF = STUCK_AFTER / 2


@pytest.mark.parametrize(
    ("looks", "stuck"),
    [
        # Seconds since the first look, and where each partition with messages left is.
        ([(0, {0: 5}), (STUCK_AFTER - 1, {0: 5})], []),
        ([(0, {0: 5}), (STUCK_AFTER, {0: 5})], [0]),
        ([(0, {0: 0}), (STUCK_AFTER, {0: 0})], [0]),
        ([(0, {0: 5}), (HALF, {0: 6}), (STUCK_AFTER, {0: 6})], []),
        ([(0, {0: 5}), (HALF, {0: 6}), (HALF + STUCK_AFTER, {0: 6})], [0]),
        ([(0, {0: 5}), (HALF, {}), (STUCK_AFTER, {0: 5})], []),  # it had done all in between
        ([(0, {0: 5, 1: 5}), (HALF, {0: 5, 1: 6}), (STUCK_AFTER, {0: 5, 1: 7})], [0]),
        ([(0, {0: 5}), (STUCK_AFTER, {0: 5}), (STUCK_AFTER + 5, {0: 9})], []),
        ([(0, {0: 5}), (HALF, {1: 5}), (STUCK_AFTER, {1: 5})], []),  # 0 went to another worker
    ],
)
def test_a_partition_is_stuck_once_it_has_not_moved_for_two_minutes(looks, stuck):
    movement, found = Movement(), None
    for seconds, behind in looks:
        found = movement.look({tp(n): at for n, at in behind.items()}, now=1000.0 + seconds)
    assert found == [tp(number) for number in stuck]


def test_while_the_worker_waits_for_what_it_has_told_no_time_counts():
    movement = Movement()
    movement.look({tp(): 5}, now=0.0)
    movement.forget()
    assert movement.look({tp(): 5}, now=STUCK_AFTER) == []
    assert movement.look({tp(): 5}, now=2 * STUCK_AFTER) == [tp()]
