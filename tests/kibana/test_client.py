"""How a Kibana is asked, what is tried again, and what is told where it does not do."""

import asyncio
import shutil
import socket
import ssl

import pytest
from tenacity import wait_fixed, wait_none

from bpstream.errors import SinkError, StartError
from bpstream.kibana.client import Kibana
from tests.kibana.stand_in import StandIn, basic
from tests.sinks.helpers import Answer, a_certificate

PATH = "/api/alerting/rule/0"


def kibana_at(url: str, **options: str) -> Kibana:
    return Kibana(url, attempts=3, pauses=wait_none(), **options)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def refusal(stand_in: StandIn, **options: str) -> str:
    async with kibana_at(stand_in.url, **options) as kibana:
        with pytest.raises(StartError) as caught:
            await kibana.check()
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "login"),
    [
        ({}, ""),
        ({"api_key": "a2V5OnNlY3JldA=="}, "ApiKey a2V5OnNlY3JldA=="),
        ({"username": "wärter", "password": "s3cret"}, basic("wärter", "s3cret")),
        ({"api_key": "k", "username": "u", "password": "p"}, "ApiKey k"),
    ],
)
async def test_kibana_is_asked_with_the_key_or_the_user(options, login):
    async with StandIn(login=login) as stand_in, kibana_at(stand_in.url, **options) as kibana:
        await kibana.check()
    assert stand_in.asked[0].headers.get("Authorization", "") == login


@pytest.mark.parametrize(
    ("options", "who"),
    [
        ({}, "a client without user or API key"),
        ({"api_key": "s3cret"}, "the API key"),
        ({"username": "me", "password": "s3cret"}, "the user 'me'"),
    ],
)
async def test_who_is_refused_is_told_and_not_the_secret(options, who):
    async with StandIn(login="another") as stand_in:
        told = await refusal(stand_in, **options)
    assert told == (
        f"{stand_in.url} refused {who}: 401 Unauthorized; a BPSTREAM_KIBANA_API_KEY, or a "
        "BPSTREAM_KIBANA_USERNAME and _PASSWORD, that may manage saved objects, connectors and "
        "stack rules would do"
    )
    assert len(stand_in.asked) == 1


async def test_a_user_that_may_not_is_told_what_it_would_have_to_be_allowed():
    message = "Unauthorized to create a rule"
    async with StandIn() as stand_in, kibana_at(stand_in.url, username="me") as kibana:
        stand_in.answers = [("POST", Answer(403, {"statusCode": 403, "message": message}))]
        with pytest.raises(StartError, match=f"refused the user 'me': 403 {message}; a BPSTREAM_"):
            await kibana.create(PATH, {})


@pytest.mark.parametrize(
    ("version", "does"),
    [
        ("8.19.0", True),
        ("8.19.21", True),
        ("8.20.0", True),
        ("9.2.1", True),
        ("8.18.9", False),
        ("7.17.29", False),
        ("10.0.0", False),
    ],
)
async def test_a_kibana_that_does_not_know_the_objects_shape_is_refused(version, does):
    async with StandIn(version=version) as stand_in:
        if not does:
            told = await refusal(stand_in)
            assert told.startswith(f"{stand_in.url} is Kibana {version}; Kibana 8.19 would do")
            return
        async with kibana_at(stand_in.url) as kibana:
            await kibana.check()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"}),
        Answer(200, {"name": "node", "tagline": "You Know, for Search"}),
        Answer(200, {"version": None}),
        Answer(200, {"status": {"overall": {"level": "available"}}}),
    ],
    ids=["404", "Elasticsearch", "null", "no version"],
)
async def test_what_is_no_kibana_is_refused(answer):
    async with StandIn() as stand_in:
        stand_in.answers = [("GET /api/status", answer)]
        told = await refusal(stand_in)
    assert told.startswith(f"{stand_in.url} tells no version of Kibana; Kibana 8.19 would do")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, "<html>hello</html>"), "does not answer /api/status as Kibana does"),
        (Answer(404, "<html>lost</html>"), "answers 404 <html>lost</html> to GET /api/status"),
        (Answer(302, headers={"Location": "/login"}), "answers 302 to GET /api/status"),
        (Answer(500, {"message": "broken"}), "answers 500 broken to GET /api/status"),
    ],
    ids=["a page", "a page that is not found", "a redirect", "an error"],
)
async def test_what_a_proxy_says_is_told(answer, words):
    async with StandIn() as stand_in:
        stand_in.answers = [("GET /api/status", answer)]
        assert await refusal(stand_in) == f"{stand_in.url} {words}"


