"""The webhook before a server that takes, refuses, redirects, hangs, and talks too much."""

import asyncio
import hashlib
import hmac
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import wait_none

from bpstream import __version__
from bpstream.document import Refused
from bpstream.errors import SinkError, StartError
from bpstream.sinks.webhook import Webhook
from tests.sinks.helpers import Answer
from tests.sinks.receiver import Receiver, an_event

_SECRET = "a-secret-of-the-ward"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def webhook(receiver: Receiver) -> AsyncIterator[Webhook]:
    async with _webhook(f"{receiver.url}/alerts") as webhook:
        yield webhook


def _webhook(url: str, *, attempts: int = 3, **options: Any) -> Webhook:
    return Webhook(url, attempts=attempts, pauses=wait_none(), **options)


async def _failure_of(url: str, **options: Any) -> str:
    """All that is told of the failure to send an event to `url`, the traceback included."""
    async with _webhook(url, **options) as webhook:
        with pytest.raises(SinkError) as raised:
            await webhook.write([an_event()])
    return "".join(traceback.format_exception(raised.value))


async def test_each_event_is_a_request_of_its_own_as_it_stands_and_in_order(receiver, webhook):
    events = [an_event(n) + b" " * n for n in range(5)]
    assert await webhook.write(events) == []
    assert receiver.bodies == events
    assert {request.path for request in receiver.received} == {"/alerts"}


async def test_a_request_says_what_it_is_and_who_sends_it(receiver, webhook):
    await webhook.write([an_event()])
    headers = receiver.received[0].headers
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == f"bpstream/{__version__}"


async def test_without_a_secret_nothing_is_signed(receiver, webhook):
    await webhook.write([an_event()])
    assert not [name for name in receiver.received[0].headers if name.startswith("X-BPStream")]


async def test_with_a_secret_the_time_and_the_body_are_signed(receiver):
    event = an_event(title="Tension critique à 21 h")
    async with _webhook(receiver.url, secret=_SECRET, clock=lambda: 1769722371.9) as webhook:
        await webhook.write([event])
    headers = receiver.received[0].headers
    assert headers["X-BPStream-Timestamp"] == "1769722371"
    expected = hmac.digest(_SECRET.encode(), b"1769722371." + event, hashlib.sha256).hex()
    assert headers["X-BPStream-Signature"] == f"sha256={expected}"


async def test_each_attempt_is_signed_anew_under_the_same_key(receiver):
    receiver.answers = [Answer(503), Answer(503)]
    clock = iter([100.0, 200.0, 300.0])
    async with _webhook(receiver.url, secret=_SECRET, clock=lambda: next(clock)) as webhook:
        await webhook.write([an_event()])
    headers = [request.headers for request in receiver.received]
    assert [header["X-BPStream-Timestamp"] for header in headers] == ["100", "200", "300"]
    assert len({header["X-BPStream-Signature"] for header in headers}) == 3
    assert len({header["Idempotency-Key"] for header in headers}) == 1


async def test_the_key_tells_the_events_of_an_alert_apart(receiver, webhook):
    told = [("firing", "high"), ("changed", "critical"), ("recovered", "critical")]
    await webhook.write([an_event(7, state=state, severity=severity) for state, severity in told])
    assert [request.headers["Idempotency-Key"] for request in receiver.received] == [
        "0000000000000007:firing:high",
        "0000000000000007:changed:critical",
        "0000000000000007:recovered:critical",
    ]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_an_event_that_is_taken_is_done(receiver, webhook, status):
    receiver.answers = [Answer(status)]
    assert await webhook.write([an_event()]) == []
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_an_event_that_is_refused_is_told_and_the_next_goes_on(receiver, webhook, status):
    receiver.answers = [Answer(), Answer(status, body=" no\n such  patient ")]
    [refused] = await webhook.write([an_event(n) for n in range(3)])
    assert (refused.position, refused.reason[:4]) == (1, f"{status} ")
    assert refused.reason.endswith("no such patient")
    assert len(receiver.received) == 3


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 409, 410, 429, 500, 502, 503, 504])
async def test_any_other_answer_is_tried_again_and_then_an_error(receiver, webhook, status):
    receiver.answers = [Answer(status, body="busy")] * 3
    with pytest.raises(SinkError, match=rf"{receiver.url} answers {status} .*busy"):
        await webhook.write([an_event(0), an_event(1)])
    assert receiver.bodies == [an_event(0)] * 3


