"""Answers: JSON for every outcome, with the same headers on each."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from bpstream.errors import Conflict

log = logging.getLogger(__name__)

_HEADERS = {
    # The page brings its own scripts, styles and typeface and speaks to nobody else.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    # With `no-referrer` a browser would send `Origin: null` with our own login form.
    "Referrer-Policy": "same-origin",
    "Server": "bpstream",
    "X-Content-Type-Options": "nosniff",
}

# What aiohttp itself says of an unknown address.
_NOTHING_HERE = "404: Not Found"

# Headers of an error that its JSON keeps.
_KEPT = ("Allow", "Retry-After")

# Bytes from which compressing an answer pays.
_WORTH_COMPRESSING = 1024


def json_answer(
    value: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """`value` as JSON; NaN becomes null.  A large one is compressed where the client can."""
    body = orjson.dumps(value)
    answer = web.Response(
        body=body,
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )
    if len(body) >= _WORTH_COMPRESSING:
        answer.enable_compression()
    return answer


def refusal(
    status: int, sentence: str, *, headers: Mapping[str, str] | None = None
) -> web.Response:
    """`{"error": sentence}`."""
    return json_answer({"error": sentence}, status=status, headers=headers)


async def add_headers(_request: web.Request, answer: web.StreamResponse) -> None:
    """Put the headers every answer has on this one, just before it is sent."""
    answer.headers.update(_HEADERS)
    answer.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with JSON whatever went wrong; an unexpected error is logged and not shown."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        headers = {name: error.headers[name] for name in _KEPT if name in error.headers}
        if isinstance(error, web.HTTPMethodNotAllowed):
            sentence = f"{error.method} is not possible here, {headers['Allow']} is"
            return refusal(error.status, sentence, headers=headers)
        if error.text == _NOTHING_HERE:
            return refusal(404, "nothing is served at this address")
        return refusal(error.status, error.text or error.reason, headers=headers)
    except Conflict as error:
        return json_answer({"error": str(error), **error.told}, status=409)
    except Exception:
        resource = request.match_info.route.resource
        # The pattern and not the path: ids stay out of the log.
        address = resource.canonical if resource else "an unknown address"
        log.exception("%s %s failed", request.method, address)
        return refusal(500, "the worker could not answer; its log says why")
