"""Times as most feeds write them, read many at once."""

import re
from collections.abc import Sequence
from ctypes import CDLL
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bpstream.compiled import LOOPS, address
from bpstream.fhir.times import FARTHEST_ZONE, microseconds
from bpstream.texts import Texts

_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}"
    r"(?:\.[0-9]{3}(?:[0-9]{3})?)?(?:Z|[+-][0-9]{2}:[0-5][0-9])"
)
_FIRST, _LAST = (microseconds(each.replace(tzinfo=UTC)) for each in (datetime.min, datetime.max))


def utc_times(
    texts: Sequence[str], *, loops: CDLL | None = LOOPS
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since 1970 UTC of times, and whether each is one; shape ``(n,)``.

    To the second, with three digits or six behind the point, or none; with a zone.
    """
    if loops is None:
        # NumPy reads many at once as well, and of more than 500 ends the process where one is
        # impossible (2.4).
        moments = list(map(_moment, texts))
        known = np.array([moment is not None for moment in moments], np.bool_)
        return np.array([moment or 0 for moment in moments], np.int64), known
    n, utf8 = len(texts), Texts.of(texts).utf8.contiguous()
    at, known = np.empty(n, np.int64), np.empty(n, np.bool_)
    loops.read_times(*utf8.addresses(), FARTHEST_ZONE, address(at), address(known))
    return at, known


def _moment(text: str) -> int | None:
    if not _FORM.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    offset, at = moment.utcoffset(), microseconds(moment)
    is_near = offset is not None and abs(offset.total_seconds()) <= FARTHEST_ZONE * 60
    return at if is_near and _FIRST <= at <= _LAST else None
