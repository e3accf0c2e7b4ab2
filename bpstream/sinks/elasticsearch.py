"""Documents in Elasticsearch: an index for each month, one alias before them all."""

import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import Any, Self

import numpy as np
import orjson
from msgspec import convert
from tenacity import wait_random_exponential
from tenacity.wait import wait_base

from bpstream.document import Entry, Found, Line, Refused, Removal, latest, month_of
from bpstream.documents import Documents, in_columns
from bpstream.errors import BPStreamError, SinkError, StartError
from bpstream.jsonlines import Parts, Piece, lines, parts
from bpstream.rendered import Phrases
from bpstream.sinks import answers
from bpstream.sinks.client import (
    ApiError,
    AsyncElasticsearch,
    CompatibilityModeJsonSerializer,
    CompatibilityModeNdjsonSerializer,
    TransportError,
)
from bpstream.sinks.node import MOST_DOCUMENTS, Node
from bpstream.sinks.template import Template

_OLDEST_MAJOR = 8
_REQUEST_TIMEOUT = 30.0  # seconds
_PAUSES = wait_random_exponential(multiplier=0.5, max=10.0)  # seconds

_KNOWN_BY = Line.__struct_fields__


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
        "serializers": {_Lines.mimetype: _Lines(), _Answers.mimetype: _Answers()},
    }
    if api_key:
        options["api_key"] = api_key
    if username:
        options["basic_auth"] = (username, password)
    if ca_file:
        try:
            options["ssl_context"] = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise StartError(
                f"BPSTREAM_ELASTICSEARCH_CA_FILE={ca_file} cannot be read as certificates: {error}"
            ) from error
    try:
        return AsyncElasticsearch(url, **options)
    except (TypeError, ValueError) as error:
        raise StartError(f"Elasticsearch's settings cannot be used: {error}") from error


class _Lines(CompatibilityModeNdjsonSerializer):
    """Sends encoded lines as they are, where the client's own copies them twice."""

    def dumps(self, data: Any) -> Any:
        return _Body(data) if isinstance(data, bytes | memoryview) else super().dumps(data)


class _Body(BytesIO):
    """Documents that aiohttp sends piece by piece: as bytes they would hold up the event loop."""

    def __init__(self, data: bytes | memoryview) -> None:
        super().__init__()  # The base class would copy all of it.
        self._data = memoryview(data)

    def read(self, size: int | None = -1, /) -> Any:
        """The next piece, not copied either."""
        at = self.tell()
        piece = self._data[at:] if size is None or size < 0 else self._data[at : at + size]
        self.seek(at + len(piece))
        return piece

    def getbuffer(self) -> memoryview:
        """What aiohttp takes the size of."""
        return self._data[:]

    def decode(self, *_: str) -> str:
        """What the client logs of a request, where it logs any: not the patients' data."""
        return f"{len(self._data)} bytes"


