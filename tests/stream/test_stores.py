"""The stores: tried again until they hold what they were given, and what is said meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bpstream.checkpoint import Archived, Checkpoint, Earlier
from bpstream.document import Entry, Found, Refused, Removal
from bpstream.errors import SinkError, StartError
from bpstream.stream import stores as stores_module
from bpstream.stream.health import Health
from bpstream.stream.metrics import Metrics, total
from bpstream.stream.stores import PATIENCE, PartitionLost, Stores
from bpstream.stream.tables import OwnedPartition

SOON = 5.0
AWAY = "Elasticsearch is away"
REMOVALS = [Removal("d9", 1, "p1", 0)]
ANOMALY = Found("d0", 1, "p1", 7, ("hypertension_systolic",), "reading")
NORMAL = Found("d0", 2, "p1", 8, (), "reading")
ENTRIES = [Entry(f"d{n}", 0, "p1", None, 0, b"{}") for n in range(3)]


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Sink:
    """An index and an archive that do what the test tells them, one call after the other."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.takes: list[float] = []
        """Seconds after which a call fails; out of them, it succeeds."""
        self.release: asyncio.Event | None = None
        """What a call waits for that does not fail."""
        self.on_call: Callable[[], None] = lambda: None
        self.calls: list[Any] = []
        self.cancelled = 0
        self.returns: Any = None
        self.found: dict[str, list[Found]] = {}

    async def _call(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        self.on_call()
        if self.takes:
            self.clock.now += self.takes.pop(0)
            raise SinkError(AWAY)
        try:
            if self.release is not None:
                await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.returns

    async def write(self, *arguments: Any) -> Any:
        return await self._call(*arguments)

    async def remove(self, removals: Sequence[Removal]) -> None:
        await self._call("remove", removals)

    async def find(self, *arguments: Any) -> list[Found]:
        """The archive is asked about a partition, and the index is not."""
        await self._call("find", *arguments)
        return self.found["archive" if len(arguments) == 2 else "index"]

    async def check(self) -> None:
        await self._call("check")

    async def prepare(self) -> None:
        await self._call("prepare")

    async def take_over(self, partition: int, epoch: int, archived: Archived | None) -> None:
        await self._call("take over", partition, epoch, archived)

    async def rotate(self, partition: int, committed: Archived | None) -> None:
        await self._call("rotate", partition, committed)


class Told:
    """Who is told of a pause."""

    def __init__(self) -> None:
        self.pauses: list[tuple[int, str, str]] = []
        self.happened = asyncio.Event()

    async def __call__(self, partition: OwnedPartition, part: str, reason: str) -> None:
        self.pauses.append((partition.number, part, reason))
        self.happened.set()


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stores_module, "time", clock)
    monkeypatch.setattr(stores_module, "_FIRST_PAUSE", 0.0)
    return clock


@pytest.fixture
def impatient(monkeypatch) -> None:
    """A write is slow after 20 ms."""
    monkeypatch.setattr(stores_module, "PATIENCE", 0.02)


@pytest.fixture
def sink(clock: Clock) -> Sink:
    return Sink(clock)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def health() -> Health:
    health = Health(dict)
    health.ready()
    return health


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def stores(sink: Sink, told: Told, health: Health, metrics: Metrics) -> Stores:
    both: Any = sink
    return Stores(both, both, health=health, metrics=metrics, on_paused=told)


@pytest.fixture
def partition() -> OwnedPartition:
    return OwnedPartition(3, checkpoint=Checkpoint(epoch=7))


# A sink that is away.


async def test_a_sink_that_is_away_is_tried_again_and_the_worker_is_not_ready_meanwhile(
    stores, sink, partition, health, metrics
):
    reasons: list[list[str]] = []
    sink.on_call = lambda: reasons.append(health.reasons())
    sink.takes, sink.returns = [0.0, 0.0], []
    assert await stores.find_by(partition, ENTRIES) == []
    assert sink.calls == [(ENTRIES,)] * 3
    assert reasons == [[], [AWAY], [AWAY]]
    assert health.reasons() == []
    assert total(metrics.retries, sink="index") == 2
    assert total(metrics.stored, sink="index") == 3


