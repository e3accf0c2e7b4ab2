"""A body sent over HTTP, and its answer judged: taken, refused for good, or to be sent again."""

import contextlib
from base64 import b64encode
from collections.abc import Callable, Mapping

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)
from tenacity.wait import wait_base
from yarl import URL

from bpstream import __version__
from bpstream.errors import SinkError, StartError

TIMEOUT = 10.0  # seconds
ATTEMPTS = 3
PAUSES = wait_random_exponential(multiplier=0.5, max=5.0)  # seconds

# Statuses that judge the body, which will not be another the next time.
_REFUSALS = frozenset({400, 413, 415, 422})

_LONGEST_ANSWER = 4096  # bytes read of an answer
_LONGEST_REASON = 500
_SHORTEST_SECRET = 4


class Post:
    """POSTs JSON to one address, which may hold a user, a password and a query.

    What is told of a failure names the host alone (a path may hold a token), and hides these, and
    `secret`, where the answer repeats them.  A redirect is a failure: who may change where
    alerts of patients go is not the server's to say.
    """

    def __init__(
        self,
        url: str,
        *,
        path: str = "",
        secret: str = "",
        timeout: float,
        attempts: int,
        pauses: wait_base,
    ) -> None:
        """Send a body up to `attempts` times, `pauses` apart, each within `timeout` seconds.

        `path` is added to that of `url`.  Makes no request.  Raises :class:`StartError` where
        `url` is none that can be sent to.
        """
        try:
            address = URL(url)
            usable = address.scheme in {"http", "https"} and bool(address.host)
        except ValueError:
            usable = False
        if not usable:
            # Not even a part of it is told: where the password is cannot be known.
            raise StartError("alerts cannot be sent to the URL given: https://HOST/PATH would do")
        if path:
            address = address.with_path(f"{address.path.rstrip('/')}/{path}", keep_query=True)
        self._address = address.with_user(None).with_fragment(None)
        self._shown = str(self._address.origin())
        self._login = _login(address)
        self._hidden = _hidden(address, self._login, secret)
        self._timeout = timeout
        self._retrying = AsyncRetrying(
            stop=stop_after_attempt(attempts),
            wait=pauses,
            retry=retry_if_exception_type(SinkError),
            reraise=True,
        )
        self._session: ClientSession | None = None

    async def close(self) -> None:
        """Close the connections; a later call opens them again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, body: bytes, headers: Callable[[], Mapping[str, str]] = dict) -> str:
        """Return once `body` is taken, or why it is refused for good; else raise SinkError.

        `headers` is called for each attempt.  A body whose answer was lost is sent again, so
        the server may get it more than once.
        """
        return await self._retrying.copy()(self._send, body, headers)

    async def _send(self, body: bytes, headers: Callable[[], Mapping[str, str]]) -> str:
        if self._session is None:
            self._session = self._connect()
        try:
            async with self._session.post(
                self._address, data=body, headers=headers(), allow_redirects=False
            ) as answer:
                if answer.status < 300:
                    return ""
                told = await self._told(answer)
        except TimeoutError:
            raise SinkError(f"{self._shown} has not answered in {self._timeout:g} s") from None
        except ClientError as error:
            # The cause spells out the address with its query: it is not to be in a traceback.
            words = self._hide(str(error) or type(error).__name__)
            raise SinkError(f"{self._shown} cannot be reached: {words}") from None
        if answer.status in _REFUSALS:
            return told
        if 300 <= answer.status < 400:
            told += "; a redirect is not followed, the address it leads to would do"
        raise SinkError(f"{self._shown} answers {told}")

    def _connect(self) -> ClientSession:
        headers = {"Content-Type": "application/json", "User-Agent": f"bpstream/{__version__}"}
        if self._login:
            headers["Authorization"] = f"Basic {self._login}"
        return ClientSession(
            headers=headers,
            timeout=ClientTimeout(total=self._timeout),
            cookie_jar=DummyCookieJar(),
        )

    async def _told(self, answer: ClientResponse) -> str:
        """What an answer says in a few words: its status, and how its body begins."""
        body = b""
        # The status has judged already: a body that is cut or slow changes nothing.
        with contextlib.suppress(ClientError, TimeoutError):
            body = await answer.content.read(_LONGEST_ANSWER)
        words = f"{answer.reason or ''} {body.decode('utf-8', errors='replace')}".split()
        return f"{answer.status} {self._hide(' '.join(words))[:_LONGEST_REASON]}".strip()

    def _hide(self, words: str) -> str:
        for hidden in self._hidden:
            words = words.replace(hidden, "…")
        return words


def _login(address: URL) -> str:
    """The user and password of `address` as basic authentication has them; empty for none."""
    if address.raw_user is None and address.raw_password is None:
        return ""
    return b64encode(f"{address.user or ''}:{address.password or ''}".encode()).decode()


def _hidden(address: URL, login: str, secret: str) -> list[str]:
    """What an answer may repeat and nobody may read, the longest first."""
    query = address.raw_query_string
    parts = {secret, login, address.password, address.raw_password, query, address.query_string}
    parts |= {*address.query.values(), *(part.partition("=")[2] for part in query.split("&"))}
    parts |= {address.path, address.raw_path}
    # What is shorter is no secret, and stands in many words.
    secret_parts = (part for part in parts if part and len(part) >= _SHORTEST_SECRET)
    return sorted(secret_parts, key=len, reverse=True)
