"""The topics: made before the app starts, and looked at so that they fit each other.

A patient's readings, their way home and the changelog must be in partitions of the same
number, so the companions take the input topic's count of partitions as it is found.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic
from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_exponential,
    wait_fixed,
)

from bpstream.errors import StartError
from bpstream.settings import Settings
from bpstream.stream.connection import Connection
from bpstream.stream.publish import BATCH_BYTES

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Largest message: a transaction Bundle of a hospital fits."""

_FIRST_ANSWER_WITHIN, _ANSWER_WITHIN, _MADE_WITHIN = 2.0, 10.0, 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0

CHANGELOG_BATCH_BYTES = 8 * 1024 * 1024
"""Of a record batch of the changelog, where we make that: what a step costs it costs however
many patients change in it, and in a large ward nearly each reading changes another one."""

_LARGE = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
_COMPACTED = {"cleanup.policy": "compact"}
_WARD = {
    **_COMPACTED,
    # A worker that was frozen may write over a newer record when it thaws; a recovery can
    # tell the two apart as long as both are there.
    "min.compaction.lag.ms": str(24 * 3600 * 1000),
}
_CHANGELOG = {**_WARD, "max.message.bytes": str(CHANGELOG_BATCH_BYTES)}


class Topics(NamedTuple):
    """What was found (or made)."""

    partitions: int
    """Partitions of the input topic, and so of its companions."""
    lineage: str
    """Names this life of the input topics: their offsets begin anew when they are made anew."""
    counts: Mapping[str, int] = {}
    """Partitions by topic, of topics that need not have as many."""
    changelog_batch: int = BATCH_BYTES
    """Bytes of the record batches that the changelog takes."""

    @property
    def step_bytes(self) -> int:
        """Bytes of the rows of a step, which stand in one record batch with the checkpoint."""
        return self.changelog_batch * 9 // 10

    def of(self, topic: str) -> int:
        """Partitions of a topic that need not have as many as the input topic."""
        return self.counts.get(topic, self.partitions)


def changelog_of(settings: Settings) -> str:
    """The changelog of the table `patients`."""
    return f"{settings.app_id}-patients-changelog"


def ward_topic_of(settings: Settings) -> str:
    """What the partitions count of the ward, and what its judge remembers."""
    return f"{settings.app_id}-ward"


def room_of(settings: Settings, admin: AdminClient) -> int:
    """Bytes of the largest message BPSTREAM_TOPIC takes, as far as we may know.

    Raises :class:`StartError` where there is no such topic.
    """
    try:
        if settings.topic not in _counts(admin):
            raise StartError(
                f"Kafka at {settings.bootstrap_servers} has no topic {settings.topic} "
                "(BPSTREAM_TOPIC): it is there once a worker with these settings has run"
            )
        return min(_room(admin, settings.topic), MAX_MESSAGE_BYTES)
    except KafkaException:  # Who may write to a topic need not see its configuration.
        return MAX_MESSAGE_BYTES


async def prepare(settings: Settings, *, embedded_run: str = "") -> Topics:
    """Wait for the broker, make the topics that are missing, and look at the others.

    The embedded broker makes topics by itself and has no ids for them; `embedded_run` names
    its life instead.  Raises :class:`StartError` where the topics do not fit each other or
    the broker refuses us.
    """
    connection = Connection(settings)
    admin = AdminClient({**connection.config, "socket.connection.setup.timeout.ms": 5000})
    # Short, because a thread that waits cannot be interrupted.
    await _insist(lambda: admin.list_topics(timeout=_FIRST_ANSWER_WITHIN), connection, admin)
    if embedded_run:
        return Topics(partitions=settings.partitions, lineage=embedded_run)
    return await _insist(lambda: _make_and_look(admin, settings), connection, admin)


def _say_again(state: RetryCallState) -> None:
    """Tell that the broker does not answer, before it is asked again."""
    connection: Connection = state.args[1]
    exception: Any = state.outcome.exception() if state.outcome else None
    log.warning(
        "%s; trying again in %.0f s", connection.away(exception.args[0]), state.upcoming_sleep
    )


@retry(
    retry=retry_if_exception_type(KafkaException),
    wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
    before_sleep=_say_again,
)
async def _insist(ask: Callable[[], Answer], connection: Connection, admin: AdminClient) -> Answer:
    """What the broker answers, asked until it does; StartError if it refuses us."""
    try:
        return await asyncio.to_thread(ask)
    except KafkaException as exception:
        refusal = connection.refusal(exception.args[0], admin)
        if refusal is None:
            raise
        raise refusal from None


