"""Reading a stretch of the changelog again, beside the consumer that the app has."""

import asyncio
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from bpstream.settings import Settings
from bpstream.stream.connection import client_settings

_AT_ONCE, _WAIT = 1000, 0.5


async def read(
    settings: Settings, tp: TopicPartition, end: int, *, wanted: Callable[[], bool]
) -> list[tuple[int, bytes, bytes | None]]:
    """Offsets, keys and values from `tp.offset` on and before `end`.

    Waits for a broker that is away; ends early once `wanted()` is false.
    """
    consumer = Consumer(
        {
            **client_settings(settings),
            "group.id": settings.app_id,  # needed, and not joined: `assign` joins no group
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    try:
        consumer.assign([tp])
        records: list[tuple[int, bytes, bytes | None]] = []
        while wanted():
            messages: list[Any] = await asyncio.to_thread(consumer.consume, _AT_ONCE, _WAIT)
            for message in messages:
                if message.error() is not None:
                    if message.error().code() == KafkaError._PARTITION_EOF:
                        return records
                elif message.offset() < end:
                    records.append((message.offset(), message.key(), message.value()))
                else:
                    return records
            if messages and messages[-1].error() is None and messages[-1].offset() >= end - 1:
                return records
        return records
    finally:
        consumer.close()
