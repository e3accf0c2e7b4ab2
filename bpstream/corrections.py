"""Corrections: readings that a later version replaces, and readings that are taken back.

What the state still holds is undone from it.  Of what it has forgotten the stores are asked
first; the answer stands in the checkpoint's `looked_up`.
"""

from typing import NamedTuple

import numpy as np

from bpstream import memory, progress, withdrawal
from bpstream.alarms import Alarms
from bpstream.alert import Alert
from bpstream.batch import Batch, Partition, Step
from bpstream.checkpoint import Earlier
from bpstream.chunk import Chunk
from bpstream.document import Entry, Removal, month_of
from bpstream.patients import TAGS, Patients
from bpstream.reading import AMENDS, Flag, Origin, Readings, Retraction

LOOK_AHEAD = 500
"""So many documents more are asked for at once: an archive is read through to answer.  The
answers stand in every checkpoint until they are used, which has room for some of them."""


class Replaced(NamedTuple):
    """An earlier version of a reading, as it was before the reading took its place."""

    slot: int | None
    """Where in `recent` it stood; None where the state had forgotten it."""
    was: Earlier | None
    """None where it had been taken back."""
    is_late: bool
    """Whether alarms passed it over."""


def forgotten(readings: Readings, partition: Partition) -> list[str]:
    """Documents that are amended, and of which the state may have forgotten a version."""
    amends = np.flatnonzero(readings.flags & np.uint32(AMENDS)).tolist()
    return [
        readings.document_id[at]
        for at in amends
        if _may_be_forgotten(readings.patient_id[at], readings.document_id[at], partition)
    ]


def forgotten_retraction(retraction: Retraction, partition: Partition) -> list[str]:
    """The document that is taken back, if the state does not hold it."""
    unknown = _is_not_known(retraction.patient_id, retraction.document_id, partition)
    return [retraction.document_id] if unknown else []


def ahead(batch: Batch, last: Origin, partition: Partition) -> list[str]:
    """What of the inputs behind `last` would be asked for as well, as the state is now."""
    readings, found = batch.at_home, list[str]()
    for at in np.flatnonzero(readings.flags & np.uint32(AMENDS)).tolist():
        patient_id, document_id = readings.patient_id[at], readings.document_id[at]
        if len(found) == LOOK_AHEAD:
            return found
        if readings.origin[at][:2] > last[:2] and _may_be_forgotten(
            patient_id, document_id, partition
        ):
            found.append(document_id)
    behind = [each for each in batch.retractions if each.origin[:2] > last[:2]]
    for retraction in behind[: LOOK_AHEAD - len(found)]:
        found += forgotten_retraction(retraction, partition)
    return found


def _may_be_forgotten(patient_id: str, document_id: str, partition: Partition) -> bool:
    if not _is_not_known(patient_id, document_id, partition):
        return False
    row = partition.patients.row(patient_id)
    return row is not None and withdrawal.may_be_older(row)


def _is_not_known(patient_id: str, document_id: str, partition: Partition) -> bool:
    if document_id in partition.checkpoint.looked_up:
        return False
    row = partition.patients.row(patient_id)
    return row is None or withdrawal.slot_of(row, memory.identity(document_id)) is None


def end_of_step(readings: Readings, seen: memory.Seen, looked_up: dict[str, Earlier | None]) -> int:
    """The first reading that is not to be in one step with those before it, or the end.

    One that corrects another is the only one of its patient in its step: what it changes
    depends on what came before it, and what comes after it on what it changes.
    """
    amends = {*seen.replaces, *seen.follows}
    amends.update(np.flatnonzero(readings.flags & np.uint32(AMENDS)).tolist())
    if looked_up:
        found = {document_id for document_id, was in looked_up.items() if was is not None}
        amends.update(at for at, each in enumerate(readings.document_id) if each in found)
    if not amends:
        return len(readings)
    patients, alone = set[str](), set[str]()
    for at, patient_id in enumerate(readings.patient_id):
        if patient_id in alone or (at in amends and patient_id in patients):
            return at
        patients.add(patient_id)
        if at in amends:
            alone.add(patient_id)
    return len(readings)


def answers(readings: Readings, partition: Partition) -> dict[int, Earlier]:
    """By position, what the stores held of these readings; it is not kept any longer."""
    looked_up = partition.checkpoint.looked_up
    if not looked_up:
        return {}
    found = {at: looked_up.pop(each, None) for at, each in enumerate(readings.document_id)}
    return {at: was for at, was in found.items() if was is not None}