def _make_and_look(admin: AdminClient, settings: Settings) -> Topics:
    # First the input topic: another worker may be making it, with a count of its own.
    found = _made(admin, {settings.topic: _LARGE}, settings.partitions)
    partitions = found.get(settings.topic, settings.partitions)
    companions: dict[str, Mapping[str, str]] = {
        settings.rekeyed_topic: _LARGE,
        settings.dead_letter_topic: _LARGE,
        settings.alerts_topic: {},
        settings.limits_topic: _COMPACTED,
        settings.acknowledgements_topic: _COMPACTED,
        changelog_of(settings): _CHANGELOG,
        ward_topic_of(settings): _WARD,
    }
    if settings.enriched_topic:
        companions[settings.enriched_topic] = {}
    found = _made(admin, companions, partitions)
    for name in (settings.rekeyed_topic, changelog_of(settings)):
        if found.get(name, partitions) != partitions:
            raise StartError(
                f"the topic {name} has {found[name]} partitions and {settings.topic} has "
                f"{partitions}: they must be equal. Delete {name}, or use another "
                "BPSTREAM_APP_ID and BPSTREAM_REKEYED_TOPIC"
            )
    return Topics(
        partitions=partitions,
        lineage=lineage_of(admin, settings),
        counts=found,
        changelog_batch=_batch_bytes(admin, changelog_of(settings)),
    )


def _batch_bytes(admin: AdminClient, changelog: str) -> int:
    """What the changelog takes, as far as we may know, and no more than we would have it take."""
    try:
        room = _room(admin, changelog)
    except KafkaException as exception:
        if _may_pass(exception):
            raise
        return BATCH_BYTES  # Who may write to a topic need not see its configuration.
    if room < BATCH_BYTES:
        raise StartError(
            f"the topic {changelog} takes record batches of {room:,} bytes (max.message.bytes): "
            f"{BATCH_BYTES:,} or more would do, and {CHANGELOG_BATCH_BYTES:,} is best"
        )
    return min(room, CHANGELOG_BATCH_BYTES)


def _room(admin: AdminClient, topic: str) -> int:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    described = admin.describe_configs([resource], request_timeout=_ANSWER_WITHIN)
    return int(described[resource].result()["max.message.bytes"].value)


def _made(
    admin: AdminClient, wanted: Mapping[str, Mapping[str, str]], partitions: int
) -> dict[str, int]:
    """Make the wanted topics (with their configs) that are missing; the counts of all there are."""
    found = _counts(admin)
    missing = [
        NewTopic(name, num_partitions=partitions, replication_factor=-1, config=dict(config))
        for name, config in wanted.items()
        if name not in found
    ]
    if not missing:
        return found
    for name, made in admin.create_topics(missing, request_timeout=_MADE_WITHIN).items():
        try:
            made.result()
            log.info("made the topic %s with %d partitions", name, partitions)
        except KafkaException as exception:
            if _may_pass(exception):
                raise
            # Another worker, started at the same moment, may have been first.
            if not _is(exception, KafkaError.TOPIC_ALREADY_EXISTS):
                raise StartError(
                    f"cannot make the topic {name}: {exception.args[0].str()}"
                ) from None
    return _counts_with(admin, wanted.keys()) or found


def _counts(admin: AdminClient) -> dict[str, int]:
    topics = admin.list_topics(timeout=_ANSWER_WITHIN).topics
    return {name: len(topic.partitions) for name, topic in topics.items() if not topic.error}


@retry(
    # Of a topic that was made a moment ago the broker may not know everywhere.
    retry=retry_if_result(lambda found: found is None),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(_ANSWER_WITHIN),
    retry_error_callback=lambda state: _counts(state.args[0]),
)
def _counts_with(admin: AdminClient, names: Collection[str]) -> dict[str, int] | None:
    found = _counts(admin)
    return found if found.keys() >= set(names) else None


def lineage_of(admin: AdminClient, settings: Settings) -> str:
    """Names this life of the input topics, by the ids that Kafka gives each topic anew."""
    ids = [_topic_id(admin, name) for name in (settings.topic, settings.rekeyed_topic)]
    # Letters and digits only: the lineage is part of the archive's file names.
    return "".join("".join(c for c in each if c.isalnum())[:8] for each in ids)


@retry(
    # A topic that was made a moment ago is not known to every part of the broker.
    retry=retry_if_exception(lambda error: _is(error, KafkaError.UNKNOWN_TOPIC_OR_PART)),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(_ANSWER_WITHIN),
    reraise=True,
)
def _topic_id(admin: AdminClient, name: str) -> str:
    described = admin.describe_topics(TopicCollection([name]), request_timeout=_ANSWER_WITHIN)
    return str(described[name].result().topic_id)


def _may_pass(exception: KafkaException) -> bool:
    """Whether the broker did not answer, or would another time."""
    error = exception.args[0]
    return bool(error.retriable() or error.code() == KafkaError._TIMED_OUT)


def _is(error: BaseException, code: int) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() == code
