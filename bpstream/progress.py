"""Progress: what of a chunk was applied before, and how a checkpoint moves on."""

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from bpstream.checkpoint import WHOLE_MESSAGE, Applied, Checkpoint
from bpstream.chunk import Chunk
from bpstream.reading import Origin, Readings


def not_applied(chunk: Chunk, checkpoint: Checkpoint) -> NDArray[np.intp]:
    """Positions of the messages that no checkpoint counts as wholly applied."""
    applied = checkpoint.applied.get(chunk.topic, Applied())
    fresh = chunk.offset > applied.offset
    if applied.entry != WHOLE_MESSAGE:
        fresh |= chunk.offset == applied.offset
    if chunk.rekeyed:
        # The same reading may have been sent home twice, by a worker that crashed between
        # sending and committing: its original coordinates tell.
        home = dict(checkpoint.rekeyed)
        for position, (partition, offset, entry) in enumerate(chunk.origins.each()):
            if (offset, entry) <= home.get(partition, Applied()):
                fresh[position] = False
            elif fresh[position]:
                home[partition] = Applied(offset, entry)
    return np.flatnonzero(fresh)


def not_counted(chunk: Chunk, readings: Readings, checkpoint: Checkpoint) -> Readings:
    """The readings, but for those of archived documents that this very state has counted.

    The state knows a patient's last readings by themselves; this is for all before them.
    """
    counted = {
        position
        for position, (lineage, at) in chunk.archived.items()
        if lineage == checkpoint.lineage and at >= checkpoint.since
    }
    if not counted:
        return readings
    left = [row for row, origin in enumerate(readings.origin) if origin.message not in counted]
    return readings.take(np.array(left, np.intp))


def applied_entry(chunk: Chunk, checkpoint: Checkpoint) -> int:
    """The last entry of the chunk's first message that was applied; -1: none of it was.

    A message may take several steps, and a crash may come between two of them.
    """
    applied = checkpoint.applied.get(chunk.topic, Applied())
    in_part = applied.entry != WHOLE_MESSAGE and len(chunk) and chunk.offset[0] == applied.offset
    return applied.entry if in_part else -1


def advance(checkpoint: Checkpoint, chunk: Chunk, end: Origin | None) -> None:
    """Move the checkpoint to the input at `end`; None: to the end of the chunk."""
    if not len(chunk):
        return
    upto, entry = (len(chunk), WHOLE_MESSAGE) if end is None else (end.message + 1, end.entry)
    checkpoint.applied[chunk.topic] = Applied(int(chunk.offset[upto - 1]), entry)
    if chunk.rekeyed:
        for partition, offset, entry in islice(chunk.origins.each(), upto):
            checkpoint.rekeyed[partition] = Applied(offset, entry)
