"""The connection to one Kibana: who asks, what is tried again, and what an answer means."""

import json
import re
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorSSLError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    FormData,
    TCPConnector,
)
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

ATTEMPTS = 8
PAUSES = wait_random_exponential(multiplier=0.5, max=10.0)  # seconds
_TIMEOUT = 30.0  # seconds

_FORBIDDEN = frozenset({401, 403})
# Kibana answers 503 while it starts, and so does a proxy before one that is away.
_TRY_LATER = frozenset({429, 502, 503, 504})

_LONGEST_REASON = 500

Answer = dict[str, Any]


class Connection:
    """Asks the Kibana at `url`; a request is tried again while it is away or busy."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str,
        username: str,
        password: str,
        ca_file: str,
        attempts: int,
        pauses: wait_base,
    ) -> None:
        """Make no request yet.  Raises :class:`StartError` where a part cannot be used."""
        self.url = url.rstrip("/")
        self._address = _address(self.url)
        self._headers = {"kbn-xsrf": "true", "User-Agent": f"bpstream/{__version__}"}
        self._login = "a client without user or API key"
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise StartError("Kibana's API key cannot stand in a header: it is copied wrongly")
            self._login = "the API key"
            self._headers["Authorization"] = f"ApiKey {api_key}"
        elif username:
            self._login = f"the user {username!r}"
            pair = b64encode(f"{username}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        self._tls: ssl.SSLContext | bool = _trusting(ca_file) if ca_file else True
        self._retrying = AsyncRetrying(
            stop=stop_after_attempt(attempts),
            wait=pauses,
            retry=retry_if_exception_type(SinkError),
            reraise=True,
        )
        self._session: ClientSession | None = None

    @property
    def space(self) -> str:
        """The space that `url` leads to; empty: the default one."""
        found = re.search(r"/s/([^/]+)$", self._address.path)
        return found[1] if found else ""

    async def close(self) -> None:
        """Close the connections; a later request opens them again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        file: bytes | None = None,
        allowed: Iterable[int] = (),
        later: Iterable[int] = (),
    ) -> tuple[int, Answer]:
        """The status and the JSON of the answer: below 300, or one of those `allowed`.

        A status in `later` is tried again as well.  Raises :class:`StartError` where Kibana refuses
        us or is not what it should be, :class:`SinkError` where it stays away.
        """

        def sent() -> dict[str, Any]:
            # A form can be sent once only.
            return {"json": body} if file is None else {"data": _form(file)}

        async def attempt() -> tuple[int, Answer]:
            return await self._send(method, path, sent, frozenset(allowed), frozenset(later))

        return await self._retrying.copy()(attempt)

    async def _send(
        self,
        method: str,
        path: str,
        sent: Callable[[], dict[str, Any]],
        allowed: frozenset[int],
        later: frozenset[int],
    ) -> tuple[int, Answer]:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(ssl=self._tls),
                headers=self._headers,
                timeout=ClientTimeout(total=_TIMEOUT),
                cookie_jar=DummyCookieJar(),
            )
        url = URL(f"{self.url}{path}")
        try:
            async with self._session.request(
                method, url, allow_redirects=False, **sent()
            ) as answer:
                text = await answer.text(errors="replace")
        except ClientConnectorCertificateError as error:
            raise StartError(
                f"{self.url} is not trusted: {error}; a BPSTREAM_KIBANA_CA_FILE with the "
                "certificate (PEM) of the authority that signed its own would do"
            ) from error
        except ClientConnectorSSLError as error:
            raise StartError(f"{self.url} does not speak TLS as it should: {error}") from error
        except TimeoutError:
            raise SinkError(f"{self.url} has not answered in {_TIMEOUT:g} s") from None
        except (ClientError, OSError) as error:
            raise SinkError(f"{self.url} cannot be reached: {error}") from error
        found = _json(text)
        if answer.status in allowed and found is not None:
            return answer.status, found
        if answer.status < 300:
            if found is None and text.strip():
                raise StartError(f"{self.url} does not answer {path} as Kibana does")
            return answer.status, found or {}
        raise self._failure(answer, f"{method} {path}", found, text, later)

    def _failure(
        self,
        answer: ClientResponse,
        request: str,
        found: Answer | None,
        text: str,
        later: frozenset[int],
    ) -> StartError | SinkError:
        """What an answer that does not do means."""
        words = f"{answer.status} {told(found) if found else ' '.join(text.split())}".strip()
        words = words[:_LONGEST_REASON]
        if answer.status in _TRY_LATER | later:
            return SinkError(f"{self.url} answers {words}")
        if answer.status in _FORBIDDEN:
            return StartError(
                f"{self.url} refused {self._login}: {words}; a BPSTREAM_KIBANA_API_KEY, or a "
                "BPSTREAM_KIBANA_USERNAME and _PASSWORD, that may manage saved objects, "
                "connectors and stack rules would do"
            )
        return StartError(f"{self.url} answers {words} to {request}")


def _address(url: str) -> URL:
    try:
        address = URL(url)
        usable = address.scheme in {"http", "https"} and bool(address.host)
    except ValueError:
        usable = False
    if not usable:
        raise StartError(f"{url} is no address of Kibana: https://HOST:5601 would do")
    return address


def _trusting(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise StartError(
            f"BPSTREAM_KIBANA_CA_FILE={ca_file} cannot be read as certificates: {error}"
        ) from error


def _form(file: bytes) -> FormData:
    form = FormData()
    form.add_field("file", file, filename="bpstream.ndjson", content_type="application/ndjson")
    return form


def _json(text: str) -> Answer | None:
    """The JSON object of an answer, or None."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def told(answer: Answer) -> str:
    """What an answer of Kibana's says in words."""
    return str(answer.get("message") or answer.get("error") or answer)