@pytest.mark.parametrize(
    ("takes", "pauses"),
    [
        ([], 0),
        ([4.9], 0),
        ([1.0, 1.0, 1.0, 1.9], 0),
        ([5.0], 1),
        ([4.9, 0.1], 1),
        ([4.9, 0.1, 3.0], 2),
    ],
)
async def test_a_pause_is_told_once_a_sink_was_away_for_five_seconds(
    stores, sink, partition, told, takes, pauses
):
    assert PATIENCE == 5.0
    sink.takes, sink.returns = list(takes), []
    await stores.find_by(partition, ENTRIES)
    assert told.pauses == [(3, "index", AWAY)] * pauses


async def test_an_error_that_is_no_sinks_is_not_tried_again(stores, sink, partition):
    def refuse() -> None:
        raise StartError("no")

    sink.on_call = refuse
    with pytest.raises(StartError):
        await stores.keep(partition, ENTRIES, [])
    assert len(sink.calls) == 1


# A sink that is slow.


@pytest.mark.usefixtures("impatient")
async def test_a_slow_write_is_told_while_it_is_awaited_and_its_result_counts(
    stores, sink, partition, told, health
):
    sink.release, sink.returns = asyncio.Event(), Archived("open", 44)
    keeping = asyncio.create_task(stores.keep(partition, ENTRIES, []))
    await asyncio.wait_for(told.happened.wait(), SOON)
    assert {each[:2] for each in told.pauses} == {(3, "archive")}
    assert told.pauses[0][2].startswith("the archive has not answered for ")
    assert health.reasons() == [told.pauses[0][2]]
    sink.release.set()
    await asyncio.wait_for(keeping, SOON)
    assert len(sink.calls) == 1
    assert (partition.archived, health.reasons()) == (Archived("open", 44), [])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("slow", [False, True])
async def test_a_write_ends_with_who_asked_for_it(stores, sink, partition, told, slow):
    sink.release = asyncio.Event()
    keeping = asyncio.create_task(stores.keep(partition, ENTRIES, []))
    async with asyncio.timeout(SOON):
        while not sink.calls:
            await asyncio.sleep(0)
        if slow:
            await told.happened.wait()
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        while not sink.cancelled:
            await asyncio.sleep(0)


# A partition that moves away.


async def test_nothing_is_stored_of_a_partition_that_was_lost(stores, sink, partition):
    partition.lost = True
    for write in (
        stores.keep(partition, ENTRIES, REMOVALS),
        stores.find_by(partition, ENTRIES),
        stores.remove(partition, REMOVALS),
        stores.look_up(partition, ["d0"]),
    ):
        with pytest.raises(PartitionLost):
            await write
    assert sink.calls == []


async def test_what_waits_for_a_sink_ends_when_its_partition_is_lost(stores, sink, partition):
    def lose() -> None:
        partition.lost = len(sink.calls) == 2

    sink.on_call, sink.takes = lose, [0.0] * 9
    with pytest.raises(PartitionLost):
        await stores.find_by(partition, ENTRIES)
    assert len(sink.calls) == 2


async def test_a_pause_ends_when_its_partition_is_lost(
    stores, sink, partition, health, monkeypatch
):
    monkeypatch.setattr(stores_module, "_FIRST_PAUSE", 10 * SOON)
    sink.takes = [0.0]
    keeping = asyncio.create_task(stores.keep(partition, ENTRIES, []))
    async with asyncio.timeout(SOON):
        while not health.reasons():
            await asyncio.sleep(0)
        partition.lost = True
        with pytest.raises(PartitionLost):
            await keeping
    assert len(sink.calls) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_slow_write_ends_when_its_partition_is_lost(stores, sink, partition, told):
    sink.release = asyncio.Event()
    keeping = asyncio.create_task(stores.keep(partition, ENTRIES, []))
    await asyncio.wait_for(told.happened.wait(), SOON)
    partition.lost = True
    with pytest.raises(PartitionLost):
        await asyncio.wait_for(keeping, SOON)


# What is kept of a write.


async def test_what_is_refused_is_returned_and_not_counted_as_stored(
    stores, sink, partition, metrics
):
    sink.returns = [Refused(1, "mapping")]
    assert await stores.find_by(partition, ENTRIES) == [Refused(1, "mapping")]
    assert total(metrics.stored, sink="index") == 2


