"""Memory: what a step of readings does to the rows of its patients.

`state` is a view of all rows (`patients.ROW`), `rows` the position of each reading's patient
in it, shape ``(n,)``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical import rules
from bpstream.clinical.order import by_patient
from bpstream.clinical.structures import whole
from bpstream.encoding import Judged
from bpstream.patients import AGGREGATE, COUNTERS, RECENT, Patients
from bpstream.reading import Flag, Kind, Readings
from bpstream.texts import Texts

LATE_AFTER = 15 * 60 * 1_000_000
"""A reading that arrives so many µs after it was taken is late, whatever came before it."""


def identities(document_ids: Sequence[str]) -> NDArray[np.uint64]:
    """The first 64 bits of each document id (32 hexadecimal digits), shape ``(n,)``."""
    digits = Texts.of(document_ids).utf8.joined()
    return np.frombuffer(bytes.fromhex(str(digits, "ascii")), ">u8")[::2].astype(np.uint64)


def identity(document_id: str) -> int:
    """The first 64 bits of one document id."""
    return int(document_id[:16], 16)


class Seen(NamedTuple):
    """Readings, held against those that the state holds; all are positions of readings."""

    new: NDArray[np.intp]
    """Those that are neither in the state nor earlier in the step, in that version or later."""
    replaces: dict[int, int]
    """The new ones that are in the state in an earlier version, and where in `recent`."""
    follows: set[int]
    """The new ones of which an earlier version is earlier in the step."""


def seen(
    state: NDArray[np.void],
    rows: NDArray[np.intp],
    identity: NDArray[np.uint64],
    version: NDArray[np.int64],
) -> Seen:
    """Tell which of the readings are known already."""
    recent = state["recent"]
    known, slot = np.divmod(np.flatnonzero(recent["identity"][rows] == identity[:, None]), RECENT)
    new = np.ones(len(rows), np.bool_)
    new[known[recent["version"][rows[known], slot] >= version[known]]] = False
    follows = set()
    by_identity = np.sort(identity)
    if (by_identity[1:] == by_identity[:-1]).any():
        newest: dict[int, int] = {}
        for position, (key, number) in enumerate(
            zip(identity.tolist(), version.tolist(), strict=True)
        ):
            if newest.get(key, number - 1) >= number:
                new[position] = False
            elif key in newest:
                follows.add(position)
            newest[key] = max(number, newest.get(key, number))
    replaces = zip(known[new[known]].tolist(), slot[new[known]].tolist(), strict=True)
    return Seen(np.flatnonzero(new), dict(replaces), follows)


class Known(NamedTuple):
    """Readings of a step, and what the state knows of them before it."""

    rows: NDArray[np.intp]
    identity: NDArray[np.uint64]
    seen: Seen


def known(readings: Readings, patients: Patients) -> Known:
    """Hold readings against the rows of their patients; a new patient gets a row."""
    rows = patients.positions(readings.patient_id)
    identity = identities(readings.document_id)
    return Known(rows, identity, seen(patients.rows, rows, identity, readings.version))


def late(
    readings: Readings,
    rows: NDArray[np.intp],
    state: NDArray[np.void],
    arrived_at: NDArray[np.int64],
) -> NDArray[np.uint32]:
    """The flag LATE where a reading is older than the patient's newest, or came too late."""
    taken_at = readings.taken_at
    late = arrived_at - taken_at > LATE_AFTER
    late |= taken_at < state["last"]["taken_at"][rows]
    if len(rows) and not (np.diff(taken_at) >= 0).all():
        order = by_patient(rows)
        # Ranks are small, so that a patient's own maximum can be told from the one before.
        rank = np.argsort(np.argsort(taken_at, kind="stable"), kind="stable")
        rank[readings.kind != Kind.READING] = -1  # an aggregate is never the newest
        patient = rows[order]
        base = np.cumsum(np.r_[0, patient[1:] != patient[:-1]]) * len(rows)
        before = np.maximum.accumulate(base + rank[order])[:-1]
        by_time = np.sort(taken_at)
        newest = by_time[np.maximum(before - base[1:], 0)]
        same = before >= base[1:]
        late[order[1:]] |= same & (taken_at[order[1:]] < newest)
    return np.where(late, np.uint32(Flag.LATE), np.uint32(0))


def contributions(tags: NDArray[np.uint8], spot: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """What each reading adds to its patient's counters, shape ``(n, len(COUNTERS))``."""
    hyper = tags & (rules.Tag.HYPERTENSION_SYSTOLIC | rules.Tag.HYPERTENSION_DIASTOLIC) > 0
    counted = np.empty((len(tags), len(COUNTERS)), np.uint32)
    counted[:, 0] = spot
    counted[:, 1] = tags > 0
    counted[:, 2] = hyper
    counted[:, 3] = (tags > 0) & ~hyper
    for column in range(4):
        counted[:, 4 + column] = (tags >> column) & 1
    return counted


def remember(
    state: NDArray[np.void],
    rows: NDArray[np.intp],
    identity: NDArray[np.uint64],
    readings: Readings,
    judged: Judged,
    *,
    places: Mapping[int, int],
) -> NDArray[np.intp]:
    """Count the readings and keep the last ones; returns the positions of changed rows.

    A reading whose position is in `places` takes that place in `recent`: it is the only one
    of its patient.  The others go where the oldest was.
    """
    n = len(rows)
    if not n:
        return rows
    order = by_patient(rows)
    patient = rows[order]
    first = np.flatnonzero(np.r_[True, patient[1:] != patient[:-1]])
    changed = patient[first]
    count = np.diff(np.r_[first, n])
    nth = np.arange(n) - np.repeat(first, count)

    spot = readings.kind == Kind.READING
    counted = contributions(judged.tags[order], spot[order])
    state["counters"][changed] += np.add.reduceat(counted, first, axis=0)

    kept = np.empty(n, state.dtype["recent"].base)
    kept["identity"] = identity
    kept["version"] = readings.version
    kept["taken_at"] = readings.taken_at
    kept["systolic"] = readings.systolic
    kept["diastolic"] = readings.diastolic
    kept["mean"] = judged.mean
    kept["flags"] = readings.flags
    kept["tags"] = judged.tags | np.where(spot, 0, AGGREGATE).astype(np.uint8)
    kept["severity"] = judged.severity
    kept = whole(kept)[order].view(kept.dtype)
    # Of more than RECENT readings the last ones win: they are assigned last.
    slot = (state["next"][patient].astype(np.intp) + nth) % RECENT
    if places:
        place = np.array([places.get(position, -1) for position in order.tolist()])
        slot = np.where(place < 0, slot, place)
        count = count * (place[first] < 0)
    whole(state["recent"])[patient, slot] = whole(kept)
    state["next"][changed] = (state["next"][changed] + count) % RECENT

    on_time = np.flatnonzero(spot[order] & (kept["taken_at"] >= state["last"]["taken_at"][patient]))
    # By time, so that of several the newest is assigned last.
    on_time = on_time[np.argsort(kept["taken_at"][on_time], kind="stable")]
    whole(state["last"])[patient[on_time]] = whole(kept)[on_time]
    newest = order[on_time]
    state["risk"][patient[on_time]] = judged.risk[newest]
    state["warning"][patient[on_time]] = judged.warning[:, newest].T
    return changed