async def test_an_event_that_is_taken_at_the_last_attempt_is_done(receiver, webhook):
    receiver.answers = [Answer(503), Answer(cut=True)]
    assert await webhook.write([an_event(0), an_event(1)]) == []
    assert receiver.bodies == [an_event(0)] * 3 + [an_event(1)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(receiver, status):
    async with Receiver() as elsewhere:
        receiver.answers = [Answer(status, headers={"Location": elsewhere.url})]
        failure = await _failure_of(receiver.url, attempts=1)
        assert f"answers {status}" in failure
        assert "a redirect is not followed" in failure
        assert elsewhere.received == []


async def test_a_server_that_hangs_is_an_error(receiver):
    release = asyncio.Event()
    receiver.answers = [Answer(release=release)]
    failure = await _failure_of(receiver.url, timeout=0.2, attempts=1)
    assert f"{receiver.url} has not answered in 0.2 s" in failure
    release.set()


async def test_a_server_that_is_away_is_an_error():
    async with Receiver() as receiver:
        url = receiver.url
    assert f"{url} cannot be reached" in await _failure_of(url)


async def test_a_status_that_judges_is_heard_though_its_body_is_cut():
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 99\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1")
    async with server, _webhook(_url_of(server)) as webhook:
        assert await webhook.write([an_event()]) == [Refused(0, "422 Unprocessable")]


def _url_of(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"null",
        b"\xff",
        b'{"alert_id":"\xff","state":"firing","severity":"low"}',
        b"[" * 100_000,
        b'{"x":' + b"[" * 100_000,
        an_event(alert_id=None),
        an_event(title=None),
        an_event(severity="low\r\nX-Evil: 1"),
        an_event(severity="élevée"),
    ],
    ids=range(10),
)
async def test_what_is_no_alert_event_is_refused_unsent(receiver, webhook, event):
    [refused] = await webhook.write([event, an_event(1)])
    assert refused.position == 0
    assert refused.reason.startswith("no alert event: ")
    assert receiver.bodies == [an_event(1)]


@given(st.lists(st.sampled_from([200, 204, 400, 413, 422]), max_size=8))
def test_every_event_is_sent_once_and_those_refused_are_told(statuses):
    async def sent() -> tuple[list[int], list[bytes]]:
        async with Receiver([Answer(status) for status in statuses]) as receiver:
            async with _webhook(receiver.url) as webhook:
                refused = await webhook.write([an_event(n) for n in range(len(statuses))])
            return [position for position, _ in refused], receiver.bodies

    positions, bodies = asyncio.run(sent())
    assert positions == [n for n, status in enumerate(statuses) if status >= 400]
    assert bodies == [an_event(n) for n in range(len(statuses))]


_PASSWORD = "p@ss/wörd"
_WITH_SECRETS = "http://nurse:p%40ss%2Fw%C3%B6rd@{host}/alerts?token=t0ken%20of%20ours&v=2#part"


async def test_a_url_may_hold_a_user_a_password_and_a_query(receiver):
    async with _webhook(_with_secrets(receiver.url)) as webhook:
        await webhook.write([an_event()])
    request = receiver.received[0]
    assert request.path == "/alerts?token=t0ken%20of%20ours&v=2"
    assert request.headers["Authorization"] == "Basic bnVyc2U6cEBzcy93w7ZyZA=="


def _with_secrets(url: str) -> str:
    return _WITH_SECRETS.format(host=url.removeprefix("http://"))


def _assert_no_secret_in(told: str) -> None:
    for secret in (_SECRET, _PASSWORD, "p%40ss", "bnVyc2U6", "nurse", "t0ken", "v=2"):
        assert secret not in told


@pytest.mark.parametrize("status", [307, 401, 500])
async def test_no_error_tells_a_secret_even_where_the_answer_does(receiver, status):
    url = _with_secrets(receiver.url)
    login = "bnVyc2U6cEBzcy93w7ZyZA== p%40ss%2Fw%C3%B6rd"
    query = "token=t0ken%20of%20ours&v=2 token=t0ken of ours&v=2 t0ken%20of%20ours t0ken of ours"
    receiver.answers = [Answer(status, body=f"{_SECRET} {_PASSWORD} {login} {query}")]
    failure = await _failure_of(url, secret=_SECRET, attempts=1)
    assert f"{receiver.url} answers {status}" in failure
    _assert_no_secret_in(failure)


async def test_no_refusal_tells_a_secret(receiver):
    receiver.answers = [Answer(400, body=f"bad signature, {_SECRET} was expected")]
    async with _webhook(receiver.url, secret=_SECRET) as webhook:
        [refused] = await webhook.write([an_event()])
    assert refused.reason == "400 Bad Request bad signature, … was expected"


async def test_no_error_tells_a_secret_where_the_server_is_away():
    async with Receiver() as receiver:
        url = _with_secrets(receiver.url)
    failure = await _failure_of(url, secret=_SECRET)
    assert f"{receiver.url} cannot be reached" in failure
    _assert_no_secret_in(failure)


async def test_no_error_tells_a_secret_where_the_answer_is_no_http():
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"what?\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1")
    async with server:
        failure = await _failure_of(_with_secrets(_url_of(server)), secret=_SECRET)
    assert "cannot be reached" in failure
    _assert_no_secret_in(failure)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "alerts.example/hook",
        "/hook",
        "ftp://nurse:hunter2@alerts.example/",
        "http://",
        "http://nurse:hunter2@alerts.example:port/",
        "http://nurse:hunter2@[::1/",
    ],
)
def test_a_url_that_cannot_be_sent_to_is_told_at_once_and_untold(url):
    with pytest.raises(StartError, match="https://HOST/PATH would do") as raised:
        Webhook(url)
    assert "hunter2" not in str(raised.value)


async def test_a_webhook_that_was_closed_opens_again(receiver, webhook):
    await webhook.write([an_event(0)])
    await webhook.close()
    await webhook.close()
    await webhook.write([an_event(1)])
    assert receiver.bodies == [an_event(0), an_event(1)]
