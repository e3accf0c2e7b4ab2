"""Requests: the bytes that aiokafka would send."""

import pytest
from aiokafka.producer import sender
from aiokafka.protocol.produce import ProduceRequest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.stream.health import Health
from bpstream.stream.publish import Publisher
from bpstream.stream.requests import JoinedRequest


def sent(request):
    """As `AIOKafkaConnection.send` puts it together."""
    message = b"header" + request.encode()
    return b"size" + message, len(message)


VERSIONS = [cls for cls in ProduceRequest._CLASSES if cls.API_VERSION >= 3]
batches = st.tuples(st.integers(0, 2**31 - 1), st.binary(max_size=50))
topics = st.tuples(st.text(max_size=9), st.lists(batches, max_size=3))


@pytest.mark.parametrize("version", VERSIONS)
@given(
    told=st.tuples(
        st.none() | st.text(max_size=5),
        st.integers(-1, 1),
        st.integers(0, 2**31 - 1),
        st.lists(topics, max_size=3),
    )
)
def test_a_request_that_is_joined_is_the_request_that_is_encoded(version, told):
    one, other = (each(*told).build(version) for each in (JoinedRequest, ProduceRequest))
    assert sent(one) == sent(other)


def test_a_batch_may_be_a_part_of_memory():
    told = [("topic", [(0, memoryview(b"batch"))])]
    as_bytes = [("topic", [(0, b"batch")])]
    version = VERSIONS[-1]
    one, other = JoinedRequest(None, -1, 1, told), ProduceRequest(None, -1, 1, as_bytes)
    assert sent(one.build(version)) == sent(other.build(version))


def test_aiokafkas_producer_sends_them_once_there_is_a_publisher():
    Publisher(None, Health(dict))
    assert sender.ProduceRequest is JoinedRequest
