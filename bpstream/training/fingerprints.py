"""Fingerprints: who is who in any file, whatever its ids, its other rows and its types are.

A patient is told by the first readings of each source, as they were chosen (`readings.load`):
so a file of cuff readings alone, one without what cannot be used, or one with other ids or
another start of time still has the patients it had.
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from bpstream.training.readings import Series

TELLING = 3
"""So many first readings tell a series from every other."""
BYTES = 5
"""Of a fingerprint: among ten thousand series two are hardly ever the same by chance."""


def fingerprints(series: Series) -> NDArray[np.uint64]:
    """A number of every run of `Series.runs`, shape ``(runs,)``: a hash of its first readings."""
    order, begins = series.runs()
    lengths = np.diff(begins, append=len(series))
    nth = np.arange(TELLING)
    at = order[begins[:, None] + np.minimum(nth, lengths[:, None] - 1)]
    t = series.t_minutes[at]
    # Of a single reading little else is known than its time.
    since = np.where(lengths[:, None] > 1, t - t[:, :1], t)
    columns = (since, series.systolic[at], series.diastolic[at])
    lines = zip(lengths.tolist(), *(column.tolist() for column in columns), strict=True)
    return np.array([_hash(*line) for line in lines], np.uint64)


def known(series: Series, among: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which patients have a series whose fingerprint is `among` these; shape ``(P,)``."""
    return places(series, np.unique(among)) >= 0


def places(series: Series, among: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where `among` these, which ascend, a fingerprint of each patient is: shape ``(P,)``.

    -1 where none of the patient's series is.
    """
    prints = fingerprints(series)
    place = np.searchsorted(among, prints)
    there = place < len(among)
    there[there] = among[place[there]] == prints[there]
    found = np.full(len(series.patient_ids), -1)
    found[_owners(series)[there]] = place[there]
    return found


def people(series: Series) -> NDArray[np.uint64]:
    """A number of each patient, shape ``(P,)``: ids that share a series have the same one."""
    prints, place = np.unique(fingerprints(series), return_inverse=True)
    owner = _owners(series)
    # The least fingerprint of all who are connected, by way of any number of ids and series.
    person = np.full(len(series.patient_ids), len(prints))
    least = np.arange(len(prints))
    while True:
        np.minimum.at(person, owner, least[place])
        before = least.copy()
        np.minimum.at(least, place, person[owner])
        if (least == before).all():
            break
    found: NDArray[np.uint64] = prints[person]
    return found


def _owners(series: Series) -> NDArray[np.int64]:
    """Whose each run is."""
    order, begins = series.runs()
    return series.patient[order[begins]]


def _hash(length: int, *columns: list[float]) -> int:
    rows = [*zip(*columns, strict=True)][:length]
    text = "".join("|".join(map(_digits, row)) + "\n" for row in rows)
    return int.from_bytes(blake2b(text.encode(), digest_size=BYTES).digest(), "big")


def _digits(number: float) -> str:
    """Six digits, which a 32-bit float has as well; minus zero is zero."""
    return f"{number + 0.0:g}"
