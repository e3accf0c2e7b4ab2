"""`python -m tests.bench.feed`: what the feed sends, how late it is, and what it costs the stream.

A worker with everything on holds many patients on a real broker.  At a steady rate of readings a
few clients count what they are sent and how old it is; then backlogs are worked off by turns with
nobody listening and with many clients, and the worker's processor time is compared.
"""

import argparse
import asyncio
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, NamedTuple
from uuid import uuid4

import aiohttp
import numpy as np
import orjson
from confluent_kafka import Producer

from bpstream.simulator import Message, Simulator
from tests.bench.running import add_kafka, service_of
from tests.bench.topics import client_of
from tests.integration.workers import Worker, names, until, worker
from tests.stream.brokers import admin, everything_on, make_topic

MOST_BYTES = 50_000.0
"""A client at its default limit is to be sent less a second."""
MOST_DELAY = 2.0
"""Seconds from a reading in the broker to its event, at the 95th percentile."""
MOST_SLOWED = 0.10
"""The part by which clients may slow the stream."""

_TURNS = 20
"""Times a second that a part of the readings is sent."""
_SETTLED_AFTER = 3.0
"""Seconds at the beginning of a measurement that do not count: the first event is the whole."""
_APPENDED = {"message.timestamp.type": "LogAppendTime"}
_PAGES = 10
"""Pages by id at which half of the many clients look; the others look at who needs attention."""

Query = dict[str, str | int]
Seen = dict[tuple[int, int], float]
"""By partition and offset of a reading, when its event came, in seconds since 1970."""

_QUERIES: dict[str, Query] = {
    "60 by attention": {"sort": "attention"},
    "60 by id": {},
    "200 by id": {"limit": 200},
}


class Sent(NamedTuple):
    """What a client was sent."""

    name: str
    bytes_a_second: float
    plain_a_second: float
    """The same before it is compressed."""
    delays: list[float]

    def __str__(self) -> str:
        told = (
            f"{self.name}: {self.bytes_a_second / 1e3:.1f} kB/s "
            f"({self.plain_a_second / 1e3:.1f} kB/s of JSON)"
        )
        if not self.delays:
            return told
        p50, p95 = np.percentile(self.delays, [50, 95])
        return (
            f"{told}; {len(self.delays)} readings on view, from the broker to the event "
            f"p50 {p50:.2f} s, p95 {p95:.2f} s"
        )


class Client:
    """Listens until it is cancelled, and notes what comes, if it is to be looked at."""

    def __init__(self, url: str, query: Query, *, looks: bool) -> None:
        self.url, self.query, self.looks = url, query, looks
        self.events = 0
        self.packed = self.plain = 0
        self.seen: Seen = {}
        self._on_view: set[str] = set()
        self._began = 0.0

    async def listen(self, session: aiohttp.ClientSession) -> None:
        unpack, held = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), b""
        headers = {"Accept-Encoding": "gzip"}
        async with session.get(f"{self.url}/feed", params=self.query, headers=headers) as answer:
            answer.raise_for_status()
            self._began = time.monotonic()
            async for part in answer.content.iter_any():
                plain = unpack.decompress(part)
                self._count(len(part), len(plain))
                *events, held = (held + plain).split(b"\n\n")
                self.events += len(events)
                for event in events if self.looks else ():
                    self._look(event)

    def _count(self, packed: int, plain: int) -> None:
        if time.monotonic() - self._began > _SETTLED_AFTER:
            self.packed += packed
            self.plain += plain

    def _look(self, event: bytes) -> None:
        data = orjson.loads(event[event.index(b"data: ") + 6 :])
        now = time.time()
        for patient in data.get("patients", ()):
            # One that came on view may have been measured long before.
            if patient["patient_id"] in self._on_view and patient["last"]:
                place = patient["last"]["kafka"]
                self.seen.setdefault((place["partition"], place["offset"]), now)
        if "order" in data:
            self._on_view = set(data["order"])

    def sent(self, name: str, appended: Seen) -> Sent:
        seconds = time.monotonic() - self._began - _SETTLED_AFTER
        delays = [at - appended[place] for place, at in self.seen.items() if place in appended]
        return Sent(name, self.packed / seconds, self.plain / seconds, delays)


@contextmanager
def listening(clients: Sequence[Client]) -> Iterator[None]:
    """Clients in a loop of their own, each with a first event before the block begins."""
    loop = asyncio.new_event_loop()

    async def listen() -> None:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            auto_decompress=False, connector=connector, timeout=timeout
        ) as session:
            await asyncio.gather(*(client.listen(session) for client in clients))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    task = loop.create_task(listen())
    thread = Thread(target=run)
    thread.start()
    try:
        until(lambda: task.done() or all(client.events for client in clients), 60)
        yield
    finally:
        if not task.done():
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
    if not task.cancelled():
        task.result()


