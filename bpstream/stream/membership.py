"""Membership: a worker that Kafka has put out of its group commits nothing."""

from typing import Any

from aiokafka.errors import UnknownMemberIdError

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
