"""Taking documents out of the Elasticsearch index, and finding them by id, on a real node."""

import pytest
from elasticsearch import AsyncElasticsearch

from bpstream.document import Removal
from bpstream.errors import SinkError
from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect
from bpstream.sinks.node import MOST_DOCUMENTS
from tests.sinks.helpers import TAKEN_AT, an_entry, found_of, removal_of

pytestmark = pytest.mark.services

_MONTH = 31 * 86_400_000_000
_LAST_MONTH = TAKEN_AT - _MONTH


async def _indices(node: AsyncElasticsearch, alias: str) -> set[str]:
    return set(await node.indices.get_alias(index=f"{alias}-*", expand_wildcards="all"))


async def test_what_is_removed_is_there_no_longer_and_the_others_are(index):
    batch = [an_entry(n) for n in range(4)]
    await index.write(batch)
    await index.remove([removal_of(entry) for entry in batch[:2]])
    found = await index.find([entry.document_id for entry in batch])
    assert sorted(found) == [found_of(entry) for entry in batch[2:]]


@pytest.mark.parametrize(("removed", "left"), [(4, [5]), (5, []), (6, [])])
async def test_only_a_higher_version_than_the_removals_stays(index, removed, left):
    entry = an_entry(version=5)
    await index.write([entry])
    for _ in range(2):
        await index.remove([removal_of(entry, version=removed)])
        assert [each.version for each in await index.find([entry.document_id])] == left


async def test_a_correction_that_moves_the_month_leaves_one_document(index):
    first, second = an_entry(version=1, taken_at=_LAST_MONTH), an_entry(version=2)
    for _ in range(2):
        await index.write([first])
        await index.write([second])
        await index.remove([removal_of(first, version=2)])
        assert await index.find([first.document_id]) == [found_of(second)]


async def test_of_a_document_that_a_crash_left_in_two_months_the_newer_version_is_found(index):
    first, second = an_entry(version=1), an_entry(version=2, taken_at=_LAST_MONTH)
    await index.write([first, second])
    assert await index.find([first.document_id]) == [found_of(second)]


async def test_an_earlier_version_that_comes_after_the_removal_stays_away(index):
    entry = an_entry(version=1)
    await index.write([entry])
    await index.remove([removal_of(entry, version=2)])
    await index.write([entry])
    assert await index.find([entry.document_id]) == []


async def test_a_month_that_there_is_not_is_not_made_by_a_removal(index, node, alias):
    nowhere = Removal("0" * 32, 1, "PAT-003", TAKEN_AT)
    await index.remove([nowhere])
    assert await _indices(node, alias) == set()
    await index.write([an_entry(taken_at=_LAST_MONTH)])
    await index.remove([nowhere])
    assert await _indices(node, alias) == {f"{alias}-2025.12"}


async def test_where_nothing_was_ever_written_nothing_is_found(elasticsearch, unique_name):
    client = connect(elasticsearch)
    async with ElasticsearchIndex(client, alias=unique_name("bp")) as index:
        assert await index.find(["0" * 32]) == []


async def test_a_document_is_found_before_a_search_would_see_it(index, node, alias):
    settings = {"template": {"settings": {"index.refresh_interval": "-1"}}}
    await node.cluster.put_component_template(name=f"{alias}@custom", **settings)
    await index.write([an_entry()])
    assert (await node.search(index=alias))["hits"]["total"]["value"] == 0
    assert await index.find([an_entry().document_id]) == [found_of(an_entry())]
    await node.indices.delete_index_template(name=alias)
    await node.cluster.delete_component_template(name=f"{alias}@custom")


async def test_an_aggregate_is_found_as_one(index):
    entry = an_entry(kind="aggregate", anomaly_type=None, anomaly_details=[])
    await index.write([entry])
    (found,) = await index.find([entry.document_id, entry.document_id])
    assert (found.kind, found.anomaly_details) == ("aggregate", ())


async def test_many_documents_are_found_over_all_months(index):
    batch = [an_entry(n, taken_at=TAKEN_AT - n % 3 * _MONTH) for n in range(MOST_DOCUMENTS)]
    await index.write(batch)
    found = await index.find([entry.document_id for entry in batch])
    assert sorted(found) == [found_of(entry) for entry in batch]


async def test_an_index_that_is_not_behind_the_alias_is_not_asked(index, node, alias):
    await index.write([an_entry()])
    await node.indices.delete_alias(index=f"{alias}-2026.01", name=alias)
    assert await index.find([an_entry().document_id]) == []


async def test_a_month_that_is_closed_is_waited_for_by_a_removal_and_passed_over_by_a_search(
    index, node, alias
):
    await index.write([an_entry(0), an_entry(1, taken_at=_LAST_MONTH)])
    await node.indices.close(index=f"{alias}-2026.01")
    ids = [an_entry(n).document_id for n in range(2)]
    assert [each.document_id for each in await index.find(ids)] == [ids[1]]
    with pytest.raises(SinkError, match=r"did not take 1 of 1 documents.*index_closed"):
        await index.remove([removal_of(an_entry(0))])
    await node.indices.open(index=f"{alias}-2026.01", wait_for_active_shards=1)
    await index.remove([removal_of(an_entry(0))])
    assert [each.document_id for each in await index.find(ids)] == [ids[1]]


async def test_a_month_that_lies_in_an_index_of_another_name_is_reached_by_its_alias(
    index, node, alias
):
    entry = an_entry(taken_at=_LAST_MONTH)
    # As shrinking an index by a lifecycle policy leaves it.
    month = f"{alias}-2025.12"
    await node.indices.create(index=f"shrink-0a1b-{month}", aliases={alias: {}, month: {}})
    await index.write([entry])
    assert await index.find([entry.document_id]) == [found_of(entry)]
    await index.remove([removal_of(entry)])
    assert await index.find([entry.document_id]) == []
