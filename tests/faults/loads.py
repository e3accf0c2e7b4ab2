"""Loads of readings, sent in the ways that producers send; and one that has everything in it."""

import json
import random
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from typing import Self

from confluent_kafka import Producer
from kafka import KafkaProducer

from bpstream.simulator import Message, Simulator
from tests.faults.oracle import HORIZON, Sent
from tests.stream.brokers import everything_on

_RUBBISH = (
    b"",
    b"NaN",
    b'{"resourceType":"Observation","id":',
    b'{"resourceType":"\xff\xfe"}',
    b'{"resourceType":"Patient","id":"x"}',
    b"[1, 2, 3]",
)
_RUBBISH_LINES = (b"NaN", b"{}", b"null")

_PAUSE = 0.05  # seconds


def messages(count: int, *, patients: int, seed: int) -> list[Message]:
    """Readings of long ago in any order: all of them are late."""
    simulator = Simulator(patients=patients, seed=seed)
    stream = simulator.stream(start=datetime(2025, 6, 1, tzinfo=UTC), interval=60)
    drawn = [next(stream) for _ in range(count)]
    random.Random(seed).shuffle(drawn)
    return drawn


def send_as_the_original_did(kafka: str, topic: str, drawn: Sequence[Message]) -> list[Sent]:
    """kafka-python, without keys."""
    producer = KafkaProducer(bootstrap_servers=kafka, linger_ms=20)
    futures = [producer.send(topic, message.value) for message in drawn]
    producer.flush()
    placed = [future.get(timeout=30) for future in futures]
    producer.close()
    return [
        Sent(message.value, at.partition, at.offset, at.timestamp)
        for message, at in zip(drawn, placed, strict=True)
    ]


def send_keyed(kafka: str, topic: str, drawn: Sequence[Message], *, partitioner: str) -> list[Sent]:
    """librdkafka, with keys; `murmur2_random` is the partitioner that bpstream expects."""
    sender = Sender(kafka, topic, partitioner=partitioner)
    sender.send(drawn)
    return sender.flushed()


