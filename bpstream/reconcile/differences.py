"""The differences between what was sent and what is held and counted, named by SQL.

A document's newest version counts, unless it was taken back, and of what the topic holds only
what a checkpoint counts as applied: the rest is on its way.  What the topic no longer holds, by
its coordinates or because it was ingested before the first message there is, is older: nobody
can say whether it should be there.  What was purged is not missing; because it leaves no trace
where the topic has lost it too, counters may tell of more than is found once there was a purge.
"""
# ruff: noqa: S608 - only names of our own are put into the scripts

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from bpstream.patients import COUNTERS
from bpstream.reconcile.ledger import ARCHIVE, INDEX, TOMBSTONE, Ledger
from bpstream.stream.dead_letters import REFUSED, TOO_LARGE

# Before and after every moment in ISO 8601.
_ALWAYS, _NEVER = "", "9"

_HYPERTENSION = 1 | 4  # rules.Tag


class Terms(NamedTuple):
    """What the comparison goes by."""

    index_all: bool
    archive_all: bool
    first_arrival: str = _NEVER
    """When the first message that the topic holds arrived, ISO 8601 in UTC."""
    life_began: str = _ALWAYS
    """What was ingested before is not in the counters, ISO 8601 in UTC."""
    counters: bool = True
    """Whether the counters can be compared."""


class Difference(NamedTuple):
    """One document or counter that is not as it should be."""

    kind: str
    document_id: str | None
    patient_id: str | None
    partition: int | None
    """With `offset`: where the original message stands."""
    offset: int | None
    found: str | int | None
    """What a counter is, or in which file of the archive a document is."""
    expected: int | None
    """What a counter should be."""


class Totals(NamedTuple):
    """How many there are of each."""

    documents: int
    """That the topic leads to, as far as the workers have come."""
    on_their_way: int
    """Readings that the workers have still to apply."""
    older: int
    """Documents in the stores that the topic no longer tells of."""
    differences: dict[str, int]
    """By kind, in the order of `KINDS`; only those there are."""
    purged: int = 0
    """Documents that the topic leads to and that a store lacks because they were purged."""
    above: int = 0
    """Patients whose counters tell of more than topic and stores: of what was purged."""


_PREPARED = f"""
CREATE INDEX sent_by_id ON sent (document_id, version);
DELETE FROM sent WHERE EXISTS (
    SELECT 1 FROM letters l WHERE l.reason = '{TOO_LARGE}'
        AND l.partition = sent.partition AND l.offset = sent.offset AND l.entry = sent.entry
);

-- In the order they were read: what a tombstone takes out stands before it, or is older.
CREATE INDEX held_by_id ON held (document_id);
DELETE FROM held WHERE store = '{ARCHIVE}' AND EXISTS (
    SELECT 1 FROM held t WHERE t.store = '{TOMBSTONE}' AND t.document_id = held.document_id
        AND (t.version > held.version OR (t.version = held.version AND t.rowid > held.rowid))
);
DELETE FROM held WHERE store = '{TOMBSTONE}';
UPDATE held SET beyond = FALSE WHERE beyond AND EXISTS (
    SELECT 1 FROM sent s WHERE s.document_id = held.document_id AND s.version = held.version
        AND s.partition = held.partition AND s.offset = held.offset AND s.done
);

-- Each document in the state it should have, and where that belongs.
CREATE TABLE newest AS
SELECT document_id, version, patient_id, partition, offset, tags, spot,
    tags > 0 OR index_all AS in_index, tags = 0 OR archive_all AS in_archive,
    EXISTS (
        SELECT 1 FROM letters l WHERE l.reason = '{REFUSED}'
            AND l.partition = s.partition AND l.offset = s.offset AND l.entry = s.entry
    ) AS refused,
    EXISTS (
        SELECT 1 FROM purges p WHERE s.taken_at < p.before
            AND (p.ended IS NULL OR s.arrived_at < p.ended)
    ) AS purged
FROM terms, (
    SELECT *, row_number() OVER (
        PARTITION BY document_id ORDER BY version DESC, arrived_at, partition, offset, entry
    ) AS place FROM sent WHERE done
) AS s WHERE place = 1 AND NOT EXISTS (
    SELECT 1 FROM retractions r WHERE r.document_id = s.document_id
        AND r.arrived_at >= s.arrived_at AND (r.version = 0 OR r.version >= s.version)
);
CREATE UNIQUE INDEX newest_by_id ON newest (document_id);

-- What is held and the topic cannot tell of.
CREATE TABLE outside AS
SELECT held, older FROM (
    SELECT h.rowid AS held, h.document_id, h.version,
        h.offset < p.first OR (h.ingested_at > '' AND h.ingested_at < first_arrival) AS older,
        h.beyond AND h.offset < p.end AS on_its_way
    FROM terms, held h JOIN partitions p ON p.partition = h.partition
) AS h WHERE (older OR on_its_way) AND NOT EXISTS (
    SELECT 1 FROM sent s
    WHERE s.document_id = h.document_id AND s.version = h.version AND s.done
);
CREATE UNIQUE INDEX outside_by_held ON outside (held);

CREATE TABLE differences (
    kind TEXT, document_id TEXT, version INTEGER, patient_id TEXT,
    partition INTEGER, offset INTEGER, found, expected
);
"""


