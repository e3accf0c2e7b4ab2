"""The real consumer with a scripted broker behind it: nothing is started."""

from typing import Any

from faust.types import TP
from mode import Service
from yarl import URL

from bpstream.stream.delivery import ChunkConsumer, Transport
from tests.stream.helpers import faust_app, together, tp

COMPANION = TP("plain", 0)
"""A partition of a topic that is not delivered in chunks."""
CHANGELOG = TP("changelog", 0)
"""A partition that is delivered in chunks, and of which nothing is committed."""


class Scripted(ChunkConsumer):
    """Fetches what it is told, seeks nowhere, and has committed up to `committed`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._chunk_topics = frozenset({"fhir", "changelog"})
        self.fetches: list[dict[TP, list[Any]]] = []
        self.sought: list[tuple[TP, int]] = []
        self.committed: dict[TP, int] = {}
        self.told: list[str] = []
        self.first: dict[TP, int] = {}
        self.at: dict[TP, int] = {}
        self.readable: dict[TP, int] = {}

    def _new_consumer_thread(self) -> Any:
        # The real one makes an event loop of its own.
        thread: Any = Service(loop=self.loop)
        thread.last_stable_offset = lambda of: self.readable.get(of)  # noqa: PLW0108
        return thread

    async def _wait_next_records(self, timeout: float) -> Any:
        fetched = {
            at: together(*records) if self.delivers_chunks(at.topic) else records
            for at, records in self.fetches.pop(0).items()
        }
        return fetched, {tp(), tp(1), COMPANION, CHANGELOG}

    async def _seek(self, partition: TP, offset: int) -> None:
        self.sought.append((partition, offset))

    async def seek_to_committed(self) -> Any:
        return self.committed

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        self.told.append(f"commit of {sorted(partition.partition for partition in topics)}")
        return True

    def highwater(self, tp: TP) -> int:
        return 100

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return {each: self.first.get(each, 0) for each in partitions}

    async def position(self, tp: TP) -> int | None:
        return self.at.get(tp)

    def assignment(self) -> set[TP]:
        return {tp(), tp(1)}

    async def chunks(self, *records: Any) -> list[Any]:
        """The messages that come of one fetch of `records`.

        A partition that nobody sought begins with the first of them.
        """
        by_partition: dict[TP, list[Any]] = {}
        for record in records:
            at = TP(record.topic, record.partition)
            by_partition.setdefault(at, []).append(record)
            if at.topic == "fhir":
                self._next.setdefault(at, record.offset)
        self.fetches.append(by_partition)
        return [message async for _, message in self.getmany(1.0)]


class ScriptedTransport(Transport):
    Consumer = Scripted


def a_consumer(chunk_size: int = 4) -> Any:
    """The real consumer, which is never started; all that would ask a broker is scripted."""
    app: Any = faust_app()
    app.chunk_size = chunk_size
    app.topics._acking_topics.update({"fhir", "plain"})

    async def called(*_: Any) -> None: ...

    async def settle() -> None:
        consumer.told.append("settled")

    app.settle = settle
    transport = ScriptedTransport([URL("chunks://127.0.0.1:9")], app)
    consumer: Any = transport.create_consumer(
        called, on_partitions_revoked=called, on_partitions_assigned=called
    )
    return consumer


def offsets(message: Any) -> list[int]:
    """Of the records in a chunk."""
    return [record.offset for record in message.value]
