"""The Elasticsearch index before a node that is away, busy, strange, or refuses us."""

import asyncio
import base64
import shutil
import ssl
from collections.abc import AsyncIterator
from itertools import chain

import pytest
from elasticsearch import AsyncElasticsearch
from tenacity import wait_none

from bpstream.document import Refused
from bpstream.errors import SinkError, StartError
from bpstream.sinks.elasticsearch import ElasticsearchIndex, connect
from tests.sinks.helpers import Answer, ScriptedNode, a_certificate, an_entry

_PROXY: dict[str, str] = {}


@pytest.fixture
async def node() -> AsyncIterator[ScriptedNode]:
    async with ScriptedNode() as node:
        yield node


@pytest.fixture
async def index(node: ScriptedNode) -> AsyncIterator[ElasticsearchIndex]:
    async with _index(connect(node.url)) as index:
        yield index


def _index(client: AsyncElasticsearch, *, attempts: int = 3) -> ElasticsearchIndex:
    return ElasticsearchIndex(client, attempts=attempts, pauses=wait_none())


_BATCH = [an_entry(n) for n in range(4)]
_IDS = [entry.document_id for entry in _BATCH]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
async def test_an_item_that_is_not_taken_now_is_sent_again_alone(node, index, status):
    node.answers = [Answer(items=[201, status, 201, status]), Answer(items=[status, 200])]
    assert await index.write(_BATCH) == []
    assert node.bulks == [_IDS, [_IDS[1], _IDS[3]], [_IDS[1]]]


@pytest.mark.parametrize("status", [200, 201, 409])
async def test_an_item_that_is_there_already_is_done(node, index, status):
    node.answers = [Answer(items=[status] * 4)]
    assert await index.write(_BATCH) == []
    assert len(node.bulks) == 1


async def test_an_item_that_is_refused_is_told_once_though_others_come_again(node, index):
    node.answers = [Answer(items=[429, 201, 400, 201]), Answer(items=[429])]
    assert await index.write(_BATCH) == [
        Refused(2, "400 document_parsing_exception: because of 400")
    ]
    assert node.bulks == [_IDS, [_IDS[0]], [_IDS[0]]]


async def test_an_index_that_may_not_be_made_is_no_fault_of_the_document(node, index):
    node.answers = [Answer(items=[404] * 4)] * 3
    with pytest.raises(SinkError, match="did not take 4 of 4 documents: 404 index_not_found"):
        await index.write(_BATCH)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_request_that_is_not_taken_now_is_sent_again(node, index, status):
    node.answers = [Answer(status), Answer(status, headers=_PROXY, body="<html>busy")]
    assert await index.write(_BATCH) == []
    assert node.bulks == [_IDS] * 3


async def test_a_connection_that_is_cut_is_made_again(node, index):
    node.answers = [Answer(cut=True), Answer(cut=True)]
    assert await index.write(_BATCH) == []
    assert node.bulks == [_IDS] * 3


async def test_an_answer_that_never_comes_is_asked_for_again(node):
    release = asyncio.Event()
    node.answers = [Answer(release=release)]
    client = connect(node.url).options(request_timeout=0.05)
    async with _index(client) as index:
        assert await index.write(_BATCH) == []
    release.set()
    assert node.bulks == [_IDS] * 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(503, {"error": {"type": "no_master", "reason": "elections"}}), "503 no_master: el"),
        (Answer(items=[201, 201, 429, 429]), "did not take 2 of 2 documents: 429 es_rejected"),
        (Answer(cut=True), "cannot be reached"),
        (Answer(items=[201]), "judged 1 of 4 documents"),
        (Answer(body="<html>welcome"), "judged 0 of 4 documents"),
        (Answer(404, body="<html>no such page", headers=_PROXY), "answers 404"),
        (Answer(body="{", headers={"X-Elastic-Product": "Elasticsearch"}), "judged 0|reached"),
    ],
)
async def test_a_node_that_stays_away_is_an_error_that_says_why(node, index, answer, words):
    await index.write([an_entry(99)])
    # Of a connection that was open before, the HTTP client itself tries a cut one again.
    node.answers = [answer] + [Answer(answer.status, answer.body, *_rest(answer))] * 9
    with pytest.raises(SinkError, match=f"{node.url} .*({words})"):
        await index.write(_BATCH)
    node.answers.clear()
    assert await index.write(_BATCH) == []


def _rest(answer: Answer) -> tuple:
    """The same again; of items, only those that were not taken are asked about."""
    items = [s for s in answer.items if s >= 400] or answer.items if answer.items else None
    return items, answer.headers, answer.cut


async def test_nobody_listening_is_an_error_that_names_the_address(unused_tcp_port):
    async with _index(connect(f"http://127.0.0.1:{unused_tcp_port}")) as index:
        for step in (index.check, index.prepare):
            with pytest.raises(SinkError, match=f":{unused_tcp_port} cannot be reached"):
                await step()


