"""What is known of every patient of one partition: one packed row each.

A row's bytes are the value of the patient's changelog record, so the state needs no encoding: it
is copied.  Behind them stands the history of arterial readings, of patients who have one: few have
an arterial line, and what nobody has takes no memory.  `ROW` is part of what is stored in Kafka;
another layout takes another `LAYOUT`.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.alarm_rules import SLOTS
from bpstream.clinical.alarms import SLOT
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.history import HISTORY, is_begun
from bpstream.clinical.structures import whole
from bpstream.copied import Copied
from bpstream.ids import ids, roomy
from bpstream.jsonlines import items, lines, parts
from bpstream.texts import Texts

LAYOUT = 3
RECENT = 16
"""How many of a patient's last readings are kept: a repeated one is known by them."""

COUNTERS = (
    "readings",
    "anomalies",
    "hypertension",
    "hypotension",
    "hypertension_systolic",
    "hypotension_systolic",
    "hypertension_diastolic",
    "hypotension_diastolic",
)

READING = np.dtype(
    [
        ("identity", "<u8"),  # the first 64 bits of the document id; 0: no reading yet
        ("version", "<i8"),
        ("taken_at", "<i8"),  # µs since 1970 UTC
        ("systolic", "<f4"),  # mmHg, NaN where it was not measured
        ("diastolic", "<f4"),
        ("mean", "<f4"),
        ("flags", "<u2"),  # LATE, in `recent`: no alarm looks at it, nor at what replaces it
        ("tags", "u1"),
        ("severity", "i1"),
    ]
)

ROW = np.dtype(
    [
        ("layout", "u1"),
        ("stamp", "<u8"),  # of the step that wrote the row (`checkpoint.Checkpoint.stamp`)
        ("counters", "<u4", (len(COUNTERS),)),
        ("partition", "<i4"),  # original coordinates of the last message applied
        ("offset", "<i8"),
        ("risk", "<f4"),  # of the newest reading, and the early warnings from it
        ("warning", "<f4", (len(TARGETS),)),
        ("last", READING),  # the newest reading, by the time it was taken
        ("next", "u1"),  # where in `recent` the next reading goes
        ("recent", READING, (RECENT,)),
        ("alarms", SLOT, (SLOTS,)),  # by rule, in the order of the rules
        ("history", HISTORY),  # of cuff readings
    ]
)

STORED = np.dtype([("row", ROW), ("arterial", HISTORY)])
"""A patient in the changelog; who never had an arterial reading has no end."""

AGGREGATE = 0x80
"""Set in `tags` of a reading that is an aggregate: kept, but neither counted nor the last."""
RETRACTED = 0x40
"""Set in `tags` of a reading that was taken back: kept, so that it does not come again."""
TAGS = 0x0F
"""The bits of `tags` that are the rules'."""

LONG_AGO = np.iinfo(np.int64).min
"""`last.taken_at` of a patient without a reading."""

# From any of its places on, once around.
_PLACES = np.concatenate([np.arange(RECENT), np.arange(RECENT)])

_STAMP = slice(1, 9)
"""Where in a row's bytes its stamp stands."""

_NEW = np.zeros(1, ROW)
"""The row of a patient without a reading."""
_NEW["layout"] = LAYOUT
_NEW["offset"] = _NEW["partition"] = -1
_NEW["last"]["taken_at"] = LONG_AGO
_NEW["risk"] = _NEW["warning"] = np.nan

_ZERO = b"\0"


