"""What Elasticsearch's answers mean: stored, try again, refused, or the worker cannot go on."""

import base64
import binascii
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from bpstream.errors import BPStreamError, SinkError, StartError
from bpstream.sinks.client import (
    ApiError,
    AsyncElasticsearch,
    TlsError,
    TransportError,
    UnsupportedProductError,
)

_LONGEST_REASON = 500

_NEWER_IS_THERE = 409
_FORBIDDEN = frozenset({401, 403})
_TRY_LATER = frozenset({408, 429})
# Elasticsearch judges these before it looks at single documents, so one spoils the request.
_SPOILT = frozenset({400, 413})
NO_INDEX = "index_not_found_exception"
"""The error that says there is no such index."""
CLOSED = frozenset({"cluster_block_exception", "index_closed_exception"})
"""The errors that say that somebody has closed an index, or blocked it."""
# The index's or the cluster's fault, although the status is 4xx.  validation_exception: the
# cluster has as many shards as it may have.
_NOT_THE_DOCUMENTS_FAULT = frozenset(
    {
        *CLOSED,
        NO_INDEX,
        "validation_exception",
    }
)


class Verdict(Enum):
    """What became of an operation that Elasticsearch found fault with."""

    DONE = auto()
    """A newer version is there, or there is nothing to remove."""
    LEFT = auto()
    """Not done now; the same operation may be taken later."""
    REFUSED = auto()
    """Never to be done as it is."""
    FORBIDDEN = auto()
    """We are not allowed to do it, nor any other."""


def judge(action: str, item: Mapping[str, Any]) -> Verdict:
    """Judge an item of a bulk answer that has an `error` beside its `status`.

    `action` is what was to be done: index or delete.
    """
    status, kind = item["status"], item["error"]["type"]
    if status == _NEWER_IS_THERE or (action == "delete" and kind == NO_INDEX):
        return Verdict.DONE
    if kind == "security_exception":
        return Verdict.FORBIDDEN
    if _is_permanent(status) and kind not in _NOT_THE_DOCUMENTS_FAULT:
        return Verdict.REFUSED
    return Verdict.LEFT


def reason(item: Mapping[str, Any]) -> str:
    """Why an item that is not done is not: `400 document_parsing_exception: [1:80] …`."""
    return f"{item['status']} {_describe(item['error'])}"


def is_spoilt(error: ApiError) -> bool:
    """Whether one document may be why the whole request was refused."""
    return error.meta.status in _SPOILT and _is_elasticsearch(error)


def told(error: ApiError) -> str:
    """What an answer says in a few words: its status and reason."""
    found = error.body.get("error") if isinstance(error.body, dict) else None
    words = _describe(found) if isinstance(found, dict) else str(error.message)
    return f"{error.meta.status} {words[:_LONGEST_REASON]}"


def failure(error: ApiError | TransportError, *, url: str, login: str) -> BPStreamError:
    """What a request that failed as a whole means for the worker."""
    if isinstance(error, TransportError):
        # The transport keeps the words of the error beneath, and not the error.
        if isinstance(error, TlsError) and "CERTIFICATE_VERIFY_FAILED" in error.message:
            return StartError(
                f"{url} is not trusted: {error.message}; a BPSTREAM_ELASTICSEARCH_CA_FILE with the "
                "certificate (PEM) of the authority that signed its own would do"
            )
        return SinkError(f"{url} cannot be reached: {error.message}")
    status = error.meta.status
    if status in _FORBIDDEN:
        return forbidden(told(error), url=url, login=login)
    permanent = _is_permanent(status) and _is_elasticsearch(error)
    if permanent or isinstance(error, UnsupportedProductError):
        return StartError(f"{url} answers {told(error)}")
    return SinkError(f"{url} answers {told(error)}")


def wrong_server(error: ApiError) -> bool:
    """Whether, at the start, the answer shows that this is no Elasticsearch that will do."""
    status = error.meta.status
    return status < 300 or (_is_permanent(status) and status not in _FORBIDDEN)


def forbidden(words: str, *, url: str, login: str) -> StartError:
    """The error for an answer that refuses the user, and not a document."""
    return StartError(
        f"{url} refused {login}: {words}; a BPSTREAM_ELASTICSEARCH_API_KEY, or a "
        "BPSTREAM_ELASTICSEARCH_USERNAME and _PASSWORD, that may write to the index would do"
    )


def login_of(client: AsyncElasticsearch) -> str:
    """Who the client says it is, by name or id and without the secret."""
    # The client has no public way to ask; a user that stands in the URL is with the node.
    of_node = client.transport.node_pool.all()[0].config.headers or {}
    header = client._headers.get("authorization") or of_node.get("authorization") or ""
    scheme, _, token = header.partition(" ")
    if not scheme:
        return "a client without user or API key"
    what = "the user" if scheme == "Basic" else "the API key"
    try:
        name, colon, _ = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return what
    return f"{what} {name!r}" if colon else what


def _is_permanent(status: int) -> bool:
    return 400 <= status < 500 and status not in _TRY_LATER


def _is_elasticsearch(error: ApiError) -> bool:
    """Whether the answer is Elasticsearch's own, not that of a proxy before it."""
    return error.meta.headers.get("x-elastic-product") == "Elasticsearch"


def _describe(error: Mapping[str, Any]) -> str:
    cause = error.get("caused_by", {}).get("reason")
    words = f"{error.get('type')}: {error.get('reason')}"
    return f"{words} ({cause})" if cause else words