class _Answers(CompatibilityModeJsonSerializer):
    """Reads answers by a faster parser than the client's own: a bulk request's has many items."""

    def json_loads(self, data: bytes) -> Any:
        return orjson.loads(data)


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
        self._node = Node(client, attempts=attempts, pauses=pauses)
        self._url = self._node.url

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
            raise self._node.failure(error) from error
        except TransportError as error:
            raise self._node.failure(error) from error
        version = str(info["version"]["number"])
        if int(version.partition(".")[0]) < _OLDEST_MAJOR:
            raise StartError(f"{self._url} is Elasticsearch {version}; {wanted}")

    async def prepare(self) -> None:
        """Install the index template, and give its fields to the months that exist already.

        Changes nothing the second time.  Raises :class:`StartError` if another template or
        index stands in the way, :class:`SinkError` if Elasticsearch is away.
        """
        await Template(self._client, self._alias).install()

    async def write(self, entries: Sequence[Entry]) -> list[Refused]:
        """Return once every entry is stored, or refused for good; else raise SinkError.

        An entry that Elasticsearch has in a newer version counts as stored.  Raises
        :class:`StartError` if the user or API key may not write.
        """
        documents = in_columns(entries)
        return await self._node.bulk(self.operations(documents))

    async def remove(self, removals: Sequence[Removal]) -> None:
        """Return once none of them is in its month in that version or a lower one.

        A removal empties the place of the document in its month, whatever time it has there:
        where the same version stays in that month, there is nothing to remove.  Raises as
        `write` does, and :class:`StartError` if a removal is refused for good.
        """
        if not removals:
            return
        # A deletion with a version would make the index of a month that has none.
        months = await self._node.ask(lambda: self._months(closed=True))
        there = {name for index, aliases in months.items() for name in (index, *aliases)}
        present = [each for each in removals if self._index_of(each.taken_at) in there]
        refused = await self._node.bulk(parts([self._deletion(each) for each in present]))
        if refused:
            position, reason = refused[0]
            document_id = present[position].document_id
            raise StartError(f"{self._url} does not let {document_id} be removed: {reason}")

    async def find(self, document_ids: Sequence[str]) -> list[Found]:
        """What is known of those of the documents that are there, as of now, in any open month.

        Of a document in two months, left by a crash, the higher version.  Raises as `write`.
        """
        ids = list(dict.fromkeys(document_ids))
        if not ids:
            return []
        months = await self._node.ask(lambda: self._months(closed=False))
        behind = [month for month, aliases in months.items() if self._alias in aliases]
        places = [{"_index": month, "_id": each} for month in behind for each in ids]
        found: list[Found] = []
        for start in range(0, len(places), MOST_DOCUMENTS):
            some = places[start : start + MOST_DOCUMENTS]
            found += await self._node.ask(partial(self._get, some))
        return latest(found)

    async def _months(self, *, closed: bool) -> dict[str, Any]:
        """The indices of months, and the aliases of each.

        A month that was shrunk lies in an index of another name, with the month's as an alias.
        """
        answer = await self._client.indices.get_alias(
            index=f"{self._alias}-*", expand_wildcards="all" if closed else "open"
        )
        if not isinstance(answer.body, dict):
            raise SinkError(f"{self._url} names no indices: its answer is a proxy's")
        return {index: found["aliases"] for index, found in answer.body.items()}

    async def _get(self, places: Sequence[Mapping[str, str]]) -> list[Found]:
        """The documents that are in these places.

        By place, where a search would be one request: a search sees a document only after a
        refresh, which takes a right of its own and costs the month being written.
        """
        answer = await self._client.mget(
            docs=places,
            source_includes=_KNOWN_BY,
            filter_path="docs.found,docs._source,docs.error",
        )
        docs = answer["docs"] if isinstance(answer.body, dict) and "docs" in answer else []
        if len(docs) != len(places):
            looked = f"looked in {len(docs)} of {len(places)} places"
            raise SinkError(f"{self._url} {looked}: its answer was cut, or is a proxy's")
        for doc in docs:
            if "error" in doc and doc["error"]["type"] != answers.NO_INDEX:
                raise self._not_looked(doc["error"])
        return [convert(doc["_source"], Line).found for doc in docs if doc.get("found")]

    def _not_looked(self, error: Mapping[str, Any]) -> BPStreamError:
        words = f"{error['type']}: {error['reason']}"
        if error["type"] == "security_exception":
            return self._node.forbidden(words)
        return SinkError(f"{self._url} could not look for a document: {words}")

    def _index_of(self, taken_at: int) -> str:
        return f"{self._alias}-{month_of(taken_at)}"

    def operations(self, documents: Documents) -> Parts:
        """What a bulk request has to do to store the documents."""
        pieces: list[Piece] = [
            b'{"index":{"_index":"%b-' % self._alias.encode(),
            *_MONTHS.of(documents.taken_at.view("M8[us]").astype("M8[M]").view(np.int64)),
            b'","_id":"',
            documents.document_ids.json,
            b'","version":',
            documents.version,
            b',"version_type":"external_gte"}}\n',
            documents.parts(),
        ]
        return lines(pieces, len(documents))

    def _deletion(self, removal: Removal) -> bytes:
        """The line of the bulk request that removes the document."""
        return (
            f'{{"delete":{{"_index":"{self._index_of(removal.taken_at)}",'
            f'"_id":"{removal.document_id}","version":{removal.version},'
            '"version_type":"external_gte"}}\n'
        ).encode()


def _month(month: int) -> tuple[bytes]:
    begins = np.array(month, "M8[M]").astype("M8[us]").view(np.int64)
    return (month_of(int(begins)).encode(),)


_MONTHS = Phrases(_month)
"""Of months since 1970."""
