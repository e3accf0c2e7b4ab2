"""`python -m tests.bench.latency`: from a reading in the broker to its document and its alert.

A worker with everything on (Elasticsearch, the archive on the disk) is sent nothing, and then
readings at a steady rate.  Every time is the broker's own: when it appended the
reading, its alert, and its document on the enriched topic.  The worker publishes a document
there once the archive has synced it and the index has confirmed it, so the way to the broker
is in the figure, and what publishing costs is in the worker's share of a core.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
from confluent_kafka import Producer

from bpstream.alert import FIRING, Alert
from bpstream.document import Coordinates
from bpstream.simulator import Message, Simulator
from tests.bench.job import NoResult
from tests.bench.report import circumstances, heading, write
from tests.bench.running import (
    add_elasticsearch,
    add_kafka,
    add_report,
    at_least,
    say,
    service_of,
    told,
)
from tests.bench.stored import Elasticsearch, remove_indices
from tests.bench.topics import client_of
from tests.integration.workers import names, until, worker
from tests.stream.brokers import admin, everything_on, make_topic

AIM_RATE, AIM_MS = 1000, 250.0
"""At so many readings a second, the 99th percentile to the alert is to be below it."""

_TURNS = 50
"""Times a second that a part of the readings is sent."""
_SETTLED_AFTER = 5.0
"""Seconds at the beginning that do not count: the worker's first chunks are its slowest."""
_DONE_WITHIN = 120.0
_SPEED = 300.0
"""Patients live five minutes between two of their readings."""
_APPENDED = {"message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True)
class Spread:
    """Of delays, in milliseconds; None where there was none."""

    count: int
    p50: float | None = None
    p99: float | None = None
    most: float | None = None

    @classmethod
    def of(cls, delays: Sequence[int]) -> "Spread":
        """The spread of these."""
        if not delays:
            return cls(0)
        return cls(len(delays), *np.percentile(delays, [50, 99, 100]).round(1).tolist())

    def __str__(self) -> str:
        found = (self.p50, self.p99, self.most)
        told = "".join(f"{'-' if each is None else f'{each:.0f}':>7}" for each in found)
        return f"{self.count:>10,}{told}"


@dataclass(frozen=True)
class Latency:
    """What was measured at one rate."""

    rate: int
    """Readings a second, as asked for."""
    readings: int
    seconds: float
    stored: Spread
    alerted: Spread
    cpu: float
    """Of one core, what the worker took while the readings came."""

    def __str__(self) -> str:
        sent = self.readings / self.seconds
        return f"{self.rate:>8,}{sent:>9,.0f}{self.stored}{self.alerted}{self.cpu:>10.1%}"


class _Placed(msgspec.Struct):
    """A document, as far as it tells which reading it is of."""

    document_id: str
    kafka: Coordinates


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    The exit status is 1 where there is no result, or the 99th percentile misses the aim.
    """
    options = _options(arguments)
    return told(lambda: _measure(options))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.latency", description=__doc__)
    parser.add_argument(
        "--rate",
        type=at_least(1),
        nargs="+",
        default=[100, AIM_RATE, 10_000],
        help="readings a second, a row for each number",
    )
    parser.add_argument("--seconds", type=at_least(1), default=30, help="of each rate")
    parser.add_argument("--idle", type=at_least(1), default=30, help="seconds without input")
    parser.add_argument("--profile", choices=("patients", "uniform"), default="uniform")
    parser.add_argument("--model", default="bp_additive")
    add_kafka(parser)
    add_elasticsearch(parser)
    add_report(parser)
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace) -> int:
    with (
        service_of("kafka", options.kafka) as (kafka, kafka_version),
        service_of("elasticsearch", options.elasticsearch) as (store, store_version),
    ):
        idle, at_rates = 0.0, list[Latency]()
        for rate in options.rate:
            # Made before: while they are sent, the processor is the worker's.
            rounds = _rounds(rate, options.seconds, options.profile)
            with _House(kafka, store, model=options.model) as house:
                if not at_rates:
                    say(f"sending nothing for {options.idle} s")
                    idle = house.idle(options.idle)
                say(f"sending {rate:,} readings a second for {options.seconds} s")
                at_rates.append(house.latency(rounds, rate=rate))
    found = {
        **circumstances({"kafka": kafka_version, "elasticsearch": store_version}),
        "profile": options.profile,
        "rates": [asdict(each) for each in at_rates],
        "idle_cpu": round(idle, 4),
    }
    if options.report:
        write(found, options.report)
    print(json.dumps(found) if options.json else table(found, at_rates))
    return int(any(_misses(each) for each in at_rates))


def _misses(found: Latency) -> bool:
    p99 = found.alerted.p99
    return found.rate == AIM_RATE and (p99 is None or p99 >= AIM_MS)


def table(found: Mapping[str, Any], at_rates: Sequence[Latency]) -> str:
    """The report as lines of text."""
    spread = f"{'p50':>7}{'p99':>7}{'most':>7}"
    return "\n".join(
        [
            *heading(found),
            f"profile {found['profile']}; milliseconds from the broker's append of the reading",
            "",
            f"{'asked/s':>8}{'sent/s':>9}{'documents':>10}{spread}{'alerts':>10}{spread}"
            f"{'of a core':>10}",
            *map(str, at_rates),
            f"{'idle':>8}{found['idle_cpu']:>79.1%}",
        ]
    )


class _House:
    """A worker with topics and indices that no other run has; gone after the block."""

    def __init__(self, kafka: str, elasticsearch: str, *, model: str) -> None:
        self._kafka, self._elasticsearch = kafka, elasticsearch
        self._run = f"latency-{uuid4().hex[:8]}"
        self._settings = {
            **names(lambda stem: f"{self._run}-{stem}"),
            "BPSTREAM_ENRICHED_TOPIC": f"{self._run}-enriched",
            "BPSTREAM_BROKER": f"kafka://{kafka}",
            "BPSTREAM_ELASTICSEARCH_URL": elasticsearch,
            "BPSTREAM_MODEL": model,
        }
        self._topic, self._alerts, self._enriched = (
            self._settings[f"BPSTREAM_{name}"]
            for name in ("TOPIC", "ALERTS_TOPIC", "ENRICHED_TOPIC")
        )

    def __enter__(self) -> "_House":
        with ExitStack() as stack:
            stack.callback(self._clear)
            for topic in (self._topic, self._alerts, self._enriched):
                make_topic(self._kafka, topic, config=_APPENDED)
            folder = stack.enter_context(TemporaryDirectory())
            settings = {**self._settings, "BPSTREAM_ARCHIVE_DIR": f"{folder}/archive"}
            self._worker = stack.enter_context(worker(Path(folder), settings)).ready()
            self._close = stack.pop_all().close
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close()

    def _clear(self) -> None:
        client = admin(self._kafka)
        made = [each for each in client.list_topics(timeout=30).topics if self._run in each]
        for deleted in (client.delete_topics(made) if made else {}).values():
            deleted.result(30)
        with Elasticsearch(self._elasticsearch) as index:
            remove_indices(index, self._settings["BPSTREAM_INDEX"])

    def idle(self, seconds: int) -> float:
        """The share of a core that a worker takes which nothing comes for."""
        time.sleep(min(_SETTLED_AFTER, seconds))
        before, began = self._cpu(), time.monotonic()
        time.sleep(seconds)
        return (self._cpu() - before) / (time.monotonic() - began)

    def latency(self, rounds: Sequence[Sequence[Message]], *, rate: int) -> Latency:
        """Send a round a second, and wait for what comes of them."""
        readings, before = sum(map(len, rounds)), self._cpu()
        taken = _send(self._kafka, self._topic, rounds)
        cpu = (self._cpu() - before) / taken
        until(
            lambda: self._worker.metric("bpstream_inputs_total") >= readings,
            _DONE_WITHIN,
            self._worker.told,
        )
        stored, alerted = self._delays(settled_after=min(_SETTLED_AFTER, len(rounds) / 2))
        return Latency(rate, readings, taken, stored, alerted, cpu)

    def _cpu(self) -> float:
        return self._worker.metric("process_cpu_seconds_total")

    def _delays(self, *, settled_after: float) -> tuple[Spread, Spread]:
        sent = {
            (each.partition(), each.offset()): each.timestamp()[1]
            for each in everything_on(self._kafka, self._topic)
        }
        counts_from = min(sent.values()) + settled_after * 1000
        of_document: dict[str, int] = {}
        stored, alerted = [], []
        for each in everything_on(self._kafka, self._enriched):
            document = msgspec.json.decode(each.value() or b"", type=_Placed)
            at = sent.get((document.kafka.partition, document.kafka.offset), 0)
            if at >= counts_from:
                of_document[document.document_id] = at
                stored.append(each.timestamp()[1] - at)
        for each in everything_on(self._kafka, self._alerts):
            alert = msgspec.json.decode(each.value() or b"", type=Alert)
            if alert.state == FIRING and alert.document_id in of_document:
                alerted.append(each.timestamp()[1] - of_document[alert.document_id])
        if not stored:
            raise NoResult("no document was stored")
        return Spread.of(stored), Spread.of(alerted)


def _rounds(rate: int, seconds: int, profile: str) -> list[list[Message]]:
    """A reading a second of each of `rate` patients, taken from now on.

    Patients of the profile `patients` now and then leave one out.
    """
    simulator = Simulator(patients=rate, seed=42, profile=profile, speed=_SPEED)
    now = datetime.now(UTC)
    return [simulator.round(now + timedelta(seconds=second)) for second in range(seconds)]


def _send(kafka: str, topic: str, rounds: Sequence[Sequence[Message]]) -> float:
    """Send a round a second, evenly over it.  Returns how long it took, s."""
    producer = Producer({**client_of(kafka), "partitioner": "murmur2", "linger.ms": 0})
    began = time.monotonic()
    for second, messages in enumerate(rounds):
        parts = [len(messages) * turn // _TURNS for turn in range(_TURNS + 1)]
        for turn, (start, end) in enumerate(pairwise(parts)):
            time.sleep(max(0.0, began + second + turn / _TURNS - time.monotonic()))
            for message in messages[start:end]:
                producer.produce(topic, message.value, message.key)
            producer.poll(0)
    producer.flush()
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