@pytest.mark.parametrize(
    ("answer", "archived"), [(Archived("b", 9), Archived("b", 9)), (None, Archived("a", 1))]
)
async def test_the_partition_knows_how_far_its_archive_was_written(
    stores, sink, partition, metrics, answer, archived
):
    partition.archived, sink.returns = Archived("a", 1), answer
    await stores.keep(partition, ENTRIES, [])
    assert partition.archived == archived
    assert total(metrics.stored, sink="archive") == 3


async def test_nothing_to_store_asks_no_sink(stores, sink, partition):
    nothing: Sequence[Entry] = []
    await stores.keep(partition, nothing, [])
    await stores.remove(partition, [])
    assert await stores.find_by(partition, nothing) == []
    assert sink.calls == []


# What leaves, and what is looked up.


async def test_removals_alone_are_kept_and_the_partition_knows_it(stores, sink, partition, metrics):
    sink.returns = Archived("b", 9)
    await stores.keep(partition, [], REMOVALS)
    assert sink.calls == [(3, [], REMOVALS)]
    assert partition.archived == Archived("b", 9)
    assert total(metrics.stored, sink="archive") == 0


async def test_a_removal_is_tried_again_until_the_index_has_lost_it(stores, sink, partition, clock):
    sink.takes = [0.0, 0.0]
    await stores.remove(partition, REMOVALS)
    assert sink.calls == [("remove", REMOVALS)] * 3


@pytest.mark.parametrize(
    ("indexed", "archived", "earlier"),
    [
        ([], [], None),
        ([ANOMALY], [], Earlier(7, 1, 1, True, True, False)),
        ([], [NORMAL], Earlier(8, 2, 0, True, False, True)),
        ([ANOMALY], [NORMAL], Earlier(8, 2, 0, True, True, True)),
        ([ANOMALY._replace(version=3)], [NORMAL], Earlier(7, 3, 1, True, True, True)),
        ([], [NORMAL._replace(kind="aggregate")], Earlier(8, 2, 0, False, False, True)),
    ],
)
async def test_what_is_looked_up_is_the_later_version_and_where_it_is(
    stores, sink, partition, indexed, archived, earlier
):
    sink.found = {"index": indexed, "archive": archived}
    assert await stores.look_up(partition, ["d0", "d1"]) == {"d0": earlier, "d1": None}


async def test_a_segment_is_sealed_up_to_what_was_written_down(stores, sink, partition, caplog):
    partition.archived = Archived("open", 90)
    partition.written = Checkpoint(archived=Archived("open", 44))
    sink.takes = [0.0]
    for _ in range(2):
        await stores.seal(partition)
    # What fails is said, and tried the next time it is asked for.
    assert sink.calls == [("rotate", 3, Archived("open", 44))] * 2
    assert caplog.messages == [AWAY]


async def test_the_archive_is_taken_over_with_the_epoch_and_what_was_committed(
    stores, sink, partition
):
    partition.archived, sink.takes = Archived("open", 44), [0.0]
    await stores.take_over(partition)
    assert sink.calls == [("take over", 3, 7, Archived("open", 44))] * 2


async def test_a_worker_waits_for_its_index_before_it_takes_a_partition(
    stores, sink, clock, told, health
):
    archive: Any = Sink(clock)
    stores.archive, sink.takes = archive, [60.0]
    await stores.open()
    assert (archive.calls, sink.calls) == ([("check",)], [("check",), ("check",), ("prepare",)])
    assert (told.pauses, health.reasons()) == ([], [])


# What is measured of them.


async def test_the_time_of_a_request_is_that_of_the_attempt_which_succeeded(
    stores, sink, partition, metrics, clock
):
    def lasts_two_seconds() -> None:
        clock.now += 2.0

    sink.on_call, sink.takes, sink.returns = lasts_two_seconds, [30.0], []
    await stores.find_by(partition, ENTRIES)
    seconds = [
        metrics.registry.get_sample_value(f"bpstream_sink_seconds_{part}", {"sink": "index"})
        for part in ("count", "sum")
    ]
    assert seconds == [1, 2.0]


async def test_what_was_taken_out_is_counted_by_the_store_it_is_gone_from(
    stores, sink, partition, metrics
):
    await stores.keep(partition, ENTRIES, REMOVALS)
    await stores.remove(partition, 2 * REMOVALS)
    counted = [total(metrics.removed, sink=sink) for sink in ("archive", "index")]
    assert counted == [1, 2]
