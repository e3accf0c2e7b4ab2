"""Membership: how a worker finds its group, and that one put out of it commits nothing."""

from typing import Any

from aiokafka.errors import NodeNotReadyError, UnknownMemberIdError

_OF_NO_MEMBER = -1
"""The generation of who is in none."""


def commit_as_member(coordinator: Any) -> None:
    """Let the coordinator (aiokafka's) of a consumer refuse commits while it is in no generation.

    Kafka takes them where nobody is in the group: from a worker that was frozen, say, whose
    successor has just died.  What it stored after it had lost its partitions does not count,
    and the next owner would begin behind it.
    """
    commit = coordinator._do_commit_offsets

    async def commit_of_member(assignment: Any, offsets: Any) -> None:
        # The request is made with this generation, before anything is waited for.
        if coordinator.generation == _OF_NO_MEMBER:
            raise UnknownMemberIdError(coordinator.group_id)
        await commit(assignment, offsets)

    coordinator._do_commit_offsets = commit_of_member


def find_group_later(coordinator: Any) -> None:
    """Let the coordinator (aiokafka's) of a consumer ask again while Kafka names no broker.

    It names none where all of them are fenced: a cluster that is starting, or a single broker
    that stood still for longer than its session.  aiokafka takes this for an error of its own,
    and joins no group from then on.
    """
    client = coordinator._client
    lookup = client.coordinator_lookup

    async def lookup_at_some_broker(*what: Any) -> Any:
        if client.get_random_node() is None:
            raise NodeNotReadyError("Kafka names no broker that is ready")
        return await lookup(*what)

    client.coordinator_lookup = lookup_at_some_broker
