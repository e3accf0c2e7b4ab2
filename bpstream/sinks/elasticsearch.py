"""Documents in Elasticsearch: an index for each month, one alias before them all."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Self, TypeVar, cast

from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch
from elasticsearch.serializer import CompatibilityModeNdjsonSerializer
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)
from tenacity.wait import wait_base

from bpstream.document import Entry, Refused
from bpstream.errors import BPStreamError, SinkError, StartError
from bpstream.sinks import answers
from bpstream.sinks.answers import Verdict
from bpstream.sinks.mapping import PROPERTIES, index_template

_OLDEST_MAJOR = 8
_REQUEST_TIMEOUT = 30.0  # seconds
_PAUSES = wait_random_exponential(multiplier=0.5, max=10.0)  # seconds

_MOST_DOCUMENTS = 1000
# Under the 5 MB that Elasticsearch likes best: above 1 MiB aiohttp warns that a body of plain
# bytes holds up the event loop.
_MOST_BYTES = 1 << 20

_DAY = 86_400_000_000  # microseconds
# A clock that was never set must not make an index of its own for 1970.
_OLD_BEFORE = datetime(2010, 1, 1, tzinfo=UTC)

Positions = TypeVar("Positions", range, Sequence[int])


def connect(
    url: str,
    *,
    api_key: str = "",
    username: str = "",
    password: str = "",
    ca_file: str = "",
) -> AsyncElasticsearch:
    """Make a client of the node at `url`; no request is made yet.

    `ca_file` holds the certificates (PEM) that the node's is checked against instead of the
    system's.  Raises :class:`StartError` where a part cannot be used.
    """
    options: dict[str, Any] = {
        "max_retries": 0,
        "request_timeout": _REQUEST_TIMEOUT,
        "serializers": {_Lines.mimetype: _Lines()},
    }
    if api_key:
        options["api_key"] = api_key
    if username:
        options["basic_auth"] = (username, password)
    if ca_file:
        try:
            options["ssl_context"] = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise StartError(f"the CA file {ca_file} cannot be used: {error}") from error
    try:
        return AsyncElasticsearch(url, **options)
    except (TypeError, ValueError) as error:
        raise StartError(f"Elasticsearch's settings cannot be used: {error}") from error


class _Lines(CompatibilityModeNdjsonSerializer):
    """Sends encoded lines as they are, where the client's own copies them twice."""

    def dumps(self, data: Any) -> bytes:
        return data if isinstance(data, bytes) else super().dumps(data)


