"""What the tests of the sinks may ask for: an index on a real Elasticsearch."""

from collections.abc import AsyncIterator, Callable

import pytest
from elasticsearch import AsyncElasticsearch

from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect


@pytest.fixture
def alias(unique_name: Callable[[str], str]) -> str:
    return unique_name("bp")


@pytest.fixture
async def node(elasticsearch: str, alias: str) -> AsyncIterator[AsyncElasticsearch]:
    """A client of the test's own, for what the sink does not do."""
    async with connect(elasticsearch) as client:
        yield client
        found = await client.indices.get_index_template(filter_path="index_templates.name")
        for template in found.get("index_templates", []):
            if template["name"].startswith(alias):
                await client.indices.delete_index_template(name=template["name"])


@pytest.fixture
async def index(elasticsearch: str, alias: str, node: object) -> AsyncIterator[ElasticsearchIndex]:
    async with ElasticsearchIndex(connect(elasticsearch), alias=alias, attempts=2) as index:
        await index.check()
        await index.prepare()
        yield index
