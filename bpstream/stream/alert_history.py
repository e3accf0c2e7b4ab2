"""The history of alerts: what their topic holds, read from some time on, within bounds."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from bpstream.document import iso
from bpstream.errors import SinkError
from bpstream.settings import Settings
from bpstream.stream import security

MOST_READ = 5_000
"""Events that are read of a partition, the newest."""

_WITHIN = 10.0


async def events(settings: Settings, *, partitions: int, since: int, limit: int) -> dict[str, Any]:
    """The newest `limit` events published since then (ms since 1970), the newest first.

    `complete` tells whether that is all.  Raises :class:`SinkError` where Kafka does not answer.
    """
    consumer = security.reader(settings)
    try:
        async with asyncio.timeout(_WITHIN):
            await consumer.start()
            found, complete = await _read(consumer, settings.alerts_topic, partitions, since)
    except (TimeoutError, KafkaError) as error:
        raise SinkError(f"the alerts topic cannot be read: {type(error).__name__}") from None
    finally:
        await consumer.stop()
    found.sort(key=lambda each: each[0], reverse=True)
    shown = list(islice(_shown(found), limit + 1))
    return {"alerts": shown[:limit], "complete": complete and len(shown) <= limit}


async def _read(
    consumer: Any, topic: str, partitions: int, since: int
) -> tuple[list[tuple[int, bytes]], bool]:
    tps = [TopicPartition(topic, number) for number in range(partitions)]
    firsts, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
    at = await consumer.offsets_for_times(dict.fromkeys(tps, since))
    complete, left = True, set()
    consumer.assign(tps)  # Not before: what is asked waits behind a fetch of what is empty.
    for tp in tps:
        newest = max(firsts[tp], ends[tp] - MOST_READ)
        # The embedded broker knows no times: there the newest are read, as far as they go.
        start = newest if at[tp] is None else at[tp].offset
        complete = complete and start >= newest
        consumer.seek(tp, max(start, newest))
        if max(start, newest) < ends[tp]:
            left.add(tp)
    found: list[tuple[int, bytes]] = []
    while left:
        for tp, records in (await consumer.getmany(timeout_ms=200)).items():
            found += [
                (each.timestamp, each.value or b"")
                for each in records
                if each.offset < ends[tp] and each.timestamp >= since
            ]
        left = {tp for tp in left if await consumer.position(tp) < ends[tp]}
    return found, complete


def _shown(found: list[tuple[int, bytes]]) -> Iterator[dict[str, Any]]:
    for published_at, value in found:
        try:
            event = msgspec.json.decode(value, type=dict[str, Any])
        except ValueError:  # Nothing of ours.
            continue
        yield event | {"published_at": iso(published_at * 1000)}