class ElasticsearchIndex:
    """Writes each batch in bulk requests, and judges every item of the answers.

    A document has its own id and version and lies in the index of its own month, so writing
    a batch twice leaves one copy, an older version never replaces a newer, and the caller may
    write a batch again as it stands.
    """

    def __init__(
        self,
        client: AsyncElasticsearch,
        *,
        alias: str = "bp-anomalies",
        attempts: int = 5,
        pauses: wait_base = _PAUSES,
    ) -> None:
        """Send each request up to `attempts` times, `pauses` apart."""
        self._client, self._alias = client, alias
        self._url = client.transport.node_pool.all()[0].base_url
        self._login = answers.login_of(client)
        self._retrying = AsyncRetrying(
            stop=stop_after_attempt(attempts),
            wait=pauses,
            retry=retry_if_exception_type(SinkError),
            reraise=True,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    async def check(self) -> None:
        """Return if an Elasticsearch that will do answers.

        Raises :class:`StartError` if it is another server, too old, or refuses us, and
        :class:`SinkError` if it is away.
        """
        wanted = f"Elasticsearch {_OLDEST_MAJOR} or newer would do"
        try:
            info = await self._client.info()
        except ApiError as error:
            if answers.wrong_server(error):
                raise StartError(f"{self._url} answers {answers.told(error)}; {wanted}") from error
            raise self._failure(error) from error
        except TransportError as error:
            raise self._failure(error) from error
        version = str(info["version"]["number"])
        if int(version.partition(".")[0]) < _OLDEST_MAJOR:
            raise StartError(f"{self._url} is Elasticsearch {version}; {wanted}")

    async def prepare(self) -> None:
        """Install the index template, and give its fields to the months that exist already.

        Changes nothing the second time.  Raises :class:`StartError` if another template or
        index stands in the way, :class:`SinkError` if Elasticsearch is away.
        """
        indices, alias = self._client.indices, self._alias
        try:
            there = await indices.get_alias(index=f"{alias},{alias}-*", ignore_unavailable=True)
            if alias in there.body:
                raise StartError(
                    f"{self._url} has an index named {alias}, where the alias belongs: "
                    f"delete it, or choose another name"
                )
            await indices.put_index_template(name=alias, **index_template(alias))
            simulated = await indices.simulate_index_template(name=f"{alias}-2010.01")
            template = simulated["template"]
            strict = template.get("mappings", {}).get("dynamic") == "strict"
            if not strict or alias not in template.get("aliases", {}):
                raise StartError(
                    f"{self._url} has an index template that comes before {alias}: "
                    f"lower its priority, or keep its patterns from {alias}-*"
                )
            if there.body:
                await indices.put_mapping(
                    index=f"{alias}-*", dynamic="strict", properties=PROPERTIES
                )
        except (ApiError, TransportError) as error:
            raise self._failure(error) from error

    async def write(self, entries: Sequence[Entry]) -> list[Refused]:
        """Return once every entry is stored, or refused for good; else raise SinkError.

        An entry that Elasticsearch has in a newer version counts as stored.  Raises
        :class:`StartError` if the user or API key may not write.
        """
        operations = [self._operation(entry) for entry in entries]
        refused: list[Refused] = []
        for start in range(0, len(operations), _MOST_DOCUMENTS):
            stop = min(start + _MOST_DOCUMENTS, len(operations))
            for positions in _requests(operations, range(start, stop)):
                refused += await self._store(operations, positions)
        return refused

    def _operation(self, entry: Entry) -> bytes:
        """The two lines of the bulk request that store the entry."""
        document_id, version, _, _, taken_at, body = entry
        action = (
            f'{{"index":{{"_index":"{self._alias}-{_month(taken_at // _DAY)}",'
            f'"_id":"{document_id}","version":{version},"version_type":"external_gte"}}}}\n'
        )
        return b"%b%b\n" % (action.encode(), body)

    async def _store(self, operations: Sequence[bytes], positions: Sequence[int]) -> list[Refused]:
        """Send one request, and what it left over again until nothing is."""
        refused: list[Refused] = []
        async for attempt in self._retrying.copy():
            with attempt:
                left: list[int] = []
                why = ""
                for position, item in await self._send(operations, positions):
                    match answers.judge(item):
                        case Verdict.REFUSED:
                            refused.append(Refused(position, answers.reason(item)))
                        case Verdict.LEFT:
                            left.append(position)
                            why = answers.reason(item)
                        case Verdict.FORBIDDEN:
                            words = answers.reason(item)
                            raise answers.forbidden(words, url=self._url, login=self._login)
                count, positions = f"{len(left)} of {len(positions)} documents", left
                if left:
                    raise SinkError(f"{self._url} did not take {count}: {why}")
        return refused

    async def _send(
        self, operations: Sequence[bytes], positions: Sequence[int]
    ) -> list[tuple[int, Mapping[str, Any]]]:
        """What Elasticsearch finds fault with: by position, the item of its answer."""
        payload = b"".join([operations[position] for position in positions])
        try:
            answer = await self._client.bulk(
                operations=cast(Any, payload), filter_path="errors,items.*.status,items.*.error"
            )
        except ApiError as error:
            if not answers.is_spoilt(error):
                raise self._failure(error) from error
            if len(positions) == 1:
                fault = {"type": "bad_request", "reason": answers.told(error)}
                return [(positions[0], {"status": error.meta.status, "error": fault})]
            first, second = _halves(positions)
            return await self._send(operations, first) + await self._send(operations, second)
        except TransportError as error:
            raise self._failure(error) from error
        items = answer["items"] if isinstance(answer.body, dict) and "items" in answer else []
        if len(items) != len(positions):
            found = f"judged {len(items)} of {len(positions)} documents"
            raise SinkError(f"{self._url} {found}: its answer was cut, or is a proxy's")
        if not answer["errors"]:
            return []
        judged = zip(positions, (item["index"] for item in items), strict=True)
        return [(position, item) for position, item in judged if "error" in item]

    def _failure(self, error: ApiError | TransportError) -> BPStreamError:
        return answers.failure(error, url=self._url, login=self._login)


def _requests(operations: Sequence[bytes], positions: range) -> Iterator[Sequence[int]]:
    """Yield the positions of each request: halves of `positions`, until they are small enough."""
    size = sum(map(len, operations[positions.start : positions.stop]))
    if size <= _MOST_BYTES or len(positions) == 1:
        yield positions
        return
    for half in _halves(positions):
        yield from _requests(operations, half)


def _halves(positions: Positions) -> tuple[Positions, Positions]:
    middle = len(positions) // 2
    return positions[:middle], positions[middle:]


@lru_cache
def _month(day: int) -> str:
    """The month of a day (days since 1970-01-01), as an index is named: `2026.01` or `old`."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(days=day)
    return "old" if moment < _OLD_BEFORE else f"{moment:%Y.%m}"