class Corrections:
    """Takes earlier versions out of the state, and tells what is to leave the stores."""

    def __init__(self, alarms: Alarms, *, archive_all: bool, index_all: bool) -> None:
        self._alarms, self._archive_all, self._index_all = alarms, archive_all, index_all

    def withdraw(
        self, patients: Patients, position: int, identity: int, replaced: int | Earlier
    ) -> Replaced:
        """Take the earlier version, held there in `recent` or by the stores, out of the row."""
        row = patients.rows[position]
        if isinstance(replaced, Earlier):
            earlier = Replaced(None, replaced, is_late=True)
        else:
            reading = row["recent"][replaced]
            was = None if withdrawal.is_retracted(reading) else self._earlier(reading)
            is_late = bool(reading["flags"] & np.uint16(Flag.LATE))
            earlier = Replaced(replaced, was, is_late=is_late)
        if earlier.was is not None:
            withdrawal.uncount(row, earlier.was)
        withdrawal.withdraw(patients, position, identity, earlier.slot)
        return earlier

    def reconsider(
        self, row: np.void, earlier: Replaced, entry: Entry, *, is_late: bool
    ) -> list[Alert]:
        """The alerts, now that `entry` stands in the row in place of the earlier version.

        What alarms have looked at they look at again, however late the correction is.
        """
        if earlier.slot is not None:
            flags = row["recent"]["flags"]
            late = np.uint16(Flag.LATE)
            flags[earlier.slot] = flags[earlier.slot] & ~late | late * earlier.is_late
        return self._alarms.reconsidered(
            row, entry.patient_id, entry.document_id, may_rise=not is_late
        )

    def remove(self, step: Step, was: Earlier, entry: Entry, *, indexed: bool) -> None:
        """Let the earlier version of `entry` leave where the new one does not take its place."""
        removal = Removal(entry.document_id, entry.version, entry.patient_id, was.taken_at)
        if was.in_archive:
            step.from_archive.append(removal)
        stays = indexed or self._index_all
        if was.in_index and not (stays and month_of(was.taken_at) == month_of(entry.taken_at)):
            step.from_index.append(removal)

    def retract(self, chunk: Chunk, retraction: Retraction, partition: Partition) -> Step:
        """Take a reading back.  A retraction without a version is one of all versions."""
        origin, patient_id, document_id, version = retraction
        patients, checkpoint = partition.patients, partition.checkpoint
        position = patients.position(patient_id)
        row = None if position < 0 else patients.rows[position]
        identity = memory.identity(document_id)
        was = checkpoint.looked_up.pop(document_id, None)
        slot = None if row is None else withdrawal.slot_of(row, identity)
        is_gone = False
        if row is not None and slot is not None:
            was = self._earlier(row["recent"][slot])
            is_gone = withdrawal.is_retracted(row["recent"][slot])
        step = Step(unknown=[retraction] if was is None else [])
        applies = was is not None and (not version or was.version <= version)
        if was is not None and applies and not is_gone:
            removal = Removal(document_id, max(version, was.version), patient_id, was.taken_at)
            step.retracted = [removal]
            step.from_archive = [removal] if was.in_archive else []
            step.from_index = [removal] if was.in_index else []
            if row is not None:
                withdrawal.uncount(row, was)
                withdrawal.withdraw(patients, position, identity, slot)
        if row is not None and slot is not None and applies:
            reading = row["recent"][slot]
            reading["version"] = max(version, reading["version"])
            if not is_gone:
                withdrawal.forget_pressures(reading)
                step.alerts = self._alarms.reconsidered(row, patient_id, document_id)
        step.repeated = int(was is not None and not step.retracted)
        progress.advance(checkpoint, chunk, origin)
        checkpoint.step += 1
        step.checkpoint = checkpoint.copy()
        if row is not None and applies:
            row["stamp"] = checkpoint.stamp
            step.rows = patients.copied(np.array([position]))
        return step

    def _earlier(self, reading: np.void) -> Earlier:
        tags = int(reading["tags"]) & TAGS
        return withdrawal.earlier(
            reading,
            in_index=self._index_all or tags > 0,
            in_archive=self._archive_all or not tags,
        )
