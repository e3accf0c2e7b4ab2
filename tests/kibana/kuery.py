"""KQL as Kibana turns it into an Elasticsearch query: as much of it as bpstream's views use.

Source: https://www.elastic.co/guide/en/kibana/8.19/kuery-query.html.  Whatever it does not know
is an error, so that no query passes unread.
"""

import re
from collections.abc import Iterator
from typing import Any

_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([()])|(<=|>=|<|>|:)|([^\s()<>:"]+))')
_COMPARED = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_WORDS = frozenset({"and", "or", "not"})

Query = dict[str, Any]


def to_query(text: str) -> Query:
    """The Elasticsearch query `text` stands for; every document for an empty one."""
    if not text:
        return {"match_all": {}}
    reader = _Reader(list(_tokens(text)))
    query = reader.any_of()
    if reader.left:
        raise ValueError(f"{text!r} has something behind its end: {reader.left}")
    return query


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ValueError(f"{text!r} is no KQL from {position} on")
        yield found[0].strip()
        position = found.end()


class _Reader:
    """Takes tokens from the left: `or` binds less than `and`, `and` less than `not`."""

    def __init__(self, left: list[str]) -> None:
        self.left = left

    def any_of(self) -> Query:
        return self._several("or", self._all_of, "should")

    def _all_of(self) -> Query:
        return self._several("and", self._one, "filter")

    def _several(self, word: str, inner: Any, clause: str) -> Query:
        found = [inner()]
        while self._next_is(word):
            self.left.pop(0)
            found.append(inner())
        if len(found) == 1:
            return found[0]
        least = {"minimum_should_match": 1} if clause == "should" else {}
        return {"bool": {clause: found, **least}}

    def _one(self) -> Query:
        if self._next_is("not"):
            self.left.pop(0)
            return {"bool": {"must_not": [self._one()]}}
        if self._next_is("("):
            self.left.pop(0)
            query = self.any_of()
            self._take(")")
            return query
        return self._about(self._word())

    def _about(self, field: str) -> Query:
        operator = self.left.pop(0) if self.left else ""
        if operator in _COMPARED:
            return {"range": {field: {_COMPARED[operator]: self._word()}}}
        if operator != ":":
            raise ValueError(f"{field} is followed by {operator!r}")
        if not self._next_is("("):
            return self._is(field, self.left.pop(0))
        self.left.pop(0)
        values = [self.left.pop(0)]
        while self._next_is("or"):
            self.left.pop(0)
            values.append(self.left.pop(0))
        self._take(")")
        each = [self._is(field, value) for value in values]
        return {"bool": {"should": each, "minimum_should_match": 1}}

    def _is(self, field: str, value: str) -> Query:
        if value == "*":
            return {"exists": {"field": field}}
        if not value.startswith('"'):
            raise ValueError(f"{field} : {value} has no quotes")
        return {"match_phrase": {field: value[1:-1]}}

    def _next_is(self, word: str) -> bool:
        return bool(self.left) and self.left[0].lower() == word

    def _word(self) -> str:
        word = self.left.pop(0) if self.left else ""
        if not re.fullmatch(r"[@\w.]+", word) or word.lower() in _WORDS:
            raise ValueError(f"{word!r} is neither a field nor a number")
        return word

    def _take(self, word: str) -> None:
        if not self._next_is(word):
            raise ValueError(f"{word!r} is missing before {self.left}")
        self.left.pop(0)


def fields_of(query: Any) -> set[str]:
    """Every field an Elasticsearch query asks for."""
    if isinstance(query, list):
        return {field for each in query for field in fields_of(each)}
    if not isinstance(query, dict):
        return set()
    found: set[str] = set()
    for clause, body in query.items():
        match clause:
            case "exists":
                found.add(body["field"])
            case "range" | "term" | "match_phrase":
                found |= set(body)
            case "bool":
                found |= {field for each in body.values() for field in fields_of(each)}
            case "match_all":
                pass
            case _:
                raise ValueError(f"{clause} is a query that is not known here")
    return found
