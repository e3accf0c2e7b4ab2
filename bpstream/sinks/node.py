"""An Elasticsearch node: requests tried again, and bulk requests judged item by item."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_base

from bpstream.document import Refused
from bpstream.errors import BPStreamError, SinkError
from bpstream.jsonlines import Parts
from bpstream.sinks import answers
from bpstream.sinks.answers import Verdict
from bpstream.sinks.client import ApiError, AsyncElasticsearch, TransportError

MOST_DOCUMENTS = 4000
"""How many documents a request is about at most."""
_MOST_BYTES = 4 << 20  # Under the 5 MB that Elasticsearch likes best.

Answer = TypeVar("Answer")


class Node:
    """Sends requests through `client`, whose own retries are to be off."""

    def __init__(self, client: AsyncElasticsearch, *, attempts: int, pauses: wait_base) -> None:
        """Send each request up to `attempts` times, `pauses` apart."""
        self.client = client
        self.url = client.transport.node_pool.all()[0].base_url
        self._login = answers.login_of(client)
        self._retrying = AsyncRetrying(
            stop=stop_after_attempt(attempts),
            wait=pauses,
            retry=retry_if_exception_type(SinkError),
            reraise=True,
        )

    def failure(self, error: ApiError | TransportError) -> BPStreamError:
        """What a request that failed as a whole means for the worker."""
        return answers.failure(error, url=self.url, login=self._login)

    def forbidden(self, words: str) -> BPStreamError:
        """The error for an answer that refuses the user, and not a document."""
        return answers.forbidden(words, url=self.url, login=self._login)

    async def ask(self, request: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to `request`, which is made again where it raises SinkError."""

        async def attempt() -> Answer:
            try:
                return await request()
            except (ApiError, TransportError) as error:
                raise self.failure(error) from error

        return await self._retrying.copy()(attempt)

    async def bulk(self, operations: Parts) -> list[Refused]:
        """Return once every operation of a bulk request is done, or refused for good.

        Raises :class:`SinkError` where some are not, :class:`StartError` where we may not.
        """
        refused: list[Refused] = []
        for positions in _requests(operations.ends - operations.begins):
            refused += await self._carry_out(operations, positions)
        return refused

    async def _carry_out(self, operations: Parts, positions: Sequence[int]) -> list[Refused]:
        """Send one request, and what it left over again until nothing is."""
        refused: list[Refused] = []
        async for attempt in self._retrying.copy():
            with attempt:
                left: list[int] = []
                why = ""
                for position, action, item in await self._send(operations, positions):
                    match answers.judge(action, item):
                        case Verdict.REFUSED:
                            refused.append(Refused(position, answers.reason(item)))
                        case Verdict.LEFT:
                            left.append(position)
                            why = answers.reason(item)
                        case Verdict.FORBIDDEN:
                            raise self.forbidden(answers.reason(item))
                count, positions = f"{len(left)} of {len(positions)} documents", left
                if left:
                    raise SinkError(f"{self.url} did not take {count}: {why}")
        return refused

    async def _send(
        self, operations: Parts, positions: Sequence[int]
    ) -> list[tuple[int, str, Mapping[str, Any]]]:
        """What Elasticsearch finds fault with: position, action, and item of its answer."""
        is_run = isinstance(positions, range)
        some = slice(positions[0], positions[-1] + 1) if is_run else positions
        text = cast(Any, operations.take(some).joined())
        try:
            answer = await self.client.bulk(
                operations=text, filter_path="errors,items.*.status,items.*.error"
            )
        except ApiError as error:
            if not answers.is_spoilt(error):
                raise self.failure(error) from error
            if len(positions) == 1:
                fault = {"type": "bad_request", "reason": answers.told(error)}
                return [(positions[0], "", {"status": error.meta.status, "error": fault})]
            first, second = _halves(positions)
            return await self._send(operations, first) + await self._send(operations, second)
        except TransportError as error:
            raise self.failure(error) from error
        items = answer["items"] if isinstance(answer.body, dict) and "items" in answer else []
        if len(items) != len(positions):
            found = f"judged {len(items)} of {len(positions)} documents"
            raise SinkError(f"{self.url} {found}: its answer was cut, or is a proxy's")
        if not answer["errors"]:
            return []
        return [
            (position, action, judged)
            for position, item in zip(positions, items, strict=True)
            for action, judged in item.items()
            if "error" in judged
        ]


def _requests(sizes: NDArray[np.int64]) -> Iterator[range]:
    """The positions of the operations of each request: as many as it takes, for it costs much."""
    start, behind = 0, np.cumsum(sizes)
    while start < len(sizes):
        room = behind[start] - sizes[start] + _MOST_BYTES
        fit = int(np.searchsorted(behind, room, side="right"))
        end = min(max(fit, start + 1), start + MOST_DOCUMENTS)
        yield range(start, end)
        start = end


def _halves(positions: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    middle = len(positions) // 2
    return positions[:middle], positions[middle:]
