"""Removals and searches before a node that is away, busy, strange, or refuses us."""

from collections.abc import AsyncIterator

import pytest
from tenacity import wait_none

from bpstream.errors import SinkError, StartError
from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect
from tests.sinks.helpers import Answer, ScriptedNode, an_entry, removal_of

_REMOVALS = [removal_of(an_entry(n)) for n in range(4)]
_IDS = [removal.document_id for removal in _REMOVALS]
_MONTHS = Answer(body={"bp-anomalies-2026.01": {"aliases": {"bp-anomalies": {}}}})


_NO_MONTHS_YET = Answer(body={})


@pytest.fixture
async def node() -> AsyncIterator[ScriptedNode]:
    async with ScriptedNode() as node:
        yield node


@pytest.fixture
async def index(node: ScriptedNode) -> AsyncIterator[ElasticsearchIndex]:
    client = connect(node.url)
    async with ElasticsearchIndex(client, attempts=3, pauses=wait_none()) as index:
        yield index


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_removal_that_is_not_taken_now_is_sent_again_alone(node, index, status):
    node.answers = [_MONTHS, Answer(items=[200, status, 200, 200])]
    await index.remove(_REMOVALS)
    assert node.bulks == [_IDS, [_IDS[1]]]


@pytest.mark.parametrize("status", [409, 404], ids=["a newer one is there", "no such index"])
async def test_a_removal_that_finds_nothing_to_remove_is_done(node, index, status):
    node.answers = [_MONTHS, Answer(items=[status] * 4)]
    await index.remove(_REMOVALS)
    assert node.bulks == [_IDS]


async def test_nothing_is_sent_where_there_is_nothing_to_remove(node, index):
    node.answers = [_NO_MONTHS_YET]
    await index.remove(_REMOVALS)
    await index.remove([])
    assert node.bulks == []


async def test_a_removal_that_is_refused_for_good_stops_the_worker(node, index):
    node.answers = [_MONTHS, Answer(items=[200, 200, 400, 200])]
    with pytest.raises(StartError, match=f"{node.url} does not let {_IDS[2]} be removed: 400"):
        await index.remove(_REMOVALS)


async def test_removals_are_halved_like_documents(node, index):
    spoilt = Answer(413, {"error": {"type": "bad", "reason": "too large"}})
    node.answers = [_MONTHS, spoilt]
    await index.remove(_REMOVALS)
    assert node.bulks == [_IDS, _IDS[:2], _IDS[2:]]


@pytest.mark.parametrize("trouble", [Answer(503), Answer(429), Answer(cut=True)], ids=str)
async def test_what_is_asked_before_is_asked_again_too(node, index, trouble):
    node.answers = [trouble, trouble, _MONTHS]
    await index.remove(_REMOVALS)
    assert node.bulks == [_IDS]


_SOURCE = {
    "document_id": "x",
    "version": 3,
    "patient_id": "p",
    "timestamp": "2026-01-29T21:32:51.619300Z",
}
_THERE = {"found": True, "_source": _SOURCE}
_GONE = {"error": {"type": "index_not_found_exception", "reason": "no such index"}}
_BUSY = {"error": {"type": "no_shard_available_action_exception", "reason": "busy"}}
_NOT_OURS = {"error": {"type": "security_exception", "reason": "unauthorized"}}


@pytest.mark.parametrize(
    "docs",
    [[_THERE, {"found": False}], [_THERE, _GONE]],
    ids=["not there", "a month that was deleted meanwhile"],
)
async def test_a_document_that_is_in_no_month_is_not_found(node, index, docs):
    node.answers = [_MONTHS, Answer(body={"docs": docs})]
    assert [each.version for each in await index.find(["x", "y"])] == [3]


async def test_a_shard_that_is_away_is_asked_again(node, index):
    node.answers = [
        _MONTHS,
        Answer(body={"docs": [_BUSY]}),
        Answer(503),
        Answer(body={"docs": [_THERE]}),
    ]
    assert len(await index.find(["x"])) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(503), "answers 503"),
        (Answer(cut=True), "cannot be reached"),
        (Answer(body={"docs": [_BUSY]}), "could not look for a document: no_shard_available"),
        (Answer(body={"docs": []}), "looked in 0 of 1 places"),
        (Answer(body="<html>welcome"), "looked in 0 of 1 places"),
    ],
)
async def test_a_search_that_is_not_answered_is_no_answer(node, index, answer, words):
    # Of a connection that was open before, the HTTP client itself tries a cut one again.
    node.answers = [_MONTHS] + [answer] * 9
    with pytest.raises(SinkError, match=f"{node.url} .*{words}"):
        await index.find(["x"])


async def test_a_proxy_that_answers_for_the_node_names_no_months(node, index):
    node.answers = [Answer(body="<html>welcome")] * 6
    for step in (lambda: index.find(["x"]), lambda: index.remove(_REMOVALS)):
        with pytest.raises(SinkError, match="names no indices"):
            await step()


@pytest.mark.parametrize("status", [401, 403])
async def test_who_may_not_is_told_at_once(node, index, status):
    node.answers = [Answer(status)] * 2 + [_MONTHS, Answer(items=[403] * 4)]
    for step in (lambda: index.find(["x"]), *[lambda: index.remove(_REMOVALS)] * 2):
        with pytest.raises(StartError, match=f"{node.url} refused a client"):
            await step()


async def test_who_may_not_read_a_month_is_told(node, index):
    node.answers = [_MONTHS, Answer(body={"docs": [_NOT_OURS]})]
    with pytest.raises(StartError, match=r"refused a client.*unauthorized"):
        await index.find(["x"])


async def test_many_places_are_looked_at_in_several_requests(node, index):
    ids = [f"{n}" for n in range(10_000)]
    sizes = [4000, 4000, 2000]
    node.answers = [_MONTHS] + [Answer(body={"docs": [_THERE] + [_GONE] * (n - 1)}) for n in sizes]
    assert len(await index.find(ids)) == 1
    assert node.answers == []
