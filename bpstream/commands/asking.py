"""Asking a worker over HTTP: whichever is asked answers for all."""

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import click

from bpstream.errors import StartError
from bpstream.settings import Settings

_WITHIN = 15.0

Json = dict[str, Any]

by_option = click.option("--by", required=True, help="Who says so.")


def ask(settings: Settings, *path: str, body: Json | None = None, **query: Any) -> Json:
    """What the worker at BPSTREAM_WEB_URL, else at its host and port, answers.

    The parts of `path` are quoted; with a `body` they are asked to take it (POST).  Raises
    :class:`StartError`, in the worker's own words where it refuses.
    """
    root = settings.web_url or f"http://{settings.web_host}:{settings.web_port}"
    quoted = "/".join(quote(part, safe="").replace(".", "%2E") for part in path)
    query = {name: value for name, value in query.items() if value is not None}
    url = f"{root.rstrip('/')}/{quoted}" + (f"?{urlencode(query)}" if query else "")
    headers = {"Content-Type": "application/json"}
    if settings.web_token:
        headers["Authorization"] = f"Bearer {settings.web_token}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, headers), timeout=_WITHIN) as answer:  # noqa: S310
            found: Json = json.load(answer)
    except HTTPError as error:
        raise StartError(_words(error)) from None
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise StartError(
            f"no worker answers at {root} ({reason}): BPSTREAM_WEB_URL, or BPSTREAM_WEB_HOST "
            "and BPSTREAM_WEB_PORT, say where one is"
        ) from None
    return found


def _words(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the worker answered {error.code}"
