"""The state of the workers, from their changelog: what they counted, how far they have come."""

from bpstream.checkpoint import WHOLE_MESSAGE, Applied, Checkpoint
from bpstream.document import iso
from bpstream.errors import StartError
from bpstream.patients import counters_of
from bpstream.reconcile.ledger import Ledger
from bpstream.reconcile.progress import Progress
from bpstream.settings import Settings
from bpstream.stream.partitioner import partition_of
from bpstream.stream.reader import Reader
from bpstream.stream.tables import OwnedPartition
from bpstream.stream.topics import changelog_of


class State:
    """How far every partition has come.  The counters are in the ledger."""

    def __init__(self, topic: str, checkpoints: dict[int, Checkpoint]) -> None:
        self.checkpoints = checkpoints
        self.whole = True
        """The changelog has its beginning: nothing is missing from the counters."""
        self.began: str | None = None
        """When an embedded broker's life began, ISO 8601: its counters know of nothing before."""
        self._applied = {
            number: checkpoint.applied.get(topic, Applied())
            for number, checkpoint in checkpoints.items()
        }

    def covers(self, patient_id: str, partition: int, offset: int, entry: int) -> bool:
        """Whether a reading, by where it first stood, counts as applied."""
        return (offset, entry) <= self._reached(patient_id, partition)

    def beyond(self, patient_id: str, partition: int, offset: int) -> bool:
        """Whether a document is, or may be, of a reading that does not count as applied yet."""
        reached = self._reached(patient_id, partition)
        if offset == reached.offset:
            # Of a message whose entries are applied in part: the document does not tell its own.
            return reached.entry != WHOLE_MESSAGE
        return offset > reached.offset

    def home(self, patient_id: str) -> int:
        """A patient's partition."""
        return partition_of(patient_id.encode(), len(self.checkpoints))

    def _reached(self, patient_id: str, partition: int) -> Applied:
        home = self.home(patient_id)
        if home == partition:
            return self._applied[home]
        return self.checkpoints[home].rekeyed.get(partition, Applied())


def read(reader: Reader, settings: Settings, ledger: Ledger, progress: Progress) -> State:
    """Read the changelog to its end as it is now.

    Each partition is read as it was after some step; the checkpoints of two may be of different
    moments.  Raises :class:`StartError` where there is no changelog, where it cannot be read,
    or where it goes with topics that are there no more.
    """
    changelog, lineage = changelog_of(settings), reader.lineage()
    partitions = len(reader.extents(settings.topic))
    extents = reader.extents(changelog)
    if len(extents) != partitions:
        raise StartError(
            f"the topic {changelog} has {len(extents)} partitions and {settings.topic} has "
            f"{partitions}: they must be equal, and are where a worker has made them"
        )
    checkpoints: dict[int, Checkpoint] = {}
    began: list[int] = []
    with progress("state", sum(map(len, extents))) as step:
        for extent in extents:
            owned = OwnedPartition(extent.partition)
            for records in reader.read(changelog, extent):
                try:
                    owned.apply(
                        (record.offset, record.key or b"", record.value) for record in records
                    )
                except ValueError as error:
                    where = f"{changelog} {extent.partition}"
                    raise StartError(f"{where} cannot be read: {error}") from error
                began.append(records[0].timestamp)
                step(len(records))
            if lineage and owned.checkpoint.lineage not in ("", lineage):
                raise StartError(
                    f"{settings.topic} or {settings.rekeyed_topic} was made anew since a worker "
                    f"was at partition {extent.partition}: start one, then compare"
                )
            checkpoints[extent.partition] = owned.checkpoint
            patients = owned.patients
            ledger.counted(
                (patient, *counters_of(row).values())
                for patient, row in zip(patients, patients.rows, strict=True)
            )
    state = State(settings.topic, checkpoints)
    state.whole = all(extent.first == 0 for extent in extents)
    if reader.embedded and began:
        state.began = iso(min(began) * 1000)
    return state
