"""The guard: who may ask, and how a browser signs in."""

import hashlib
import hmac
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bpstream.web.answers import refusal
from bpstream.web.worker import WebApp

STATIC = Path(__file__).parent / "static"

_COOKIE = "bpstream"
_TOKEN_HEADER = "X-BPStream-Token"  # noqa: S105
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_ALWAYS_OPEN = frozenset({"/health/live", "/health/ready"})
_SIGN_IN = frozenset({"/login", "/login.css"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PROBLEM = "<!-- problem -->"


class Guard:
    """Lets a request pass that carries the token, in a header or a signed-in browser's cookie.

    Without a token, only requests addressed to this machine pass: a page elsewhere that
    points its own name at 127.0.0.1 could otherwise read patients through a browser here.
    """

    def __init__(self, worker: WebApp) -> None:
        self.worker = worker
        self.token = worker.settings.web_token.encode()
        # The cookie is not the token: it cannot be used as one elsewhere, and any token,
        # whatever its characters, makes a valid cookie.  It is the same on every worker.
        self.cookie = hmac.new(self.token, b"bpstream cookie", hashlib.sha256).hexdigest()
        self._form = (STATIC / "login.html").read_text("utf-8")

    def routes(self) -> list[web.AbstractRouteDef]:
        """What a browser needs to sign in; nothing where there is no token."""
        if not self.token:
            return []
        return [
            web.get("/login", self.show_form),
            web.post("/login", self.sign_in),
            web.get("/login.css", self.show_style),
        ]

    def middleware(self) -> Middleware:
        """The guard as aiohttp wants it, ahead of every handler (and of every 404)."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            # As the router read the path, so that no spelling is open here and served there.
            address = request.rel_url.path_safe
            if request.method not in _READING and not _from_our_own_page(request):
                return refusal(403, "a page of another site cannot change anything here")
            if address in _ALWAYS_OPEN or (self.token and address in _SIGN_IN):
                return await handler(request)
            if not self.token:
                return await handler(request) if self._is_local(request) else _elsewhere()
            if self._knows(request):
                return await handler(request)
            if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
                return self._sign_in_page()
            return _unauthorized()

        return guard

    def _knows(self, request: web.Request) -> bool:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(bearer.strip(), self.token):
            return True
        if _same(request.headers.get(_TOKEN_HEADER, ""), self.token):
            return True
        return _same(request.cookies.get(_COOKIE, ""), self.cookie.encode())

    def _is_local(self, request: web.Request) -> bool:
        if "Host" not in request.headers:  # No browser leaves it out.
            return True
        try:
            host = urlsplit(f"//{request.headers['Host']}").hostname
        except ValueError:
            return False
        return host in _LOOPBACK | {self.worker.settings.web_host, self.worker.own_url.host}

    async def show_form(self, _request: web.Request) -> web.Response:
        """GET /login."""
        return self._sign_in_page(status=200)

    async def show_style(self, _request: web.Request) -> web.StreamResponse:
        """GET /login.css: beside the form, since /static/ needs the token."""
        return web.FileResponse(STATIC / "login.css")

    async def sign_in(self, request: web.Request) -> web.Response:
        """POST /login: the token for a cookie."""
        token = (await request.post()).get("token")
        if not isinstance(token, str) or not _same(token.strip(), self.token):
            return self._sign_in_page(problem="That is not the token.")
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(
            _COOKIE, self.cookie, httponly=True, samesite="Strict", secure=request.secure
        )
        return answer

    def _sign_in_page(self, *, status: int = 401, problem: str = "") -> web.Response:
        return web.Response(
            text=self._form.replace(_PROBLEM, problem),
            content_type="text/html",
            status=status,
            headers={"WWW-Authenticate": "Bearer"} if status == 401 else None,
        )


def _same(given: str, wanted: bytes) -> bool:
    """Compare in a time that does not tell how much of it was right."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted)


def _from_our_own_page(request: web.Request) -> bool:
    """Browsers say where a form stood; what says nothing is not a browser.

    `Sec-Fetch-Site` comes first, for it holds behind a proxy too; browsers leave it out on
    plain HTTP to another machine, but they send `Origin` with every POST.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host


def _unauthorized() -> web.Response:
    sentence = f"send the token: 'Authorization: Bearer …' or '{_TOKEN_HEADER}: …'"
    return refusal(401, sentence, headers={"WWW-Authenticate": "Bearer"})


def _elsewhere() -> web.Response:
    return refusal(
        403, "without BPSTREAM_WEB_TOKEN this worker answers only as localhost or 127.0.0.1"
    )