class Bench:
    """A worker, and what it is sent: readings of the uniform profile, in no order."""

    def __init__(self, kafka: str, topic: str, running: Worker, *, patients: int) -> None:
        self.kafka, self.topic, self.running = kafka, topic, running
        self.patients = patients
        self._simulator = Simulator(patients=patients, seed=42, profile="uniform")
        self._order = Random(42)
        self._producer = Producer(
            {
                **client_of(kafka),
                "partitioner": "murmur2",
                "linger.ms": 0,
                "log_level": 0,  # It outlives the broker.
            }
        )

    def round(self) -> list[Message]:
        """A reading of every patient."""
        messages = self._simulator.round(datetime.now(UTC))
        self._order.shuffle(messages)
        return messages

    def backlog(self) -> tuple[float, float]:
        """Send a reading of every patient; the seconds it took, and those of the processor."""
        messages = self.round()
        counted = self._counted() + len(messages)
        before, began = self._cpu(), time.monotonic()
        self._send(messages)
        until(lambda: self._counted() >= counted, 300, self.running.told)
        return time.monotonic() - began, self._cpu() - before

    def steadily(self, messages: Sequence[Message], rate: int) -> float:
        """Send so many a second; returns the worker's part of a core meanwhile."""
        before, began = self._cpu(), time.monotonic()
        for turn in range(len(messages) * _TURNS // rate):
            time.sleep(max(0.0, began + turn / _TURNS - time.monotonic()))
            self._send(messages[rate * turn // _TURNS : rate * (turn + 1) // _TURNS])
        return (self._cpu() - before) / (time.monotonic() - began)

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            while True:
                try:
                    self._producer.produce(self.topic, message.value, message.key)
                except BufferError:
                    self._producer.poll(0.05)
                else:
                    break
        self._producer.flush()

    def _cpu(self) -> float:
        return self.running.metric("process_cpu_seconds_total")

    def _counted(self) -> float:
        return self.running.metric("bpstream_inputs_total", fate="reading")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured; exit status 1 where an aim is missed."""
    options = _options(arguments)
    with service_of("kafka", options.kafka) as (address, _), TemporaryDirectory() as folder:
        run = uuid4().hex[:8]
        settings = {
            **names(lambda stem: f"feed-{run}-{stem}"),
            "BPSTREAM_BROKER": f"kafka://{address}",
            "BPSTREAM_ARCHIVE_DIR": str(Path(folder) / "archive"),
        }
        make_topic(address, settings["BPSTREAM_TOPIC"], config=_APPENDED)
        try:
            with worker(Path(folder), settings) as running:
                running.ready()
                bench = Bench(
                    address, settings["BPSTREAM_TOPIC"], running, patients=options.patients
                )
                bench.backlog()
                sent = _clients(bench, rate=options.rate, seconds=options.seconds)
                slowed = _slowed(bench, clients=options.clients, runs=options.runs)
        finally:
            client = admin(address)
            made = [each for each in client.list_topics(timeout=30).topics if run in each]
            for deleted in client.delete_topics(made).values():
                deleted.result(30)
    delays = [delay for each in sent for delay in each.delays]
    missed = {
        f"{MOST_BYTES / 1e3:.0f} kB/s": max(each.bytes_a_second for each in sent) >= MOST_BYTES,
        f"{MOST_DELAY:g} s": not delays or np.percentile(delays, 95) >= MOST_DELAY,
        f"{MOST_SLOWED:.0%}": slowed > MOST_SLOWED,
    }
    print(
        "missed: " + (", ".join(aim for aim, is_missed in missed.items() if is_missed) or "no aim")
    )
    return int(any(missed.values()))


def _clients(bench: Bench, *, rate: int, seconds: float) -> list[Sent]:
    """What clients of the kinds there are were sent at a steady rate."""
    messages: list[Message] = []
    while len(messages) < 2 * rate * seconds:
        messages += bench.round()
    messages = messages[: round(2 * rate * seconds)]
    alone = bench.steadily(messages[: len(messages) // 2], rate)
    clients = {
        name: Client(bench.running.url, query, looks=True) for name, query in _QUERIES.items()
    }
    began = time.time()
    with listening(list(clients.values())):
        cpu = bench.steadily(messages[len(messages) // 2 :], rate)
        time.sleep(MOST_DELAY)
    appended = {
        (each.partition() or 0, each.offset() or 0): each.timestamp()[1] / 1000
        for each in everything_on(bench.kafka, bench.topic)
        if each.timestamp()[1] / 1000 > began
    }
    sent = [client.sent(name, appended) for name, client in clients.items()]
    print(f"at {rate:,} readings a second the worker takes {alone:.0%} of a core, {cpu:.0%} with:")
    print(*sent, sep="\n", flush=True)
    return sent


def _slowed(bench: Bench, *, clients: int, runs: int) -> float:
    """The part of a core that clients take while the worker has all to do that it can.

    So much slower is a stream whose worker has one core; what others do on this machine does
    not count, as it would in the readings a second.
    """
    pages: list[Query] = [{"offset": 60 * page} for page in range(_PAGES)]
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for turn in range(2 * runs):
        many = [
            Client(
                bench.running.url,
                pages[number // 2 % _PAGES] if number % 2 else {"sort": "attention"},
                looks=False,
            )
            for number in range(clients if turn % 2 else 0)
        ]
        with listening(many):
            found[bool(many)].append(bench.backlog())
    (quiet, quiet_cpu), (heard, heard_cpu) = (
        (median(taken for taken, _ in each), median(cpu for _, cpu in each))
        for each in (found[False], found[True])
    )
    slowed = (heard_cpu - quiet_cpu) / heard
    print(
        f"{bench.patients:,} readings with nobody listening: {quiet:.1f} s, {quiet_cpu:.1f} s of "
        f"the processor; with {clients} clients {heard:.1f} s, {heard_cpu:.1f} s: they take "
        f"{slowed:.1%} of a core",
        flush=True,
    )
    return slowed


def _options(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.feed", description=__doc__)
    parser.add_argument("--patients", type=int, default=50_000)
    parser.add_argument("--rate", type=int, default=1000, help="readings a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the steady rate")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3, help="backlogs of each kind")
    add_kafka(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
