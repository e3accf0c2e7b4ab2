"""Which patients are asked for, as it stands in an address."""

from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import web

from bpstream.stream.overview import IDS, SORTS

# Digits enough for any offset; more would only be slow to read.
_DIGITS = 12


class Query(NamedTuple):
    """What a client wants to see."""

    search: str
    sort: str
    offset: int
    limit: int
    alone: bool = False
    """Of this worker's own patients and no others."""

    @property
    def end(self) -> int:
        """How many patients there are from the first to the last on view."""
        return self.offset + self.limit


def query_of(query: Mapping[str, str], *, default: int, most: int) -> Query:
    """Which patients are asked for; else 400."""
    scope, sort = query.get("scope", ""), query.get("sort", "") or IDS
    if scope not in ("", "worker"):
        raise web.HTTPBadRequest(text="scope can only be worker")
    if sort not in SORTS:
        raise web.HTTPBadRequest(text=f"sort can only be {' or '.join(SORTS)}, not {sort}")
    try:
        (search := query.get("search", "")).encode()
    except UnicodeEncodeError:
        raise web.HTTPBadRequest(text="search is not UTF-8") from None
    return Query(
        search=search,
        sort=sort,
        offset=number(query, "offset", default=0, least=0),
        limit=number(query, "limit", default=default, least=1, most=most),
        alone=scope == "worker",
    )


def number(
    query: Mapping[str, str], name: str, *, default: int, least: int, most: int | None = None
) -> int:
    """`query[name]`, a whole number from `least` to `most`; else 400."""
    text = query.get(name, "")
    if not text:
        return default
    wanted = f"a whole number from {least} to {most}" if most else f"a whole number from {least}"
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise web.HTTPBadRequest(text=f"{name} must be {wanted}")
    number = int(text)
    if number < least or (most is not None and number > most):
        raise web.HTTPBadRequest(text=f"{name} must be {wanted}, not {number}")
    return number