class Hospital:
    """Messages without end, in which all is found that happens to readings.

    Most are readings of now, of patients who go up and down so that alarms come and go.
    Others are sent twice (soon), taken before the last one or long before they come, taken in
    the future, two in lines of NDJSON with rubbish between them, or rubbish altogether.  A
    patient's messages are all under one key, which for some patients is not their own: the
    order in which they are applied is certain.
    """

    def __init__(self, *, patients: int = 40, seed: int) -> None:
        self._chance = random.Random(seed)
        self._patients = [f"PAT-{number:03d}" for number in range(1, patients + 1)]
        self._level = {who: self._chance.uniform(85, 165) for who in self._patients}
        self._last: defaultdict[str, deque[bytes]] = defaultdict(lambda: deque(maxlen=HORIZON // 2))

    def take(self, count: int) -> list[Message]:
        """The next messages; they are of now, so send them soon."""
        return [self.message() for _ in range(count)]

    def message(self) -> Message:
        """The next message."""
        chance = self._chance
        who = chance.choice(self._patients)
        ways = (self._reading, self._again, self._earlier, self._late, self._future)
        way = chance.choices((*ways, self._lines, self._rubbish), (86, 4, 3, 2, 1, 2, 2))[0]
        return Message(self._key(who), way(who))

    def _key(self, who: str) -> str:
        number = int(who.removeprefix("PAT-"))
        return f"ward-{number}" if number % 5 == 0 else who

    def _reading(self, who: str, *, ago: timedelta = timedelta()) -> bytes:
        chance = self._chance
        level = self._level[who] = min(185.0, max(70.0, self._level[who] + chance.gauss(0, 8)))
        systolic = round(level + chance.gauss(0, 5))
        diastolic = round(systolic * chance.uniform(0.5, 0.75))
        if chance.random() < 0.02:
            diastolic = systolic + 5
        name = uuid.UUID(int=chance.getrandbits(128))
        value = _observation(who, systolic, diastolic, datetime.now(UTC) - ago, name)
        self._last[who].append(value)
        return value

    def _again(self, who: str) -> bytes:
        return self._chance.choice(self._last[who]) if self._last[who] else self._reading(who)

    def _earlier(self, who: str) -> bytes:
        return self._reading(who, ago=timedelta(seconds=self._chance.uniform(1, 300)))

    def _late(self, who: str) -> bytes:
        return self._reading(who, ago=timedelta(minutes=self._chance.uniform(20, 20_000)))

    def _future(self, who: str) -> bytes:
        value = self._reading(who, ago=-timedelta(minutes=self._chance.uniform(20, 20_000)))
        self._last[who].pop()
        return value

    def _lines(self, who: str) -> bytes:
        rubbish = self._chance.choice(_RUBBISH_LINES)
        return b"\n".join((self._reading(who), rubbish, self._reading(who)))

    def _rubbish(self, _: str) -> bytes:
        return self._chance.choice(_RUBBISH)


def _observation(
    who: str, systolic: int, diastolic: int, taken_at: datetime, name: uuid.UUID
) -> bytes:
    """The original producer's Observation: its codes are texts, and it has no `code`."""
    pressures = (("Systolic Blood Pressure", systolic), ("Diastolic Blood Pressure", diastolic))
    return json.dumps(
        {
            "resourceType": "Observation",
            "id": str(name),
            "status": "final",
            "subject": {"reference": f"Patient/{who}"},
            "effectiveDateTime": taken_at.isoformat(timespec="microseconds"),
            "component": [
                {"code": {"text": text}, "valueQuantity": {"value": value, "unit": "mmHg"}}
                for text, value in pressures
            ],
            "performer": [{"reference": "Practitioner/PRAC-01"}],
        }
    ).encode()


class Sender:
    """Sends each message once, in order, however often the broker goes away meanwhile."""

    def __init__(self, kafka: str, topic: str, *, partitioner: str = "murmur2_random") -> None:
        self._kafka, self._topic = kafka, topic
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "partitioner": partitioner,
                "linger.ms": 20,
                "enable.idempotence": True,
                "delivery.timeout.ms": 900_000,
                "log_level": 0,
            }
        )
        self._placing = Lock()
        self._sent: list[Sent] = []
        self._unplaced: list[Sent] = []
        """What Kafka has and did not say where: neither offset nor timestamp is to be believed."""

    @property
    def sent(self) -> list[Sent]:
        """What Kafka has said that it has."""
        with self._placing:
            if self._unplaced:
                self._place()
        return self._sent

    def send(self, drawn: Sequence[Message]) -> None:
        """Hand the messages over; `flushed` says when they are there."""
        for message in drawn:
            self._producer.produce(
                self._topic, message.value, message.key, on_delivery=self._delivered
            )
            self._producer.poll(0)

    def flushed(self, within: float = 60.0) -> list[Sent]:
        """All that was sent, once Kafka has it."""
        left = self._producer.flush(within)
        assert left == 0, f"{left} messages were not taken by Kafka within {within:.0f} s"
        return self.sent

    def _delivered(self, error: object, at: object) -> None:
        assert error is None, error
        there = Sent(at.value(), at.partition(), at.offset() or 0, at.timestamp()[1])
        # Of a batch that Kafka was given twice the client may learn that it is there, and no more.
        is_placed = at.offset() is not None and there.timestamp >= 0
        (self._sent if is_placed else self._unplaced).append(there)

    def _place(self) -> None:
        """Find what is unplaced among what Kafka has."""
        unplaced, self._unplaced = self._unplaced, []
        known = set(self._sent)
        there = [
            Sent(each.value(), each.partition(), each.offset(), each.timestamp()[1])
            for each in everything_on(self._kafka, self._topic)
        ]
        left = defaultdict(deque)
        for each in there:
            if each not in known:
                left[each.value, each.partition].append(each)
        for message in unplaced:
            found = left[message.value, message.partition]
            assert found, f"Kafka said that it has what it has not: {message}"
            self._sent.append(found.popleft())


class SteadySender:
    """Sends a hospital's messages at a steady rate, in a thread, until it is told to stop."""

    def __init__(self, sender: Sender, hospital: Hospital, *, rate: float) -> None:
        """`rate` is in messages per second."""
        self._sender, self._hospital = sender, hospital
        self._rate = rate
        self._told_to_stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._failed: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_sending(self) -> bool:
        """Whether more is to come."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Return once all that was handed over is in Kafka."""
        self._told_to_stop.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        began, count = time.monotonic(), 0
        try:
            while not self._told_to_stop.wait(_PAUSE):
                due = round(self._rate * (time.monotonic() - began)) - count
                self._sender.send(self._hospital.take(due))
                count += due
            self._sender.flushed()
        except BaseException as error:
            self._failed = error
