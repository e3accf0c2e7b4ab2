"""The months in Elasticsearch: those that are over before go whole, of the others documents."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar

from tenacity import wait_random_exponential
from tenacity.wait import wait_base

from bpstream.document import iso, month_of
from bpstream.errors import SinkError
from bpstream.jsonlines import parts
from bpstream.purge.done import Done, Left, Progress, Step
from bpstream.sinks import answers
from bpstream.sinks.client import ApiError, AsyncElasticsearch
from bpstream.sinks.contents import of_elasticsearch
from bpstream.sinks.node import Node

_PAUSES = wait_random_exponential(multiplier=0.5, max=10.0)  # seconds
_MOST_ROUNDS = 5
_OLD = "old"
_BLOCKS = tuple(f"index.blocks.{kind}" for kind in ("write", "read_only", "read_only_allow_delete"))

Answer = TypeVar("Answer")


class _Month(NamedTuple):
    name: str
    """Its index, whose name is another than the month's where it was shrunk."""
    whole: bool
    """All of it was taken before."""


class _Gone(Exception):
    """Somebody else deleted the index meanwhile."""


class _Blocked(Exception):
    """The index takes no such request; somebody has to open it."""


class ElasticsearchPurge:
    """Removes documents behind the months of `alias`, and months.

    Documents go by their version, as a worker removes them: one that a worker writes meanwhile
    in a later version is looked at again, and nobody waits.  Elasticsearch's delete-by-query
    does the same, and by its manual leaves documents of version 0, which many of ours have.
    Raises :class:`SinkError` if Elasticsearch is away, :class:`StartError` if it refuses us.
    """

    def __init__(
        self,
        client: AsyncElasticsearch,
        alias: str,
        before: int,
        *,
        attempts: int = 5,
        pauses: wait_base = _PAUSES,
    ) -> None:
        """`before` is in microseconds since 1970-01-01 UTC, and a whole millisecond.

        That is how far Elasticsearch tells times apart.
        """
        self._client, self._alias, self._before = client, alias, before
        self._node = Node(client, attempts=attempts, pauses=pauses)
        self._taken_before = {"range": {"timestamp": {"lt": iso(before)}}}

    async def find(self) -> Done:
        """What would go."""
        done = self._done()
        for month in await self._months():
            try:
                if month.whole:
                    count = await self._count_if_open(month)
                else:
                    await self._refuse_blocked(month)
                    count = await self._count(month)
                self._tell(done, month, count)
            except _Blocked as blocked:
                done.left.append(self._closed(month, blocked))
            except _Gone:
                continue
        return done

    async def purge(self, progress: Progress) -> Done:
        """Remove them, month by month.  Whenever this ends, the next call goes on."""
        done = self._done()
        with progress("index", None) as step:
            for month in await self._months():
                try:
                    self._tell(done, month, await self._remove(month, step, done))
                except _Blocked as blocked:
                    done.left.append(self._closed(month, blocked))
                except _Gone:
                    continue
        return done

    def _done(self) -> Done:
        return Done(f"Elasticsearch {self._node.url}, {self._alias}-*")

    @staticmethod
    def _tell(done: Done, month: _Month, count: int | None) -> None:
        done.readings += count or 0
        if month.whole:
            told = "closed, not counted" if count is None else count
            done.details.append(f"{month.name} whole, {told}")
        elif count:
            done.details.append(f"{count} of {month.name}")

    @staticmethod
    def _closed(month: _Month, blocked: _Blocked) -> Left:
        return Left(month.name, f"{blocked}: open it, or lift its block, and purge again")

    async def _months(self) -> list[_Month]:
        """The months with readings that may have been taken before, the oldest first."""
        pattern = re.compile(rf"{re.escape(self._alias)}-({_OLD}|\d{{4}}\.\d{{2}})")
        answer = await self._asked(
            lambda: self._client.indices.get_alias(index=f"{self._alias}-*", expand_wildcards="all")
        )
        if not isinstance(answer.body, dict):
            raise SinkError(f"{self._node.url} names no indices: its answer is a proxy's")
        last = _order(month_of(self._before))
        found: list[tuple[str, _Month]] = []
        for index, told in answer.body.items():
            for name in (index, *told["aliases"]):
                month = pattern.fullmatch(name)
                if month is not None and _order(month[1]) <= last:
                    # Of its own month a moment at its very beginning has nothing before it.
                    found.append((_order(month[1]), _Month(index, _order(month[1]) < last)))
                    break
        return [month for _, month in sorted(found)]

    async def _count(self, month: _Month) -> int:
        # Not seen before a refresh is what was written in the last second.
        await self._asked(lambda: self._client.indices.refresh(index=month.name))
        answer = await self._asked(
            lambda: self._client.count(index=month.name, query=self._taken_before)
        )
        return int(answer["count"])

    async def _count_if_open(self, month: _Month) -> int | None:
        try:
            return await self._count(month)
        except _Blocked:
            return None  # A closed index cannot be asked, and can be deleted.

    async def _remove(self, month: _Month, step: Step, done: Done) -> int | None:
        if month.whole:
            return await self._delete(month, step)
        return await self._delete_documents(month, step, done)

    async def _delete(self, month: _Month, step: Step) -> int | None:
        """Delete a month; a worker that writes to it makes it anew."""
        count = await self._count_if_open(month)
        await self._asked(lambda: self._client.indices.delete(index=month.name))
        step(count or 0)
        return count

    async def _delete_documents(self, month: _Month, step: Step, done: Done) -> int:
        """Delete what was taken before, in rounds, until a round leaves nothing."""
        await self._refuse_blocked(month)
        removed, there = 0, await self._count(month)
        for _ in range(_MOST_ROUNDS):
            if not there:
                return removed
            pages = of_elasticsearch(
                self._client, month.name, ["timestamp"], query=self._taken_before
            )
            async with aclosing(pages):
                async for page in pages:
                    deletions = parts([_deletion(month, each) for each in page])
                    refused = await self._node.bulk(deletions)
                    if refused:
                        raise SinkError(f"{month.name} keeps documents: {refused[0].reason}")
                    step(len(page))
            left = await self._count(month)
            removed, there = removed + max(there - left, 0), left
        what = f"{there} documents of {month.name}"
        done.left.append(Left(what, "they are being written: purge again"))
        return removed

    async def _refuse_blocked(self, month: _Month) -> None:
        answer = await self._asked(
            lambda: self._client.indices.get_settings(index=month.name, flat_settings=True)
        )
        for told in answer.body.values():
            for block in _BLOCKS:
                if str(told["settings"].get(block)) == "true":
                    raise _Blocked(f"{block} is set")

    async def _asked(self, request: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer, asked for again while Elasticsearch is away.  Raises _Blocked, _Gone."""

        async def unless_blocked() -> Answer:
            try:
                return await request()
            except ApiError as error:
                kind = _kind(error)
                if kind in answers.CLOSED:
                    raise _Blocked(answers.told(error)) from error
                if kind == answers.NO_INDEX:
                    raise _Gone from error
                raise

        return await self._node.ask(unless_blocked)


def _order(month: str) -> str:
    return "" if month == _OLD else month


def _deletion(month: _Month, document: Mapping[str, Any]) -> bytes:
    """The line of a bulk request; a document that is there in a later version stays."""
    action = {
        "_index": month.name,
        "_id": document["document_id"],
        "version": document["version"],
        "version_type": "external_gte",
    }
    return json.dumps({"delete": action}).encode() + b"\n"


def _kind(error: ApiError) -> str | None:
    found: Any = error.body.get("error") if isinstance(error.body, dict) else None
    return found.get("type") if isinstance(found, dict) else None
