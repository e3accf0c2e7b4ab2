"""Splits: a patient is on one side, whatever the order of rows, ids and runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.errors import FileError
from bpstream.training.splits import folds, hold_out
from tests.training.series import a_series

PEOPLE = st.lists(st.integers(0, 30), min_size=2, max_size=40)


def ids_of(people):
    """An id each, in the order of `people`; those of one person have the same readings."""
    return a_series(*((f"{at:03}", person, 120, 80) for at, person in enumerate(people)))


SERIES = ids_of(range(60))


def sides(people, chosen):
    """The people on either side."""
    people = np.array(people)
    return set(people[chosen].tolist()), set(people[~chosen].tolist())


@given(PEOPLE, st.integers(-(2**63), 2**63 - 1), st.sampled_from([0.1, 0.3, 0.5]))
def test_no_patient_is_on_both_sides_of_a_hold_out(people, seed, share):
    try:
        held_out = hold_out(ids_of(people), share=share, seed=seed)
    except FileError:
        assert round(share * len(set(people))) in {0, len(set(people))}
        return
    here, there = sides(people, held_out)
    assert here
    assert there
    assert not here & there


@given(PEOPLE, st.integers(0, 1000), st.integers(2, 6))
def test_every_patient_is_in_one_fold_and_no_fold_is_empty(people, seed, count):
    series = ids_of(people)
    if len(set(people)) < 2:
        with pytest.raises(FileError, match="one patient alone"):
            next(folds(series, count=count, seed=seed))
        return
    found = [*folds(series, count=count, seed=seed)]
    assert len(found) == min(count, len(set(people)))
    assert all(fold.any() for fold in found)
    assert np.sum(found, axis=0).tolist() == [1] * len(people)
    for fold in found:
        here, there = sides(people, fold)
        assert not here & there


@given(st.permutations(range(60)), st.integers(0, 1000))
def test_a_patients_side_does_not_depend_on_the_order_of_patients(order, seed):
    shuffled = ids_of(order)
    before = hold_out(SERIES, share=0.3, seed=seed)
    assert hold_out(shuffled, share=0.3, seed=seed).tolist() == before[order].tolist()
    for fold, other in zip(
        folds(SERIES, count=4, seed=seed), folds(shuffled, count=4, seed=seed), strict=True
    ):
        assert other.tolist() == fold[order].tolist()


def test_a_seed_decides_who_is_held_out():
    sides = {
        seed: hold_out(SERIES, share=0.3, seed=seed).tobytes() for seed in (*range(5), -1, 2**40)
    }
    assert len(set(sides.values())) == len(sides)
    assert hold_out(SERIES, share=0.3, seed=3).tobytes() == sides[3]


def test_the_share_that_was_asked_for_is_held_out_and_folds_are_as_large():
    assert hold_out(SERIES, share=0.3, seed=0).sum() == 18
    assert [fold.sum() for fold in folds(SERIES, count=8, seed=0)] == [8, 7, 8, 7, 8, 7, 8, 7]


def test_a_hold_out_is_known_by_its_patients_on_every_machine():
    held_out = hold_out(ids_of(range(20)), share=0.25, seed=7)
    assert np.flatnonzero(held_out).tolist() == [2, 3, 8, 14, 19]


def test_too_few_patients_to_hold_out_are_told():
    with pytest.raises(FileError, match="1 different patients are too few to hold out 30%"):
        hold_out(ids_of([5, 5]), share=0.3, seed=0)
