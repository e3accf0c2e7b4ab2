"""The Elasticsearch index on a real node: what it takes, where it lies, what stands in the way."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from elasticsearch import AsyncElasticsearch

from bpstream.errors import SinkError, StartError
from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect
from tests.sinks.helpers import TAKEN_AT, a_document, an_entry

pytestmark = pytest.mark.services


async def _found(node: AsyncElasticsearch, alias: str) -> dict[str, dict]:
    """Every document behind the alias, by its id."""
    await node.indices.refresh(index=f"{alias}*")
    answer = await node.search(index=alias, size=100, version=True)
    return {hit["_id"]: hit for hit in answer["hits"]["hits"]}


async def test_a_full_document_is_taken_and_found_as_it_was(index, node, alias):
    document = a_document()
    assert await index.write([an_entry()]) == []
    hit = (await _found(node, alias))[document.document_id]
    assert hit["_source"] == msgspec.to_builtins(document)


@pytest.mark.parametrize(
    "query",
    [
        {"term": {"patient_id.keyword": "PAT-003"}},
        {"term": {"anomaly_type.keyword": "hypertension"}},
        {"term": {"anomaly_details": "hypertension_systolic"}},
        {"range": {"@timestamp": {"gte": "2026-01-29T21:32:51.619Z", "lt": "2026-01-30"}}},
        {"range": {"timestamp": {"gte": "2026-01-29", "lt": "2026-01-30"}}},
        {"range": {"early_warning.severe": {"gt": 0.89}}},
        {"term": {"kafka.offset": 41}},
    ],
    ids=str,
)
async def test_a_document_is_found_by_its_fields(index, node, alias, query):
    await index.write([an_entry()])
    await node.indices.refresh(index=alias)
    assert (await node.count(index=alias, query=query))["count"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"systolic_pressure": None, "anomaly_type": None, "category": None, "model": None},
        {"original_time": "yesterday", "period": ["2026-01", "soon"]},
        {"patient_id": "é" * 40_000, "device": "x" * 40_000},
        {"patient_id": "../../x\0<script>"},
    ],
    ids=["nothing measured", "odd times", "long texts", "an odd patient"],
)
async def test_no_reading_is_too_odd_for_the_mapping(index, node, alias, changes):
    assert await index.write([an_entry(**changes)]) == []
    assert len(await _found(node, alias)) == 1


@pytest.mark.parametrize(
    ("time", "month"),
    [
        ("2026-01-29T21:32:51.619300", "2026.01"),
        ("2026-01-31T23:59:59.999999", "2026.01"),
        ("2026-02-01T00:00:00.000000", "2026.02"),
        ("2010-01-01T00:00:00.000000", "2010.01"),
        ("2009-12-31T23:59:59.999999", "old"),
        ("1969-12-31T23:59:59.999999", "old"),
        ("1900-01-01T00:00:00.000000", "old"),
    ],
)
async def test_a_reading_lies_in_the_index_of_its_month(index, node, alias, time, month):
    moment = datetime.fromisoformat(f"{time}Z")
    since_1970 = moment - datetime(1970, 1, 1, tzinfo=UTC)
    await index.write([an_entry(taken_at=since_1970 // timedelta(microseconds=1))])
    (hit,) = (await _found(node, alias)).values()
    assert hit["_index"] == f"{alias}-{month}"


async def test_every_month_is_found_by_the_alias(index, node, alias):
    months = [TAKEN_AT - n * 40 * 86_400_000_000 for n in range(3)]
    await index.write([an_entry(n, taken_at=taken_at) for n, taken_at in enumerate(months)])
    found = await node.indices.get_alias(name=alias)
    assert set(found) == {f"{alias}-2026.01", f"{alias}-2025.12", f"{alias}-2025.11"}
    assert len(await _found(node, alias)) == 3


async def test_a_batch_written_twice_leaves_one_copy(index, node, alias):
    batch = [an_entry(n) for n in range(50)]
    assert await index.write(batch) == []
    assert await index.write(batch) == []
    assert len(await _found(node, alias)) == 50


@pytest.mark.parametrize(("first", "second", "kept"), [(1, 2, 2), (2, 2, 2), (3, 2, 3)])
async def test_the_newest_version_is_kept(index, node, alias, first, second, kept):
    assert await index.write([an_entry(version=first)]) == []
    assert await index.write([an_entry(version=second)]) == []
    (hit,) = (await _found(node, alias)).values()
    assert (hit["_version"], hit["_source"]["version"]) == (kept, kept)


async def test_what_can_never_be_stored_is_refused_and_the_others_are_stored(index, node, alias):
    unknown = an_entry(1)._replace(body=b'{"patient_id":"p","mood":"fine"}')
    no_number = an_entry(2)._replace(body=b'{"systolic_pressure":"high"}')
    spoils_the_request = an_entry(3)._replace(version=-1)
    batch = [an_entry(0), unknown, no_number, spoils_the_request, an_entry(4)]
    refused = await index.write(batch)
    assert [each.position for each in refused] == [1, 2, 3]
    for each, reason in zip(refused, ["mood", "systolic_pressure", "version value"], strict=True):
        assert reason in each.reason
    assert set(await _found(node, alias)) == {batch[0].document_id, batch[4].document_id}


async def test_a_month_that_is_closed_is_waited_for(index, node, alias):
    await index.write([an_entry(0)])
    await node.indices.close(index=f"{alias}-2026.01")
    with pytest.raises(SinkError, match=r"did not take 1 of 1 documents.*index_closed"):
        await index.write([an_entry(1)])
    await node.indices.open(index=f"{alias}-2026.01", wait_for_active_shards=1)
    assert await index.write([an_entry(1)]) == []
    assert len(await _found(node, alias)) == 2


async def test_preparing_again_changes_nothing(index, node, alias):
    await index.write([an_entry()])
    before = await _state(node, alias)
    await index.prepare()
    assert await _state(node, alias) == before


async def _state(node: AsyncElasticsearch, alias: str) -> tuple:
    template = await node.indices.get_index_template(name=alias)
    months = await node.indices.get(index=f"{alias}-*")
    return template.body, months.body


async def test_a_month_of_an_older_bpstream_gets_the_new_fields(elasticsearch, node, alias):
    month = f"{alias}-2026.01"
    older = {"dynamic": "strict", "properties": {"patient_id": {"type": "keyword"}}}
    await node.indices.create(index=month, mappings=older, aliases={alias: {}})
    async with ElasticsearchIndex(connect(elasticsearch), alias=alias) as index:
        await index.prepare()
        assert await index.write([an_entry()]) == []


async def test_a_month_with_another_type_of_field_stops_the_start(elasticsearch, node, alias):
    other = {"properties": {"systolic_pressure": {"type": "keyword"}}}
    await node.indices.create(index=f"{alias}-2026.01", mappings=other)
    async with ElasticsearchIndex(connect(elasticsearch), alias=alias) as index:
        with pytest.raises(StartError, match="systolic_pressure"):
            await index.prepare()


async def test_an_index_in_the_place_of_the_alias_stops_the_start(elasticsearch, node, alias):
    await node.indices.create(index=alias)
    async with ElasticsearchIndex(connect(elasticsearch), alias=alias) as index:
        with pytest.raises(StartError, match=f"has an index named {alias}, where the alias"):
            await index.prepare()


async def test_a_template_that_comes_before_ours_stops_the_start(elasticsearch, node, alias):
    await node.indices.put_index_template(
        name=f"{alias}-other", index_patterns=[f"{alias}-2*"], priority=9000
    )
    async with ElasticsearchIndex(connect(elasticsearch), alias=alias) as index:
        with pytest.raises(StartError, match="index template that comes before"):
            await index.prepare()


async def test_a_site_may_add_settings_of_its_own(index, node, alias):
    custom = f"{alias}@custom"
    await node.cluster.put_component_template(
        name=custom,
        template={"settings": {"index.refresh_interval": "7s", "index.number_of_shards": 3}},
    )
    await index.write([an_entry()])
    found = await node.indices.get_settings(index=f"{alias}-2026.01", flat_settings=True)
    settings = found[f"{alias}-2026.01"]["settings"]
    await node.indices.delete_index_template(name=alias)
    await node.cluster.delete_component_template(name=custom)
    assert settings["index.refresh_interval"] == "7s"
    assert settings["index.number_of_shards"] == "3"