class Patients:
    """Rows of `ROW`, found by patient id.  A row, once given, stays where it is.

    Not safe to be changed by two at once; the stream changes a partition from one task.
    """

    def __init__(self) -> None:
        self._ids = ids()
        self._rows = np.zeros(0, ROW)
        self._arterial = np.zeros(0, HISTORY)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, patient_id: object) -> bool:
        return isinstance(patient_id, str) and self.position(patient_id) >= 0

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids(np.arange(len(self))))

    @property
    def rows(self) -> NDArray[np.void]:
        """A view of all rows, shape ``(len(self),)``; adding patients may move it."""
        return self._rows[: len(self._ids)]

    @property
    def histories(self) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """A view of all patients' histories by series, CUFF and ARTERIAL, as `rows` is one."""
        return self.rows["history"], self._arterial[: len(self._ids)]

    def row(self, patient_id: str) -> np.void | None:
        """The row of one patient, or None."""
        position = self.position(patient_id)
        return None if position < 0 else self._rows[position]

    def position(self, patient_id: str) -> int:
        """Where one patient's row stands, -1 where there is none."""
        # What cannot be in a message may be asked for all the same.
        utf8 = patient_id.encode(errors="surrogatepass")
        return int(self._ids.find(parts([utf8]))[0])

    def find(self, patient_ids: Sequence[str]) -> NDArray[np.intp]:
        """Where each patient's row stands, -1 where there is none, shape ``(n,)``."""
        return self._ids.find(Texts.of(patient_ids).utf8)

    def positions(self, patient_ids: Sequence[str]) -> NDArray[np.intp]:
        """Where each patient's row stands, shape ``(n,)``; a new patient gets a row."""
        utf8 = Texts.of(patient_ids).utf8
        found = self._ids.find(utf8)
        if (found < 0).any():
            before = len(self._ids)
            found = self._ids.add(utf8)
            self._begin(before)
        return found

    def ids(self, positions: NDArray[np.intp]) -> Texts:
        """The patients whose rows stand at `positions`."""
        return self._ids.take(positions)

    def copied(self, positions: NDArray[np.intp]) -> Copied:
        """The rows at `positions` as they are now, with the arterial history of who has one."""
        rows = items(whole(self._rows)[positions])
        has_line = is_begun(self._arterial, positions)
        if has_line.any():
            arterial = items(whole(self._arterial)[positions])
            rows = lines([rows, arterial.where(has_line)], len(positions))
        return Copied(self.ids(positions), rows)

    def load(self, values: Mapping[str, bytes]) -> Sequence[str]:
        """Put rows as `copied` gives them in place of earlier ones.

        Returns the patients whose row here is of a later step than the one given.
        """
        if not values:
            return []
        positions = self.positions(list(values))
        rows, arterial = _read([*values.values()])
        later = self._rows["stamp"][positions] > rows["stamp"]
        whole(self._rows)[positions[~later]] = whole(rows)[~later]
        # What is not there is not written down: it would take memory.
        told = is_begun(arterial) | is_begun(self._arterial, positions)
        at = np.flatnonzero(told & ~later)
        whole(self._arterial)[positions[at]] = whole(arterial)[at]
        return self.ids(positions[later])

    def _begin(self, before: int) -> None:
        """Rows for those who were added when there were so many."""
        after = len(self._ids)
        if after > len(self._rows):
            room = roomy(after)
            grown, arterial = np.empty(room, ROW), np.zeros(room, HISTORY)
            whole(grown)[:before] = whole(self._rows)[:before]
            at = np.flatnonzero(is_begun(self._arterial))
            whole(arterial)[at] = whole(self._arterial)[at]
            self._rows, self._arterial = grown, arterial
        whole(self._rows)[before:after] = whole(_NEW)


def _read(values: list[bytes]) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Rows and arterial histories of what `copied` gives, each of shape ``(len(values),)``."""
    if {*map(len, values)} == {ROW.itemsize}:
        return np.frombuffer(b"".join(values), ROW), np.zeros(len(values), HISTORY)
    padded = (value.ljust(STORED.itemsize, _ZERO) for value in values)
    stored = np.frombuffer(b"".join(padded), STORED)
    return np.ascontiguousarray(stored["row"]), np.ascontiguousarray(stored["arterial"])


def stamp_of(value: bytes) -> int:
    """The stamp of a row as bytes.  Raises ValueError for a row of another layout."""
    if not _STAMP.stop <= len(value) <= STORED.itemsize or value[0] != LAYOUT:
        raise ValueError(
            f"a patient's row has layout {value[:1].hex() or 'none'} and {len(value)} bytes; "
            f"this version reads layout {LAYOUT:02x} of at most {STORED.itemsize} bytes"
        )
    return int.from_bytes(value[_STAMP], "little")


def recent_places(row: np.void) -> NDArray[np.intp]:
    """Where in `recent` a row's readings are, in the order they arrived; aggregates left out."""
    recent = row["recent"]
    is_reading = (recent["identity"] != 0) & (recent["tags"] & (AGGREGATE | RETRACTED) == 0)
    places = _PLACES[int(row["next"]) :][:RECENT]
    kept: NDArray[np.intp] = places[is_reading[places]]
    return kept


def recent_in_order(row: np.void) -> NDArray[np.void]:
    """The readings that a row holds, in the order they arrived; aggregates are left out."""
    kept: NDArray[np.void] = row["recent"][recent_places(row)]
    return kept


def counters_of(row: np.void) -> dict[str, int]:
    """A row's counters by name."""
    return dict(zip(COUNTERS, row["counters"].tolist(), strict=True))