async def test_a_kibana_without_an_encryption_key_is_told_what_to_set():
    async with StandIn(encrypts=False) as stand_in:
        assert "set xpack.encryptedSavedObjects.encryptionKey" in await refusal(stand_in)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_kibana_that_is_busy_is_asked_again(status):
    async with StandIn() as stand_in, kibana_at(stand_in.url) as kibana:
        busy = ("GET /api/status", Answer(status, "Kibana server is not ready yet"))
        stand_in.answers = [busy, busy]
        await kibana.check()
        stand_in.answers = [busy, busy, busy]
        with pytest.raises(SinkError, match=f"answers {status} Kibana server is not ready yet"):
            await kibana.check()
        assert stand_in.answers == []


async def test_an_import_is_sent_whole_each_time():
    saved = {"type": "search", "id": "x", "attributes": {"title": "x"}, "references": []}
    async with StandIn() as stand_in, kibana_at(stand_in.url) as kibana:
        stand_in.answers = [("POST /api/saved_objects/_import", Answer(503))] * 2
        await kibana.save([saved])
    assert stand_in.saved["search", "x"]["attributes"] == {"title": "x"}
    assert len({each.body for each in stand_in.asked}) == 1
    assert len(stand_in.asked) == 3


async def test_a_change_that_meets_another_is_made_again():
    path = "/api/actions/connector/6c9f5f9e-6d0f-4c0b-9f43-0b6c2f1a7d55"
    async with StandIn() as stand_in, kibana_at(stand_in.url) as kibana:
        assert await kibana.create(path, {"name": "a"})
        assert not await kibana.create(path, {"name": "a"})
        stand_in.answers = [("PUT", Answer(409, {"message": "conflict"}))]
        await kibana.change(path, {"name": "b"})
        assert (await kibana.find(path))["name"] == "b"


async def test_an_object_that_cannot_be_exported_is_not_taken_for_a_missing_one():
    async with StandIn() as stand_in, kibana_at(stand_in.url) as kibana:
        assert await kibana.saved("search", "x") is None
        refused = {"statusCode": 400, "message": "Trying to export non-exportable type(s)"}
        stand_in.answers = [("POST /api/saved_objects/_export", Answer(400, refused))]
        with pytest.raises(StartError, match="does not export search x: Trying to export"):
            await kibana.saved("search", "x")


async def test_a_kibana_that_comes_up_late_is_waited_for(free_port):
    url = f"http://127.0.0.1:{free_port}"
    async with Kibana(url, attempts=200, pauses=wait_fixed(0.05)) as kibana:
        asking = asyncio.create_task(kibana.check())
        await asyncio.sleep(0.1)
        assert not asking.done()
        async with StandIn(port=free_port):
            await asking


async def test_a_kibana_that_stays_away_is_told(free_port):
    url = f"http://127.0.0.1:{free_port}"
    async with kibana_at(url) as kibana:
        with pytest.raises(SinkError, match=f"{url} cannot be reached: "):
            await kibana.check()


@pytest.mark.parametrize("url", ["kibana:5601", "ftp://kibana", "https://", "http://["])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(StartError, match="is no address of Kibana"):
        Kibana(url)


@pytest.mark.parametrize("key", ["k\nx", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_without_telling_it(key):
    with pytest.raises(StartError, match="API key cannot stand in a header") as caught:
        Kibana("http://127.0.0.1", api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "space"), [("", ""), ("/kibana", ""), ("/s/icu", "icu"), ("/kibana/s/icu/", "icu")]
)
def test_the_space_is_in_the_address(path, space):
    assert Kibana(f"http://127.0.0.1:5601{path}").space == space


# TLS.


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
async def test_a_kibana_is_trusted_by_its_own_ca_file_alone(tmp_path):
    ours = a_certificate(tmp_path, "ours")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(ours, ours.with_suffix(".key"))
    async with StandIn(ssl_context=tls) as stand_in:
        async with kibana_at(stand_in.url, ca_file=str(ours)) as kibana:
            await kibana.check()
        told = await refusal(stand_in)
    assert told.startswith(f"{stand_in.url} is not trusted: ")
    assert "BPSTREAM_KIBANA_CA_FILE" in told


async def test_a_server_without_tls_is_told():
    async with StandIn() as stand_in:
        stand_in.url = stand_in.url.replace("http:", "https:")
        assert "does not speak TLS as it should" in await refusal(stand_in)


def test_a_ca_file_that_cannot_be_used_is_told(tmp_path):
    with pytest.raises(StartError, match=r"BPSTREAM_KIBANA_CA_FILE=.* cannot be read"):
        Kibana("https://127.0.0.1", ca_file=str(tmp_path / "missing.pem"))


async def test_a_kibana_that_does_not_answer_in_time_is_given_up(monkeypatch):
    monkeypatch.setattr("bpstream.kibana.connection._TIMEOUT", 0.1)
    async with StandIn() as stand_in, kibana_at(stand_in.url) as kibana:
        release = asyncio.Event()
        stand_in.answers = [("GET", Answer(release=release))] * 3
        with pytest.raises(SinkError, match=r"has not answered in 0\.1 s"):
            await kibana.check()
        release.set()
    assert len(stand_in.asked) == 3
