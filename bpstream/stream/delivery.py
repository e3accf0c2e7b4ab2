"""Batch delivery inside Faust: one event is one fetched chunk of one partition.

Faust builds two tasks a record and iterates its streams a record at a time, which costs
about fifteen times what the record itself costs us.  A topic whose schema is a
:class:`ChunkSchema` is delivered in chunks instead; every other topic as usual.  The URL
scheme `chunks://` stands for this driver.

Offsets: a chunk is acknowledged as a whole and chunks are committed in the order they were
fetched, so that no commit passes over one that is not done.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from faust.serializers.schemas import Schema
from faust.transport import drivers
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from bpstream.stream.fetched import Records
from bpstream.stream.fetching import FetchingThread

SCHEME = "chunks"


class ChunkSchema(Schema[Any, Any]):
    """Opts a topic in: `event.value` is :class:`Records`, `event.key` is None."""

    delivers_chunks = True

    def compile(self, app: Any, **_: Any) -> Any:
        """What turns a message into an event; nothing is decoded here."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            del propagate
            return create_event(None, message.value, message.headers, message)

        return decode


class ChunkConsumer(driver.Consumer):
    """Faust's consumer, with `getmany` and the bookkeeping of offsets for chunks."""

    app: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_flight: defaultdict[TP, deque[int]] = defaultdict(deque)
        self._next: dict[TP, int] = {}  # the offset that is to be delivered next
        self._looked_again: dict[TP, int] = {}
        self._chunk_topics: frozenset[str] = frozenset()

    def _new_consumer_thread(self) -> Any:
        return FetchingThread(self, loop=self.loop, beacon=self.beacon)

    async def create_topic(self, topic: str, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `topics.prepare` has made every topic before the app starts."""

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: a full queue makes the fetcher wait as it is.

        Faust would take the partition out of what is fetched, and sleep for a second once
        nothing is left.
        """

    async def subscribe(self, topics: Any) -> None:
        """Subscribe, and see which of the topics are delivered in chunks."""
        self._chunk_topics = frozenset(
            name
            for channel in self.app.topics
            if getattr(channel.schema, "delivers_chunks", False)
            for name in channel.topics
        )
        await super().subscribe(topics)

    def delivers_chunks(self, topic: str) -> bool:
        """Whether a topic is delivered in chunks."""
        return topic in self._chunk_topics

    async def getmany(  # the signature is Faust's
        self,
        timeout: float,  # noqa: ASYNC109
    ) -> AsyncIterator[tuple[TP, Any]]:
        """Fetch once and yield the chunks, then the single records of other topics."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_back()
            return
        if not records:
            await self._look_back(set(active or ()))

        def still_ours(tp: TP) -> bool:
            return bool(active is None or tp in active or tp in self._buffered_partitions)

        single: dict[TP, list[Any]] = {}
        fetched: Any
        for fetched_tp, fetched in records.items():
            tp = ensure_TP(fetched_tp)
            if not self.delivers_chunks(tp.topic):
                single[tp] = fetched
                continue
            for chunk in _sliced(await self._continued(tp, fetched), self.app.chunk_size):
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                # Where it is not known where it goes on, a seek is under way: it comes again.
                if not still_ours(tp) or tp not in self._next:
                    break
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                message = self._chunk_message(tp, chunk, generation)
                self._in_flight[tp].append(message.offset)
                self._next[tp] = message.offset + 1
                yield tp, message
        for tp, record in self.scheduler.iterate(single):
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if still_ours(tp):
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._to_message(tp, record)

    async def _continued(self, tp: TP, records: Records) -> Records:
        """The part of `records` that goes on where the last chunk ended; empty: fetch again.

        A fetch that was under way while Faust sought, or that was cut short because the
        flow stopped, would otherwise leave a hole that nobody sees.
        """
        expected = self._next.get(tp)
        if expected is None:
            return records[:0]
        first = records[0].offset
        if first == expected:
            return records
        if first < expected:
            return records.since(expected)
        if self._looked_again.get(tp) == expected:
            # The broker has nothing there: compacted, transactional, or gone.
            return records
        self._looked_again[tp] = expected
        await self.seek(tp, expected)
        return records[:0]

    def _chunk_message(self, tp: TP, records: Records, generation: int) -> Any:
        last = records[-1]
        message: Any = ConsumerMessage(
            topic=last.topic,
            partition=last.partition,
            offset=last.offset,
            timestamp=last.timestamp / 1000.0,
            timestamp_type=-1,  # unknown
            headers=None,
            key=None,
            value=None,
            checksum=None,
            tp=tp,
            generation_id=generation,
        )
        message.value = records
        message.follows = self._next.get(tp)
        return message

    async def _seek_back(self) -> None:
        # As the base class does: a fetch that returns while the flow is stopped was in vain.
        try:
            await self.perform_seek()
        except Exception as error:
            self.log.warning("Cannot seek back to the committed offsets: %r", error)

    async def _seek(self, partition: TP, offset: int) -> None:
        # Where it fetches.  Faust would seek from the loop's own thread, and take away what a
        # fetch is about to deliver.
        thread = self._thread
        await thread.call_thread(thread._ensure_consumer().seek, partition, offset)

    async def perform_seek(self) -> None:
        """Go back to what was committed: whatever is in flight will be delivered again.

        Faust fetches meanwhile.  What comes before it is known where a partition goes on is
        dropped, and would otherwise be delivered and then be forgotten.
        """
        inputs = self._inputs()
        self._forget(inputs)
        await super().perform_seek()
        self._in_flight.clear()
        begin = {tp: self._read_offset[tp] for tp in inputs}
        # Faust leaves a partition of which nothing is committed where it is.
        fresh = await self.earliest_offsets(*(tp for tp in inputs if begin[tp] is None))
        for tp, offset in fresh.items():
            await self.seek(tp, offset)
            begin[ensure_TP(tp)] = offset
        self._next |= {tp: offset or 0 for tp, offset in begin.items()}

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Go to where a recovery begins; nothing else of these partitions is delivered."""
        self._forget(map(ensure_TP, partitions))
        # At first: what is fetched as soon as it is sought is not to be dropped.
        self._next |= {ensure_TP(tp): offset for tp, offset in partitions.items()}
        await super().seek_wait(partitions)

    async def _look_back(self, active: set[TP]) -> None:
        """Where a fetch has brought nothing, find what an earlier one took and nobody saw.

        What a fetch brings while the flow is stopped is dropped, and a recovery may have sought
        it already.  It is fetched again, once.  What then still lies behind the last message is
        nothing any more, or a transaction's marker: for inputs it is committed.
        """
        inputs = self._inputs()
        for tp in active & self._next.keys():
            done, end = self._next[tp], self.highwater(tp)
            if end is None or end <= done or (tp in inputs and self._in_flight[tp]):
                continue
            position = await self.position(tp)
            if position is None or position <= done or self._next.get(tp) != done:
                continue
            if self._looked_again.get(tp) != done:
                self._looked_again[tp] = done
                await self.seek(tp, done)
            elif tp in inputs and await self._thread.commit({tp: position}):
                self._next[tp] = self._committed_offset[tp] = position

    def _inputs(self) -> set[TP]:
        """The partitions whose messages are acknowledged: not those of changelogs."""
        enabled = self.app.topics.acks_enabled_for
        return {tp for tp in map(ensure_TP, self.assignment()) if enabled(tp.topic)}

    def _forget(self, partitions: Iterable[TP]) -> None:
        for tp in partitions:
            self._next.pop(tp, None)
            self._looked_again.pop(tp, None)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        # A chunk covers the offsets between its messages, compacted or transactional ones too.
        if not self.delivers_chunks(tp.topic):
            await super()._add_gap(tp, offset_from, offset_to)

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: behind the last of the chunks done in an unbroken row."""
        if not self.delivers_chunks(tp.topic):
            return super()._new_offset(tp)
        in_flight, done = self._in_flight[tp], self._acked_index[tp]
        last = None
        while in_flight and in_flight[0] in done:
            last = in_flight.popleft()
            done.discard(last)
        if last is None:
            return None
        self._acked[tp][:] = [offset for offset in self._acked[tp] if offset > last]
        return last + 1

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what is in hand: the base class forgets what was acknowledged."""
        try:
            await self.app.settle()
            await self.force_commit({ensure_TP(tp) for tp in revoked})
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # Not lost: it will be delivered again, and the checkpoint knows what was applied.
            self.log.warning("Not committed before the partitions moved: %r", error)
        for tp in revoked:
            self._in_flight.pop(ensure_TP(tp), None)
        self._forget(map(ensure_TP, revoked))
        await super().on_partitions_revoked(revoked)

    async def is_member(self) -> bool:
        """Whether the group still knows this worker: one that was frozen may not have noticed."""
        for tp in map(ensure_TP, self.assignment()):
            committed = self._committed_offset[tp]
            if committed is not None:
                # Refused where the group has gone on without us.
                return bool(await self._thread.commit({tp: committed}))
        return True

    def is_current(self, partition: int, judged: Mapping[str, int]) -> bool:
        """Whether all that is known to be in a partition of the inputs was judged.

        `judged` has, by topic, the offset behind the last message that was.
        """
        inputs = [tp for tp in self._inputs() if tp.partition == partition]
        return bool(inputs) and all(self._is_judged(tp, judged.get(tp.topic, -1)) for tp in inputs)

    def _is_judged(self, tp: TP, judged: int) -> bool:
        end = self.highwater(tp)
        if not self._in_flight[tp]:
            judged = max(judged, self._next.get(tp, -1))
        return end is not None and judged >= end

    def behind(self) -> Mapping[TP, int]:
        """Where the assigned partitions are that have messages left, as far as it is committed.

        What is in a transaction that has not ended is not there yet.
        """
        thread: Any = self._thread
        ends = {tp: thread.last_stable_offset(tp) for tp in self._inputs()}
        done = {tp: self._committed_offset[tp] or 0 for tp in ends}
        return {tp: done[tp] for tp, end in ends.items() if end is not None and end > done[tp]}

    def lag(self) -> Mapping[TP, int]:
        """Messages of each assigned partition that are not committed yet."""
        ends = {tp: self.highwater(tp) for tp in self._inputs()}
        return {
            tp: max(0, end - (self._committed_offset[tp] or 0))
            for tp, end in ends.items()
            if end is not None
        }


def _sliced(records: Records, size: int) -> list[Records]:
    if len(records) <= size:
        return [records] if records else []
    return [records[start : start + size] for start in range(0, len(records), size)]


class Transport(driver.Transport):
    """`chunks://host:port`: Kafka through aiokafka, delivered in chunks."""

    Consumer = ChunkConsumer


drivers.TRANSPORTS.aliases[SCHEME] = "bpstream.stream.delivery:Transport"
