"""Times as most feeds write them, read many at once."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bpstream.fhir.times import FARTHEST_ZONE, microseconds

_ZONE = {ord("Z"): 1, ord("0"): 6}
"""How long the zone is, by the last letter of a form."""
# What such a time looks like, by its length: 0 stands for any digit, + for a sign.
_FORMS = {
    len(form): np.frombuffer(form.encode(), np.uint8)
    for form in (
        "0000-00-00T00:00:00.000000+00:00",
        "0000-00-00T00:00:00.000+00:00",
        "0000-00-00T00:00:00+00:00",
        "0000-00-00T00:00:00.000000Z",
        "0000-00-00T00:00:00.000Z",
        "0000-00-00T00:00:00Z",
    )
}
_MINUTE = 60_000_000
_FIRST, _LAST = (microseconds(each.replace(tzinfo=UTC)) for each in (datetime.min, datetime.max))


def utc_times(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since 1970 UTC of times, and whether each is one; shape ``(n,)``.

    To the second, with three digits or six behind the point, or none; with a zone.
    """
    n = len(texts)
    lengths = np.fromiter(map(len, texts), np.intp, n)
    at, known = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    for length in np.unique(lengths).tolist():
        form = _FORMS.get(length)
        if form is None:
            continue
        rows = np.flatnonzero(lengths == length)
        same: Sequence[str] = texts if len(rows) == n else [texts[row] for row in rows.tolist()]
        written = "".join(same)
        if not written.isascii():
            rows = np.array([row for row in rows.tolist() if texts[row].isascii()], np.intp)
            written = "".join(texts[row] for row in rows.tolist())
        letters = np.frombuffer(written.encode(), np.uint8).reshape(-1, length)
        digit = form == ord("0")
        zone = length - _ZONE[int(form[-1])]
        other = ~digit & (form != ord("+"))
        fits = (letters[:, other] == form[other]).all(axis=1)
        fits &= (letters[:, digit] - ord("0") <= 9).all(axis=1)
        east = np.zeros(len(rows), np.int64)
        if zone + 1 < length:
            east, is_zone = _offsets(letters[:, zone:])
            fits &= is_zone
        rows, letters, east = rows[fits], np.ascontiguousarray(letters[fits, :zone]), east[fits]
        moments = letters.view(f"S{zone}").ravel() if len(rows) else np.zeros(0, "S1")
        try:
            read = moments.astype("M8[us]")
        except ValueError:
            # A month 13, a February 30, a leap second: left to the tolerant reader.
            real = np.array([_is_real(texts[row]) for row in rows.tolist()])
            rows, east, read = rows[real], east[real], moments[real].astype("M8[us]")
        found = read.view(np.int64) - east * _MINUTE
        at[rows], known[rows] = found, (found >= _FIRST) & (found <= _LAST)
    return at, known


def _offsets(letters: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Minutes east of Greenwich of zones as ``+00:00``, and whether each is one."""
    sign, digits = letters[:, 0], letters[:, [1, 2, 4, 5]].astype(np.int64) - ord("0")
    minutes = digits[:, 2] * 10 + digits[:, 3]
    offset = (digits[:, 0] * 10 + digits[:, 1]) * 60 + minutes
    is_east = sign == ord("+")
    known = (is_east | (sign == ord("-"))) & (minutes <= 59) & (offset <= FARTHEST_ZONE)
    return np.where(is_east, offset, -offset), known


def _is_real(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