def _api_key(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_LOGINS = [
    ({"username": "worker", "password": "s3cret"}, "the user 'worker'"),
    ({"api_key": _api_key("VuaCf:s3cret")}, "the API key 'VuaCf'"),
    ({"api_key": _api_key("s3cret")}, "the API key"),
    ({"api_key": "s3cret!"}, "the API key"),
    ({}, "a client without user or API key"),
]


@pytest.mark.parametrize(("login", "name"), _LOGINS)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_login_that_is_refused_is_named_without_its_secret(node, login, name, status):
    node.answers = [Answer(status)] * 3
    async with _index(connect(node.url, **login)) as index:
        for step in (index.check, index.prepare, lambda: index.write(_BATCH)):
            with pytest.raises(StartError, match=f"{node.url} refused {name}: {status}") as told:
                await step()
            assert "s3cret" not in str(told.value)
    assert len(node.bulks) == 1


async def test_a_user_in_the_address_is_named_without_its_secret(node):
    node.answers = [Answer(401)]
    address = node.url.replace("http://", "http://worker:s3cret@")
    async with _index(connect(address)) as index:
        with pytest.raises(StartError, match=f"{node.url} refused the user 'worker'") as told:
            await index.check()
    assert "s3cret" not in str(told.value)


async def test_an_item_that_we_may_not_write_stops_the_worker_and_is_no_dead_letter(node, index):
    node.answers = [Answer(items=[201, 403, 201, 201])]
    with pytest.raises(StartError, match="refused a client without user or API key: 403 security"):
        await index.write(_BATCH)


@pytest.mark.parametrize("version", ["8.19.0", "9.2.1"])
async def test_a_version_that_will_do_passes(node, index, version):
    node.answers = [Answer(body={"version": {"number": version}})]
    await index.check()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(body={"version": {"number": "7.17.28"}}), "is Elasticsearch 7.17.28"),
        (Answer(406, {"error": "Content-Type header is not supported"}), "answers 406"),
        (Answer(body={"version": {"number": "2.19"}}, headers=_PROXY), "not Elasticsearch"),
        (Answer(body="<html>welcome", headers=_PROXY), "not Elasticsearch"),
        (Answer(404, body="<html>no such page", headers=_PROXY), "answers 404"),
    ],
)
async def test_a_server_that_will_not_do_stops_the_start(node, index, answer, words):
    node.answers = [answer]
    with pytest.raises(StartError, match=f"{words}.*Elasticsearch 8 or newer would do"):
        await index.check()


async def test_a_node_that_is_busy_at_the_start_is_waited_for(node, index):
    node.answers = [Answer(503)]
    with pytest.raises(SinkError, match="answers 503"):
        await index.check()


async def test_a_large_batch_is_sent_in_several_requests(node, index):
    batch = [an_entry(n)._replace(body=b"{}") for n in range(10_000)]
    assert await index.write(batch) == []
    assert [len(ids) for ids in node.bulks] == [4000, 4000, 2000]
    assert list(chain(*node.bulks)) == [entry.document_id for entry in batch]


async def test_large_documents_are_sent_in_requests_of_four_megabytes(node, index):
    batch = [an_entry(n, device="x" * 1_200_000) for n in range(7)]
    assert await index.write(batch) == []
    assert [len(ids) for ids in node.bulks] == [3, 3, 1]


@pytest.mark.parametrize("status", [400, 413])
async def test_a_request_that_one_document_spoils_is_halved_until_it_is_found(node, index, status):
    spoilt = Answer(status, {"error": {"type": "bad", "reason": "too odd"}})
    node.answers = [spoilt, Answer(), spoilt, spoilt, Answer()]
    assert await index.write(_BATCH) == [Refused(2, f"{status} bad_request: {status} bad: too odd")]
    assert [len(ids) for ids in node.bulks] == [4, 2, 2, 1, 1]


async def test_a_batch_of_nothing_asks_nothing(node, index):
    assert await index.write([]) == []
    assert node.bulks == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "127.0.0.1"}, "scheme"),
        ({"url": "http://h:1", "api_key": "k", "username": "u"}, "api_key"),
        ({"url": "https://h:1", "ca_file": "/no/such.pem"}, "/no/such.pem"),
        ({"url": "https://h:1", "ca_file": __file__}, "CA_FILE=.*_away.py cannot be read"),
        ({"url": "http://h:1", "ca_file": __file__}, "CA_FILE=.*_away.py cannot be read"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_stop_the_start(settings, words):
    with pytest.raises(StartError, match=words):
        connect(**settings)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
async def test_a_node_is_trusted_by_its_own_ca_file_alone(tmp_path):
    ours, other = a_certificate(tmp_path, "ours"), a_certificate(tmp_path, "other")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ours, ours.with_suffix(".key"))
    async with ScriptedNode(ssl_context=context) as node:
        async with _index(connect(node.url, ca_file=str(ours))) as index:
            assert await index.write(_BATCH) == []
        for ca_file in (str(other), ""):
            async with _index(connect(node.url, ca_file=ca_file)) as index:
                told = f"{node.url} is not trusted.*BPSTREAM_ELASTICSEARCH_CA_FILE"
                with pytest.raises(StartError, match=told):
                    await index.check()
