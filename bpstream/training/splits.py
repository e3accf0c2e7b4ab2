"""Patients apart: hold-out and folds that a seed decides, and no order of rows changes.

Every patient has a place of its own in a seed's order, a hash of its fingerprint.  Patients
who share a series, and so perhaps are one patient under two ids, stay together.
"""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from bpstream.errors import FileError
from bpstream.training.fingerprints import people
from bpstream.training.readings import Series


def hold_out(series: Series, *, share: float, seed: int) -> NDArray[np.bool_]:
    """Which patients are held out, shape ``(P,)``: `share` (0..1) of them, as near as can be.

    Raises :class:`FileError` when one side would be empty.
    """
    place, count = _places(series, seed)
    held_out = place < round(share * count)
    if held_out.all() or not held_out.any():
        raise FileError(f"{count} different patients are too few to hold out {share:.0%} of them")
    return held_out


def folds(series: Series, *, count: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """The patients of each of `count` folds, shape ``(P,)``: each patient is in one of them.

    There are as many folds as patients if those are fewer.  Raises :class:`FileError` when all
    are one patient.
    """
    place, patients = _places(series, seed)
    if patients < 2:
        raise FileError("one patient alone cannot be set apart from others: two are the least")
    count = min(count, patients)
    for fold in range(count):
        yield place * count // patients == fold


def _places(series: Series, seed: int) -> tuple[NDArray[np.int64], int]:
    """Each patient's place in the seed's order, and how many places there are."""
    key = seed.to_bytes(8, "big", signed=True)
    hashes = [
        blake2b(each.to_bytes(8, "big"), digest_size=8, key=key).digest()
        for each in people(series).tolist()
    ]
    # Not "S8", which would take off zeros at the end.
    places, place = np.unique(np.array(hashes, "V8").view(">u8"), return_inverse=True)
    return place, len(places)
