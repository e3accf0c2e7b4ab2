"""Withdrawal: what a reading did to its patient's row, undone.

For a reading that was entered in error, or that a later version replaces.  There are few of
them, so this goes reading by reading.
"""

import numpy as np

from bpstream import histories
from bpstream.checkpoint import Earlier
from bpstream.memory import contributions
from bpstream.patients import AGGREGATE, LONG_AGO, RETRACTED, TAGS, Patients, recent_in_order


def slot_of(row: np.void, identity: int) -> int | None:
    """Where in `recent` the reading stands; None where the row has forgotten it."""
    (found,) = np.nonzero(row["recent"]["identity"] == identity)
    return int(found[0]) if len(found) else None


def is_retracted(reading: np.void) -> bool:
    """Whether the reading, one of `recent`, was taken back."""
    return bool(reading["tags"] & RETRACTED)


def may_be_older(row: np.void) -> bool:
    """Whether the patient has had readings that `recent` holds no longer."""
    return bool(row["recent"]["identity"].all())


def earlier(reading: np.void, *, in_index: bool, in_archive: bool) -> Earlier:
    """What is known of a reading of `recent` before it is withdrawn."""
    return Earlier(
        taken_at=int(reading["taken_at"]),
        version=int(reading["version"]),
        tags=int(reading["tags"]) & TAGS,
        is_spot=not reading["tags"] & AGGREGATE,
        in_index=in_index,
        in_archive=in_archive,
    )


def uncount(row: np.void, was: Earlier) -> None:
    """Take the reading out of the counters, which may have begun anew since it was counted."""
    counted = contributions(np.array([was.tags], np.uint8), np.array([was.is_spot], np.bool_))[0]
    row["counters"] -= np.minimum(row["counters"], counted)


def withdraw(patients: Patients, position: int, identity: int, slot: int | None) -> None:
    """Count the reading, which stands at `slot` of `recent` if it is held, as not there.

    Where it was the last one, the newest of those that are held is.
    """
    row = patients.rows[position]
    if slot is not None:
        histories.withdraw(patients, position, slot)
        row["recent"]["tags"][slot] = RETRACTED
    if row["last"]["identity"] != identity:
        return
    left = recent_in_order(row)[::-1]
    row["risk"] = row["warning"] = np.nan
    if len(left):
        row["last"] = left[np.argmax(left["taken_at"])]
    else:
        row["last"] = np.zeros((), row["last"].dtype)
        row["last"]["taken_at"] = LONG_AGO


def forget_pressures(reading: np.void) -> None:
    """Leave of a reading that was taken back only what keeps earlier versions of it away."""
    for pressure in ("systolic", "diastolic", "mean"):
        reading[pressure] = np.nan
