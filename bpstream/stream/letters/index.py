"""The letters of the topic by time, reason and id: counted, and each of them once."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple, Self

import msgspec

from bpstream.stream.letters.letter import Letter, Mark

_TABLES = """
CREATE TABLE letters (
    identity BLOB PRIMARY KEY, id, reason, path, found, topic, time, truncated, key, size,
    "partition", "offset"
);
CREATE TABLE marks (identity BLOB PRIMARY KEY, retried_at);
CREATE VIEW known AS
SELECT letters.*, marks.retried_at FROM letters LEFT JOIN marks USING (identity);
"""
_IS_SELECTED = """
    (:reasons IS NULL OR reason IN (SELECT value FROM json_each(:reasons)))
    AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
    AND (:since IS NULL OR time >= :since)
    AND (:until IS NULL OR time < :until)
"""
_NEWEST = f"""
SELECT * FROM known WHERE {_IS_SELECTED} ORDER BY time DESC, id DESC LIMIT :limit
"""  # noqa: S608 (of constants)
_WAITING = f"""
SELECT * FROM known WHERE {_IS_SELECTED} AND retried_at IS NULL ORDER BY "partition", "offset"
"""  # noqa: S608 (of constants)
_COUNTS = f"""
SELECT reason, count(*), count(retried_at) FROM known WHERE {_IS_SELECTED}
GROUP BY reason ORDER BY count(*) DESC, reason
"""  # noqa: S608 (of constants)
_LETTER = "INSERT OR REPLACE INTO letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_MARK = "INSERT OR REPLACE INTO marks VALUES (?, ?)"
_IDS = "SELECT DISTINCT id FROM letters WHERE id IN (SELECT value FROM json_each(:ids))"


class Selection(NamedTuple):
    """Which letters are meant; nothing is left out where a field is empty."""

    reasons: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    since: int | None = None
    """µs since 1970 UTC, included."""
    until: int | None = None
    """µs since 1970 UTC, not included."""


class Count(NamedTuple):
    """How many letters have a reason, and how many of them were retried."""

    reason: str
    letters: int
    retried: int


class LetterIndex:
    """What the topic's records say, without the bodies.

    It is a temporary SQLite file, because there may be millions; SQLite removes its name at
    once, so that nothing of it stays, however the process ends.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
        self.foreign = 0
        """Records of the topic that are nothing of ours."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._db.close()

    def fill(self, records: Iterable[Letter | Mark | None]) -> None:
        """Take in the records of the topic; of a letter's copies the last one stands."""
        self._db.execute("BEGIN")
        for record in records:
            match record:
                case Letter():
                    self._db.execute(_LETTER, record[:-1])
                case Mark():
                    self._db.execute(_MARK, record)
                case None:
                    self.foreign += 1
        self._db.execute("COMMIT")

    def newest(self, selection: Selection, *, limit: int) -> list[Letter]:
        """At most `limit` of the letters, the newest first."""
        return list(self._letters(_NEWEST, {**_parameters(selection), "limit": limit}))

    def waiting(self, selection: Selection) -> Iterator[Letter]:
        """The letters that were not retried, in the order in which they stand in the topic."""
        return self._letters(_WAITING, _parameters(selection))

    def counts(self, selection: Selection) -> list[Count]:
        """The letters by reason, the most frequent first."""
        with closing(self._db.execute(_COUNTS, _parameters(selection))) as rows:
            return [Count(*row) for row in rows]

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Which of `ids` no letter has."""
        wanted = list(dict.fromkeys(ids))
        with closing(self._db.execute(_IDS, {"ids": _json(wanted)})) as rows:
            found = {row[0] for row in rows}
        return [each for each in wanted if each not in found]

    def _letters(self, query: str, parameters: dict[str, object]) -> Iterator[Letter]:
        with closing(self._db.execute(query, parameters)) as rows:
            for row in rows:
                yield Letter(*row)


def _parameters(selection: Selection) -> dict[str, object]:
    return {
        "reasons": _json(selection.reasons) if selection.reasons else None,
        "ids": _json(selection.ids) if selection.ids else None,
        "since": selection.since,
        "until": selection.until,
    }


def _json(texts: Iterable[str]) -> str:
    return msgspec.json.encode(list(texts)).decode()