def _of_store(store: str) -> str:
    """The script that names the differences of one store."""
    refused = "n.refused" if store == INDEX else "FALSE"
    document = "n.document_id, n.version, n.patient_id, n.partition, n.offset"
    return f"""
    CREATE TABLE in_{store} AS
    SELECT h.document_id, max(h.version) AS version, min(h.path) AS place,
        sum(NOT h.beyond AND h.version <= n.version) AS copies
    FROM held h JOIN newest n ON n.document_id = h.document_id
    WHERE h.store = '{store}' GROUP BY h.document_id;
    CREATE UNIQUE INDEX in_{store}_by_id ON in_{store} (document_id);

    CREATE TABLE lacking_{store} AS
    SELECT * FROM newest n WHERE n.in_{store} AND NOT {refused}
        AND NOT EXISTS (SELECT 1 FROM in_{store} i WHERE i.document_id = n.document_id);

    INSERT INTO differences SELECT 'missing in {store}', {document}, NULL, NULL
    FROM lacking_{store} n WHERE NOT n.purged;

    INSERT INTO differences SELECT 'stale in {store}', {document}, i.place, NULL
    FROM newest n JOIN in_{store} i ON i.document_id = n.document_id
    WHERE i.version < n.version AND NOT {refused};

    INSERT INTO differences SELECT 'twice in {store}', {document}, i.place, NULL
    FROM newest n JOIN in_{store} i ON i.document_id = n.document_id
    WHERE i.copies > 1 AND n.in_{store};

    INSERT INTO differences SELECT 'unexpected in {store}',
        h.document_id, h.version, h.patient_id, h.partition, h.offset, h.path, NULL
    FROM held h LEFT JOIN newest n ON n.document_id = h.document_id
    WHERE h.store = '{store}' AND h.rowid NOT IN (SELECT held FROM outside) AND (
        n.document_id IS NULL OR h.version > n.version
        OR (h.version = n.version AND NOT n.in_{store})
    );
    """


# What each counter counts, in their order; the last four are the bits of the tags.
_COUNTS = (
    "spot",
    "tags > 0",
    f"tags & {_HYPERTENSION} > 0",
    f"tags > 0 AND tags & {_HYPERTENSION} = 0",
    *(f"tags & {1 << bit} > 0" for bit in range(4)),
)


def _of_counters() -> str:
    """The script that names the counters that differ."""
    found = ", ".join(f"{name} AS found_{name}, 0 AS expected_{name}" for name in COUNTERS)
    expected = ", ".join(f"0, {counts}" for counts in _COUNTS)
    sums = ", ".join(
        f"sum(found_{name}) AS found_{name}, sum(expected_{name}) AS expected_{name}"
        for name in COUNTERS
    )
    each = "".join(
        f"""
    INSERT INTO differences SELECT 'counter {name}', NULL, NULL, patient_id, NULL, NULL,
        found_{name}, expected_{name}
    FROM counters WHERE found_{name} < expected_{name}
        OR (found_{name} > expected_{name} AND NOT EXISTS (SELECT 1 FROM purges));
    """
        for name in COUNTERS
    )
    return f"""
    -- A later version takes the place of an earlier one.
    CREATE TABLE effects AS
    SELECT patient_id, tags, spot FROM newest
    UNION ALL
    SELECT patient_id, tags, spot FROM (
        SELECT h.patient_id, h.tags, h.spot
        FROM terms, outside o JOIN held h ON h.rowid = o.held
        WHERE o.older AND h.ingested_at >= life_began GROUP BY h.document_id, h.version
    );
    CREATE TABLE counters AS SELECT patient_id, {sums} FROM (
        SELECT patient_id, {found} FROM counted
        UNION ALL SELECT patient_id, {expected} FROM effects
    ) GROUP BY patient_id;
    {each}
    """


_ABOVE = f"""
SELECT count(*) FROM counters WHERE EXISTS (SELECT 1 FROM purges)
    AND ({" OR ".join(f"found_{name} > expected_{name}" for name in COUNTERS)})
"""

KINDS = [
    *(
        f"{what} in {store}"
        for store in (INDEX, ARCHIVE)
        for what in ("missing", "stale", "twice", "unexpected")
    ),
    *(f"counter {name}" for name in COUNTERS),
]


def find(ledger: Ledger, terms: Terms) -> Totals:
    """Name every difference, once everything is in the ledger, and count them."""
    rows = ledger.rows
    rows.execute(f"CREATE TABLE terms ({', '.join(Terms._fields)})")
    rows.execute("INSERT INTO terms VALUES (?, ?, ?, ?, ?)", terms)
    scripts = [_PREPARED, _of_store(INDEX), _of_store(ARCHIVE)]
    for script in scripts + [_of_counters()] * terms.counters:
        rows.executescript(script)
    by_kind = dict(rows.execute("SELECT kind, count(*) FROM differences GROUP BY kind"))
    lacking = "SELECT document_id FROM lacking_{} WHERE purged"
    either = f"{lacking.format(INDEX)} UNION {lacking.format(ARCHIVE)}"
    return Totals(
        documents=_one(rows, "SELECT count(*) FROM newest"),
        on_their_way=_one(rows, "SELECT count(*) FROM sent WHERE NOT done"),
        older=_one(rows, "SELECT count(*) FROM outside WHERE older"),
        differences={kind: by_kind[kind] for kind in KINDS if kind in by_kind},
        purged=_one(rows, f"SELECT count(*) FROM ({either})"),
        above=_one(rows, _ABOVE) if terms.counters else 0,
    )


def examples(ledger: Ledger, kind: str, count: int) -> Iterator[Difference]:
    """The first `count` differences of a kind, by patient and then by place in the topic."""
    for row in ledger.rows.execute(
        "SELECT kind, document_id, patient_id, partition, offset, found, expected "
        "FROM differences WHERE kind = ? "
        "ORDER BY patient_id, partition, offset, document_id LIMIT ?",
        (kind, count),
    ):
        yield Difference(*row)


def _one(rows: sqlite3.Connection, question: str) -> int:
    (answer,) = rows.execute(question).fetchone()
    return int(answer)
