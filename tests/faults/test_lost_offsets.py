"""Messages that Kafka no longer has: counted and told, and never mistaken for what never was."""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.request import urlopen

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from bpstream.simulator import Message
from tests.faults import oracle
from tests.faults.loads import Hospital
from tests.faults.oracle import Sent
from tests.faults.run import Run
from tests.integration.workers import Worker, until
from tests.stream.brokers import admin

pytestmark = pytest.mark.services

_TOLD = re.compile(r"(\d+) messages of (\S+) (\d+) are lost")


def test_messages_deleted_before_they_were_applied_are_counted_and_told_and_the_rest_is_equal(
    kafka: str, elasticsearch: str, tmp_path: Path
) -> None:
    with Run(tmp_path, kafka=kafka, elasticsearch=elasticsearch) as run:
        worker, hospital = run.worker(), Hospital(seed=9)
        run.send(hospital.take(300))
        run.drained()
        assert lost(worker) == {}
        assert worker.stop() == 0
        ends = ends_of(run.sent)

        run.send(hospital.take(300))
        # Of one partition some messages that wait are deleted, of one all, of one none.
        some, everything, none, _ = ends
        now = ends_of(run.sent)
        starts = {some: ends[some] + 20, everything: now[everything], none: ends[none]}
        assert starts[some] < now[some]
        delete_before(kafka, run.topic, starts)

        worker = run.worker()
        run.drained()
        gone = {number: starts[number] - ends[number] for number in (some, everything)}
        assert lost(worker) == gone
        assert told(worker, run.topic) == gone
        left = [
            each
            for each in run.sent
            if not ends[each.partition] <= each.offset < starts.get(each.partition, 0)
        ]
        run.check(worker, should=oracle.expected(left))
        assert worker.stop() == 0
        worker = run.worker()
        assert lost(worker) == {}, "what is known to be lost is not lost again"


def test_offsets_that_transactions_take_are_not_lost(
    kafka: str, elasticsearch: str, tmp_path: Path
) -> None:
    with Run(tmp_path, kafka=kafka, elasticsearch=elasticsearch) as run:
        worker, hospital = run.worker(), Hospital(seed=11)
        run.send(hospital.take(100))
        producer = Transactions(kafka, run.topic)
        for _ in range(3):
            run.sent.extend(producer.committed(hospital.take(60)))
            run.send(hospital.take(60))
        assert sum(ends_of(run.sent).values()) >= len(run.sent) + 3 * 4, "no offset was taken"
        run.drained()
        run.check(worker)
        assert lost(worker) == {}
        assert worker.stop() == 0

        # Where the worker begins again there is a transaction's end, and no message.
        run.sent.extend(producer.committed(hospital.take(60)))
        run.send(hospital.take(60))
        worker = run.worker()
        run.drained()
        run.check(worker)
        assert lost(worker) == {}


def test_a_transaction_that_stands_last_leaves_no_lag(
    kafka: str, elasticsearch: str, tmp_path: Path
) -> None:
    with Run(tmp_path, kafka=kafka, elasticsearch=elasticsearch) as run:
        worker, hospital = run.worker(), Hospital(seed=12)
        run.send(hospital.take(100))
        run.sent.extend(Transactions(kafka, run.topic).committed(hospital.take(60)))
        run.drained(20)
        assert worker.get("/status")["lag"] == 0
        run.check(worker)


def test_what_a_transaction_took_back_was_never_sent(
    kafka: str, elasticsearch: str, tmp_path: Path
) -> None:
    with Run(tmp_path, kafka=kafka, elasticsearch=elasticsearch) as run:
        worker, hospital = run.worker(), Hospital(seed=13)
        run.send(hospital.take(100))
        producer = Transactions(kafka, run.topic)
        producer.aborted(hospital.take(60))
        run.send(hospital.take(100))
        run.drained()
        run.check(worker)
        assert lost(worker) == {}


class Transactions:
    """Sends messages in transactions, each of which takes an offset in its partitions."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._topic = topic
        self._sent: list[Sent] = []
        settings = {"bootstrap.servers": kafka, "partitioner": "murmur2_random"}
        self._producer = Producer({**settings, "transactional.id": topic})
        self._producer.init_transactions(30)
        self._reader = Consumer({"bootstrap.servers": kafka, "group.id": topic})

    def committed(self, drawn: Iterable[Message]) -> list[Sent]:
        """Where the messages are, once they are there for all."""
        self._send(drawn)
        self._producer.commit_transaction(30)
        self._wait_for_its_end()
        return self._sent

    def aborted(self, drawn: Iterable[Message]) -> None:
        """The messages are there, and never were."""
        self._send(drawn)
        assert self._producer.flush(30) == 0
        self._producer.abort_transaction(30)
        self._wait_for_its_end()

    def _send(self, drawn: Iterable[Message]) -> None:
        self._sent = []
        self._producer.begin_transaction()
        for message in drawn:
            self._producer.produce(
                self._topic, message.value, message.key, on_delivery=self._delivered
            )

    def _wait_for_its_end(self) -> None:
        """The broker writes it behind the messages of each partition, when it comes to it."""
        for number, end in ends_of(self._sent).items():
            at = TopicPartition(self._topic, number)
            until(lambda: self._reader.get_watermark_offsets(at, timeout=10)[1] > end, 30)  # noqa: B023

    def _delivered(self, error: object, at: object) -> None:
        assert error is None, error
        self._sent.append(Sent(at.value(), at.partition(), at.offset(), at.timestamp()[1]))


def ends_of(sent: Iterable[Sent]) -> dict[int, int]:
    """The offset behind the last message, by partition."""
    return {each.partition: each.offset + 1 for each in sorted(sent, key=lambda each: each.offset)}


def delete_before(kafka: str, topic: str, starts: dict[int, int]) -> None:
    """Have Kafka forget the messages before these offsets."""
    at = [TopicPartition(topic, number, offset) for number, offset in starts.items()]
    client = admin(kafka)
    for future in client.delete_records(at).values():
        future.result(timeout=30)


def lost(worker: Worker) -> dict[int, int]:
    """Lost messages of the input topic as /metrics counts them, by partition."""
    with urlopen(worker.url + "/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = {}
    for line in lines:
        if line.startswith("bpstream_lost_total{"):
            labels, _, count = line.partition("} ")
            number = int(re.search(r'partition="(\d+)"', labels)[1])
            found[number] = found.get(number, 0) + int(float(count))
    return {number: count for number, count in found.items() if count}


def told(worker: Worker, topic: str) -> dict[int, int]:
    """Lost messages as the log tells them, by partition."""
    lines = _TOLD.findall(worker.log.read_text())
    assert {name for _, name, _ in lines} <= {topic}
    return {int(number): int(count) for count, _, number in lines}
