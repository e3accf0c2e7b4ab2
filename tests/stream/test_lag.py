"""On the embedded broker, which keeps little, sending waits for the worker."""

import time
from collections.abc import Iterator
from threading import Thread

import pytest
from confluent_kafka import Consumer, TopicPartition

from bpstream.settings import Settings
from bpstream.stream import lag
from bpstream.stream.embedded import PARTITIONS, EmbeddedBroker
from bpstream.stream.feed import Feed
from tests.integration.workers import until
from tests.stream.brokers import everything_on

SIZE = 100_000


class WorkerOffsets:
    """The offsets that a worker would commit, committed by hand."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = Consumer(
            {"bootstrap.servers": settings.bootstrap_servers, "group.id": settings.app_id}
        )

    def ends(self, topic: str) -> list[TopicPartition]:
        found = []
        for number in range(PARTITIONS):
            partition = TopicPartition(topic, number)
            _, partition.offset = self._consumer.get_watermark_offsets(partition, timeout=10)
            found.append(partition)
        return found

    def commit(self, topic: str) -> None:
        self._consumer.commit(offsets=self.ends(topic), asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def broker() -> Iterator[str]:
    with EmbeddedBroker() as embedded:
        yield embedded.address


class Sending(Thread):
    """Sends `count` messages to one partition, and counts how many it has handed over."""

    def __init__(self, settings: Settings, count: int) -> None:
        super().__init__(daemon=True)
        self.settings, self.count, self.sent = settings, count, 0

    def run(self) -> None:
        with Feed(self.settings) as feed:
            for number in range(self.count):
                feed.send("the same patient", b"%07d" % number + b"x" * (SIZE - 7))
                self.sent += 1

    def stands(self) -> bool:
        """Whether it has sent some, and sends no more."""
        before = self.sent
        time.sleep(0.5)
        return before > 0 and self.sent == before


def test_sending_waits_before_anything_is_dropped_and_goes_on_with_the_worker(broker):
    settings = Settings(broker=f"kafka://{broker}")
    offsets = WorkerOffsets(settings)
    sending = Sending(settings, 100)
    sending.start()
    try:
        read: set[int] = set()
        while sending.is_alive():
            until(lambda: not sending.is_alive() or sending.stands(), 20)
            found = everything_on(broker, settings.topic)
            read |= {int(each.value()[:7]) for each in found}
            offsets.commit(settings.topic)
        sending.join()
        read |= {int(each.value()[:7]) for each in everything_on(broker, settings.topic)}
        assert read == set(range(100))
    finally:
        offsets.close()


def test_what_is_on_its_way_home_is_waited_for_as_well(broker):
    settings = Settings(broker=f"kafka://{broker}", rekeyed_topic="home")
    offsets = WorkerOffsets(settings)
    with Feed(Settings(broker=f"kafka://{broker}", topic="home", app_id="other")) as home:
        home.send("the same patient", b"{}")
    sending = Sending(settings, 45)
    sending.start()
    try:
        until(sending.stands, 20)
        offsets.commit(settings.topic)
        assert sending.stands()
        assert sending.is_alive()
        offsets.commit("home")
        until(lambda: not sending.is_alive(), 20)
        assert sending.sent == 45
    finally:
        offsets.close()


def test_waiting_for_long_is_said(broker, monkeypatch, caplog):
    monkeypatch.setattr(lag, "_SAY_AFTER", 0.1)
    settings = Settings(broker=f"kafka://{broker}", app_id="ward-7")
    offsets = WorkerOffsets(settings)
    sending = Sending(settings, 45)
    sending.start()
    try:
        until(lambda: "waiting for the worker, BPSTREAM_APP_ID ward-7" in caplog.text, 20)
        offsets.commit(settings.topic)
        sending.join(20)
        assert sending.sent == 45
    finally:
        offsets.close()


def test_little_is_sent_without_a_worker(broker):
    with Feed(Settings(broker=f"kafka://{broker}")) as feed:
        for _ in range(30):
            feed.send(None, b"x" * SIZE)
    assert len(everything_on(broker, Settings().topic)) == 30
