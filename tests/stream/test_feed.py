"""The feed: sends from a process of its own, keyed as Kafka's own clients key."""

from collections.abc import Iterator

import pytest
from kafka.partitioner.default import DefaultPartitioner

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream import feed as feed_module
from bpstream.stream.embedded import PARTITIONS, EmbeddedBroker
from bpstream.stream.feed import Feed
from tests.integration.workers import free_port
from tests.stream.brokers import everything_on, partitions_of


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as embedded:
        yield embedded.address


def test_what_was_sent_is_there_when_the_block_ends_in_order_in_its_keys_partition(broker):
    every = list(range(PARTITIONS))
    keys = [f"PAT-{n % 20:03d}" for n in range(2000)]
    with Feed(Settings(broker=f"kafka://{broker}", topic="in-order")) as feed:
        for n, key in enumerate(keys):
            feed.send(key, b"%d" % n)
    found = everything_on(broker, "in-order")
    assert sorted(int(at.value()) for at in found) == list(range(2000))
    for key in set(keys):
        mine = [at for at in found if at.key() == key.encode()]
        assert {at.partition() for at in mine} == {DefaultPartitioner()(key.encode(), every, every)}
        numbers = [int(at.value()) for at in mine]
        assert numbers == sorted(numbers)


def test_the_embedded_broker_makes_topics_with_the_partitions_it_promises(broker):
    with Feed(Settings(broker=f"kafka://{broker}", topic="made")) as feed:
        feed.send("k", b"v")
    assert partitions_of(broker)["made"] == PARTITIONS


def test_a_broker_that_does_not_answer_is_named_with_its_setting(monkeypatch):
    monkeypatch.setattr("bpstream.stream.connection.ANSWER_WITHIN", 0.5)
    address = f"127.0.0.1:{free_port()}"
    feed = Feed(Settings(broker=f"kafka://{address}"))
    with pytest.raises(StartError, match=rf"does not answer at {address} \(BPSTREAM_BROKER\)"):
        feed.__enter__()


def test_messages_that_kafka_did_not_take_are_an_error_that_counts_them(monkeypatch):
    monkeypatch.setattr(feed_module, "_FLUSH_WITHIN", 0.5)
    with EmbeddedBroker() as broker:
        feed = Feed(Settings(broker=f"kafka://{broker.address}", topic="gone")).__enter__()
    for _ in range(3):
        feed.send("k", b"v")
    with pytest.raises(StartError, match="did not take 3 messages for gone"):
        feed.__exit__(None, None, None)


def test_an_error_of_the_sender_is_not_hidden_by_one_of_the_feed(broker):
    with (
        pytest.raises(KeyError),
        Feed(Settings(broker=f"kafka://{broker}", topic="interrupted")),
    ):
        raise KeyError
