"""Purging Elasticsearch, on a real node: months that go whole, and documents of a month."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import chain

import pytest
from tenacity import wait_none

from bpstream.document import Entry, micros
from bpstream.errors import SinkError, StartError
from bpstream.purge.done import Done
from bpstream.purge.elasticsearch import ElasticsearchPurge
from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect
from tests.purge.helpers import BEFORE, MONTH, a_new, an_old, no_bar
from tests.sinks.conftest import alias, index, node  # noqa: F401 - fixtures
from tests.sinks.helpers import Answer, ScriptedNode, found_of, removal_of

services = pytest.mark.services

LAST_MONTH, LONG_AGO = BEFORE - MONTH, micros("2001-01-01")

Purge = Callable[..., ElasticsearchPurge]


@pytest.fixture
async def purge(elasticsearch: str, alias: str) -> AsyncIterator[Purge]:  # noqa: F811
    async with connect(elasticsearch) as client:

        def of(before: int = BEFORE) -> ElasticsearchPurge:
            return ElasticsearchPurge(client, alias, before, attempts=2)

        yield of


async def left(index: ElasticsearchIndex, entries: list[Entry]) -> list[int]:  # noqa: F811
    """Which of the entries are still there."""
    found = {each.document_id for each in await index.find([each.document_id for each in entries])}
    return [n for n, each in enumerate(entries) if each.document_id in found]


@services
async def test_months_before_go_whole_and_of_the_month_of_the_time_what_is_older(
    index,  # noqa: F811
    node,  # noqa: F811
    alias,  # noqa: F811
    purge,
):
    entries = [
        an_old(0, taken_at=LONG_AGO),
        an_old(1, taken_at=LAST_MONTH),
        an_old(2, taken_at=BEFORE - 1000),
        a_new(3),
        a_new(4, taken_at=BEFORE + MONTH),
    ]
    await index.write(entries)
    found = await purge().find()
    assert await left(index, entries) == [0, 1, 2, 3, 4]
    done = await purge().purge(no_bar)
    assert await left(index, entries) == [3, 4]
    assert found == done
    assert done.readings == 3
    assert done.details == [
        f"{alias}-old whole, 1",
        f"{alias}-2025.12 whole, 1",
        f"1 of {alias}-2026.01",
    ]
    months = await node.indices.get_alias(index=f"{alias}-*")
    assert sorted(months) == [f"{alias}-2026.01", f"{alias}-2026.03"]
    again = await purge().purge(no_bar)
    assert (again.readings, again.details, again.left) == (0, [], [])


BOUNDARIES = [
    ("2001-01-01", [0, 1, 2, 3]),
    ("2001-01-01T00:00:00.001Z", [1, 2, 3]),
    ("2010-01-01", [2, 3]),
    ("2010-01-01T00:00:00.001Z", [3]),
    ("2010-02-01", [3]),
    ("2010-02-01T00:00:00.001Z", []),
]
"""What stays of four readings, as one purge after the other looks further."""


@services
async def test_a_time_on_a_boundary_has_its_side(index, purge):  # noqa: F811
    taken = ["2001-01-01", "2009-12-31T23:59:59.999Z", "2010-01-01", "2010-02-01"]
    entries = [an_old(n, taken_at=micros(each)) for n, each in enumerate(taken)]
    await index.write(entries)
    for before, stay in BOUNDARIES:
        await purge(micros(before)).purge(no_bar)
        assert await left(index, entries) == stay


@services
@pytest.mark.parametrize("version", [0, 1769722371619300])
async def test_many_go_some_at_a_time_whatever_their_version(index, purge, version):  # noqa: F811
    entries = [an_old(n, version=version) for n in range(2500)]
    entries.append(a_new(2500, version=version))
    await index.write(entries)
    done = await purge().purge(no_bar)
    assert (done.readings, done.left) == (2500, [])
    assert await left(index, entries) == [2500]


@services
async def test_a_correction_and_a_retraction_of_what_was_purged_do_no_harm(index, purge):  # noqa: F811
    of_month, of_last = an_old(0), an_old(1, taken_at=LAST_MONTH)
    await index.write([of_month, of_last])
    await purge().purge(no_bar)
    await index.remove([removal_of(of_month), removal_of(of_last)])
    assert await left(index, [of_month, of_last]) == []
    corrected = [an_old(0, version=2), an_old(1, version=2, taken_at=LAST_MONTH)]
    assert await index.write(corrected) == []
    assert sorted(await index.find([each.document_id for each in corrected])) == [
        found_of(each) for each in corrected
    ]
    assert (await purge().purge(no_bar)).readings == 2


@services
async def test_documents_that_are_written_meanwhile_are_looked_at_again(index, purge):  # noqa: F811
    entries = [an_old(n) for n in range(200)]
    await index.write(entries)

    async def correct() -> None:
        for version in range(2, 8):
            await index.write([an_old(n, version=version) for n in range(200)])

    work = asyncio.create_task(correct())
    await purge().purge(no_bar)
    await work
    await purge().purge(no_bar)
    assert await left(index, entries) == []


@services
async def test_indices_that_are_no_months_of_ours_are_not_touched(
    index,  # noqa: F811
    node,  # noqa: F811
    alias,  # noqa: F811
    purge,
):
    others = [f"{alias}-other", f"{alias}-more-2001.01", f"{alias}-2001.01-copy"]
    for each in others:
        await node.indices.create(index=each)
    assert (await purge().purge(no_bar)).details == []
    assert set(await node.indices.get_alias(index=f"{alias}-*")) == set(others)


@services
async def test_a_month_that_was_shrunk_goes_under_its_new_name(
    index,  # noqa: F811
    node,  # noqa: F811
    alias,  # noqa: F811
    purge,
):
    month, shrunk = f"{alias}-2025.12", f"shrunk-{alias}"
    await node.indices.create(index=shrunk, aliases={month: {}, alias: {}})
    assert (await purge().purge(no_bar)).details == [f"{shrunk} whole, 0"]
    assert not await node.indices.exists(index=shrunk)


@services
async def test_a_month_that_is_closed_or_blocked_is_named_and_a_closed_one_that_is_over_goes(
    index,  # noqa: F811
    node,  # noqa: F811
    alias,  # noqa: F811
    purge,
):
    entries = [an_old(0), an_old(1, taken_at=LAST_MONTH), a_new(2)]
    await index.write(entries)
    await node.indices.close(index=f"{alias}-2025.12")
    await node.indices.put_settings(index=f"{alias}-2026.01", settings={"blocks.write": True})
    assert (await purge().find()).details == [f"{alias}-2025.12 whole, closed, not counted"]
    done = await purge().purge(no_bar)
    (blocked,) = done.left
    assert blocked.what == f"{alias}-2026.01"
    assert "open it, or lift its block, and purge again" in blocked.why
    assert not blocked.by_itself
    assert not await node.indices.exists(index=f"{alias}-2025.12", expand_wildcards="all")
    await node.indices.put_settings(index=f"{alias}-2026.01", settings={"blocks.write": False})
    await node.indices.close(index=f"{alias}-2026.01")
    assert [each.what for each in (await purge().purge(no_bar)).left] == [f"{alias}-2026.01"]
    await node.indices.open(index=f"{alias}-2026.01", wait_for_active_shards=1)
    assert (await purge().purge(no_bar)).readings == 1


@services
async def test_where_there_is_no_month_nothing_goes(purge):
    assert (await purge().purge(no_bar)).readings == 0


# What a node that is away, or stubborn, says.

MONTHS = Answer(body={"bp-2026.01": {"aliases": {"bp": {}}}})
OPEN = Answer(body={"bp-2026.01": {"settings": {}}})


def counted(count: int) -> list[Answer]:
    """The answers to a refresh and to a count."""
    return [Answer(), Answer(body={"count": count})]


def a_round(*ids: str) -> list[Answer]:
    """The answers to a refresh, a point in time, its pages and its end."""
    hits = [{"_id": each, "_version": 1, "_source": {}, "sort": [1]} for each in ids]
    pages = [Answer(body={"pit_id": "p", "hits": {"hits": some}}) for some in (hits, [])]
    return [Answer(), Answer(body={"id": "p"}), pages[0], Answer(items=[200] * len(ids)), pages[1]]


async def said(*answers: Answer) -> Done:
    async with ScriptedNode(list(answers)) as node, connect(node.url) as client:  # noqa: F811
        purge = ElasticsearchPurge(client, "bp", BEFORE, attempts=2, pauses=wait_none())
        return await purge.purge(no_bar)


async def test_what_is_being_written_all_the_time_is_left_and_named():
    rounds = [[*a_round("a", "b"), Answer(), *counted(2)] for _ in range(5)]
    done = await said(MONTHS, OPEN, *counted(2), *chain(*rounds))
    (stalled,) = done.left
    assert (stalled.what, done.readings) == ("2 documents of bp-2026.01", 0)


async def test_a_node_that_is_away_for_a_moment_is_asked_again():
    done = await said(
        Answer(429), MONTHS, OPEN, *counted(2), *a_round("a", "b"), Answer(), *counted(0)
    )
    assert (done.readings, done.left) == (2, [])


async def test_a_node_that_stays_away_is_told():
    with pytest.raises(SinkError, match="503"):
        await said(MONTHS, Answer(503), Answer(503))


async def test_a_user_that_may_not_delete_is_told():
    body = {"error": {"type": "security_exception", "reason": "unauthorized"}}
    with pytest.raises(StartError, match="unauthorized"):
        await said(MONTHS, OPEN, Answer(403, body=body))


async def test_a_month_that_somebody_else_deletes_meanwhile_is_no_trouble():
    body = {"error": {"type": "index_not_found_exception", "reason": "no such index"}}
    done = await said(MONTHS, Answer(404, body=body))
    assert (done.readings, done.left) == (0, [])
