"""The loads of the tests that do harm."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.loads import Hospital, Sender
from tests.stream.brokers import make_topic

pytestmark = pytest.mark.services


def test_what_kafka_has_without_saying_where_is_found(
    kafka: str, unique_name: Callable[[str], str]
) -> None:
    sender = Sender(kafka, make_topic(kafka, unique_name("loads")))
    messages = Hospital(seed=1).take(200)
    sender.send([*messages, *messages[:50]])
    sent = list(sender.flushed())
    # A report may say no more than that the message is there.
    unplaced = [each._replace(offset=0, timestamp=-1001) for each in sent[1::2]]
    sender._sent, sender._unplaced = sent[::2], unplaced
    assert Counter(sender.sent) == Counter(sent)
    assert len(set(sent)) == 250
