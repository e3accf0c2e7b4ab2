"""Whether all that has arrived is judged: what is told of silence and the ward stands on it."""

from tests.stream.helpers import fetched, tp
from tests.stream.scripted import a_consumer

END = 100
"""Where the scripted broker says that every partition ends."""


async def test_a_partition_is_current_once_its_last_message_is_judged():
    consumer = a_consumer()
    await consumer.chunks(fetched(END - 1))
    assert not consumer.is_current(0, {})
    assert not consumer.is_current(0, {"fhir": END - 1})
    assert consumer.is_current(0, {"fhir": END})


async def test_a_partition_is_not_current_while_the_broker_has_more():
    consumer = a_consumer()
    await consumer.chunks(fetched(END - 2))
    assert not consumer.is_current(0, {"fhir": END - 1})


async def test_a_partition_of_which_all_is_committed_is_current_though_nothing_came_since():
    consumer = a_consumer()
    consumer._next[tp()] = END
    assert consumer.is_current(0, {})
    consumer._next[tp()] = END - 1
    assert not consumer.is_current(0, {})


async def test_a_partition_whose_end_nobody_knows_is_not_current():
    consumer = a_consumer()
    consumer.highwater = lambda _: None
    assert not consumer.is_current(0, {"fhir": END})


async def test_another_workers_partition_is_not_current():
    assert not a_consumer().is_current(7, {"fhir": END})
