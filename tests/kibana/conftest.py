"""What the tests of Kibana's objects may ask for: an index with documents that are known."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator

import pytest
from elasticsearch import Elasticsearch

from bpstream.document import Entry
from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect

Fill = Callable[[Iterable[Entry]], str]


@pytest.fixture(scope="module")
def client(elasticsearch: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch) as client:
        yield client


@pytest.fixture(scope="module")
def filled(elasticsearch: str, client: Elasticsearch) -> Iterator[Fill]:
    """`filled(entries)` is the alias of an index that holds them and can be searched."""
    aliases = []

    def fill(entries: Iterable[Entry]) -> str:
        alias = f"bp-{uuid.uuid4().hex[:12]}"
        aliases.append(alias)
        asyncio.run(_store(elasticsearch, alias, list(entries)))
        client.indices.refresh(index=alias)
        return alias

    yield fill
    for alias in aliases:
        for index in client.indices.get_alias(index=f"{alias}-*"):
            client.indices.delete(index=index)
        client.indices.delete_index_template(name=alias)


async def _store(url: str, alias: str, entries: list[Entry]) -> None:
    async with ElasticsearchIndex(connect(url), alias=alias) as index:
        await index.check()
        await index.prepare()
        assert await index.write(entries) == []
