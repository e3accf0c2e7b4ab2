"""What a batch costs, in calls and not in seconds: columns, and nothing for each reading."""

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from bpstream.batch import Partition
from bpstream.chunk import Chunk
from bpstream.compiled import LOOPS
from tests.bench.simulated import a_pipeline, rounds

FEW, MANY = 100, 200
"""Patients; both fit into one step, of 900 kB of rows."""
_ROUNDS = 6

MOST_CALLS = 0.5 if LOOPS else 16
"""For each reading more, of Python's functions and of C's."""


def calls(work: Callable[[], None]) -> Counter[str]:
    """How often each function was called, by its module and name."""
    found = Counter[str]()

    def count(frame: FrameType, event: str, called: Any) -> None:
        if event == "call":
            found[f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"] += 1
        elif event == "c_call":
            owner = getattr(called, "__module__", None) or type(called.__self__).__module__
            found[f"{owner}.{called.__qualname__}"] += 1

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


@pytest.fixture(scope="module")
def counted() -> dict[int, tuple[int, Counter[str]]]:
    """By number of patients: readings of the last round, and the calls that it took."""
    pipeline = a_pipeline()
    found = {}
    # Counted the second time, when every text that few values make is known.
    for patients in (FEW, MANY, FEW, MANY):
        partition = Partition(0)
        steps = []

        def take(chunk: Chunk, partition: Partition = partition, steps: list = steps) -> None:
            batch = pipeline.read(chunk, partition)
            steps[:] = pipeline.steps(batch, partition, now=int(chunk.arrived_at[0]))

        *before, last = rounds(patients, _ROUNDS)
        for chunk in before:
            take(chunk)
        found[patients] = len(last), calls(lambda take=take, last=last: take(last))
        assert len(steps) == 1
        assert steps[0].readings == len(last)
    return found


def test_numpy_is_called_for_a_batch_and_never_for_a_reading(counted):
    few, many = (
        Counter({name: count for name, count in found.items() if name.startswith("numpy")})
        for _, found in counted.values()
    )
    # What no line has, or every line, is left out of some calls.
    assert (many - few).total() <= 5 < MANY - FEW
    assert few.total() > 100


def test_a_reading_more_costs_no_call(counted):
    (few, of_few), (many, of_many) = counted.values()
    assert few < many
    assert sum((of_many - of_few).values()) / (many - few) <= MOST_CALLS


def test_neither_faust_nor_scikit_learn_is_called(counted):
    _, found = counted[MANY]
    assert not [name for name in found if name.partition(".")[0] in {"faust", "mode", "sklearn"}]
