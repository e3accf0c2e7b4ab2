"""`bpstream reconcile` on real stores: what is broken by hand is named, and mended."""

import gzip
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from confluent_kafka import Producer
from elasticsearch import Elasticsearch

from bpstream.patients import STORED
from tests.faults import stored
from tests.integration.workers import names
from tests.reconcile.house import House, settled
from tests.stream.brokers import everything_on

pytestmark = pytest.mark.services

READINGS, PATIENTS = 1500, 60
"""Of each round."""

Breaking = Callable[[House], AbstractContextManager[None]]


def house_of(folder: Path, kafka: str, *, rounds: int, **settings: str) -> House:
    """A house after so many workers, one after the other."""
    own = {
        **names(lambda stem: f"{stem}-{uuid4().hex[:12]}"),
        "BPSTREAM_BROKER": f"kafka://{kafka}",
        "BPSTREAM_DATA_DIR": str(folder / "var"),
        "BPSTREAM_ARCHIVE_DIR": str(folder / "archive"),
        **settings,
    }
    house = House(folder, kafka, own)
    for nth in range(1, rounds + 1):
        worker = house.worker().start().ready()
        try:
            house.send(READINGS, patients=PATIENTS, seed=nth)
            settled(worker, nth * READINGS)
            assert worker.stop() == 0
        finally:
            if not worker.ended():
                worker.kill()
    return house


@pytest.fixture(scope="module")
def house(kafka: str, elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> House:
    """With segments that the second worker sealed, taking over, and others that are open."""
    folder = tmp_path_factory.mktemp("house")
    return house_of(folder, kafka, rounds=2, BPSTREAM_ELASTICSEARCH_URL=elasticsearch)


@pytest.fixture(scope="module")
def small_house(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> House:
    """With the local index and the archive's layout `files`."""
    folder = tmp_path_factory.mktemp("small")
    return house_of(folder, kafka, rounds=1, BPSTREAM_ARCHIVE_LAYOUT="files")


# What can be broken, and is put back by hand where --repair does not.


@contextmanager
def undone(undo: Callable[[], object]) -> Iterator[None]:
    try:
        yield
    finally:
        undo()


def client(house: House) -> Elasticsearch:
    return Elasticsearch(house.settings["BPSTREAM_ELASTICSEARCH_URL"])


def an_indexed(house: House, elastic: Elasticsearch) -> dict[str, Any]:
    name = house.settings["BPSTREAM_INDEX"]
    return elastic.search(index=name, size=1, sort="document_id")["hits"]["hits"][0]


def same_version(hit: dict[str, Any]) -> dict[str, Any]:
    """What a change by hand is to be: else it is a version of its own, a deletion as well."""
    return {"version": hit["_source"]["version"], "version_type": "external_gte"}


@contextmanager
def a_document_is_deleted_from_the_index(house: House) -> Iterator[None]:
    with client(house) as elastic:
        hit = an_indexed(house, elastic)
        elastic.delete(index=hit["_index"], id=hit["_id"], refresh=True, **same_version(hit))
    yield


@contextmanager
def a_document_nobody_sent_is_indexed(house: House) -> Iterator[None]:
    with client(house) as elastic:
        hit = an_indexed(house, elastic)
        elastic.index(index=hit["_index"], id="foreign", document=hit["_source"])
        with undone(lambda: elastic.delete(index=hit["_index"], id="foreign", refresh=True)):
            yield


@contextmanager
def a_document_is_indexed_under_two_months(house: House) -> Iterator[None]:
    with client(house) as elastic:
        hit = an_indexed(house, elastic)
        other = f"{house.settings['BPSTREAM_INDEX']}-1999.01"
        elastic.index(index=other, id=hit["_id"], document=hit["_source"], **same_version(hit))
        with undone(lambda: elastic.indices.delete(index=other)):
            yield


def a_sealed(house: House) -> Path:
    """The largest: one that a repair has made may hold a single line."""
    return max(house.archive.glob("partition=*/*.jsonl.gz"), key=lambda path: path.stat().st_size)


def lines_of(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def rewrite(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(gzip.compress(b"".join(lines)))


@contextmanager
def a_line_is_removed_from_a_segment(house: House) -> Iterator[None]:
    path = a_sealed(house)
    rewrite(path, lines_of(path)[1:])
    yield


@contextmanager
def two_lines_are_in_a_segment_twice(house: House) -> Iterator[None]:
    path = a_sealed(house)
    lines = lines_of(path)
    rewrite(path, [*lines, lines[0], lines[-1], lines[0]])
    yield


@contextmanager
def lines_that_nobody_sent_are_in_a_segment(house: House) -> Iterator[None]:
    path = a_sealed(house)
    lines = lines_of(path)
    foreign = {**json.loads(lines[0]), "document_id": "f" * 32}
    rewrite(path, [*lines, json.dumps(foreign).encode() + b"\n", b"no document\n"])
    with undone(lambda: rewrite(path, lines)):
        yield


@contextmanager
def a_counter_is_forged(house: House) -> Iterator[None]:
    row = next(
        message
        for message in reversed(everything_on(house.kafka, house.changelog))
        if message.key() and not message.key().startswith(b"\xff")
    )
    forged = np.frombuffer(row.value().ljust(STORED.itemsize, b"\0"), STORED).copy()
    forged["row"]["counters"][0, :3] += np.array([2, 1, 1], np.uint32)
    producer = Producer({"bootstrap.servers": house.kafka})

    def write(value: bytes) -> None:
        producer.produce(house.changelog, value, row.key(), partition=row.partition())
        assert producer.flush(30) == 0

    write(forged.tobytes())
    with undone(lambda: write(row.value())):
        yield


@contextmanager
def a_document_is_deleted_from_the_local_index(house: House) -> Iterator[None]:
    execute(house, "DELETE FROM documents WHERE rowid IN (SELECT min(rowid) FROM documents)")
    yield


@contextmanager
def a_document_nobody_sent_is_in_the_local_index(house: House) -> Iterator[None]:
    execute(
        house,
        "INSERT INTO documents (document_id, version, patient_id, taken_at, body) "
        "SELECT 'foreign', version, patient_id, taken_at, body FROM documents LIMIT 1",
    )
    with undone(lambda: execute(house, "DELETE FROM documents WHERE document_id = 'foreign'")):
        yield


@contextmanager
def a_file_is_removed(house: House) -> Iterator[None]:
    min(house.archive.glob("*.json")).unlink()
    yield


@contextmanager
def a_file_is_there_under_another_name(house: House) -> Iterator[None]:
    copy = house.archive / "copy.json"
    copy.write_bytes(min(house.archive.glob("*.json")).read_bytes())
    with undone(copy.unlink):
        yield


def execute(house: House, statement: str) -> None:
    """Change the local index."""
    path = Path(house.settings["BPSTREAM_DATA_DIR"]) / "index.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def broken_and_mended(
    house: House, breaking: Breaking, named: dict[str, int], left: dict[str, int]
) -> None:
    with breaking(house):
        assert house.differences() == named
        # Comparing has changed nothing.
        assert house.differences("--repair") == left
    assert house.differences() == {}


@pytest.mark.parametrize(
    ("breaking", "named", "left"),
    [
        (a_document_is_deleted_from_the_index, {"missing in index": 1}, {}),
        (a_line_is_removed_from_a_segment, {"missing in archive": 1}, {}),
        (two_lines_are_in_a_segment_twice, {"twice in archive": 2}, {}),
        (a_document_nobody_sent_is_indexed, *[{"unexpected in index": 1}] * 2),
        (a_document_is_indexed_under_two_months, *[{"twice in index": 1}] * 2),
        (lines_that_nobody_sent_are_in_a_segment, *[{"unexpected in archive": 2}] * 2),
        (
            a_counter_is_forged,
            *[{"counter readings": 1, "counter anomalies": 1, "counter hypertension": 1}] * 2,
        ),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_it_is_named_and_mended_where_it_can_be(house, breaking, named, left):
    broken_and_mended(house, breaking, named, left)


@pytest.mark.parametrize(
    ("breaking", "named", "left"),
    [
        (a_document_is_deleted_from_the_local_index, {"missing in index": 1}, {}),
        (a_file_is_removed, {"missing in archive": 1}, {}),
        (a_document_nobody_sent_is_in_the_local_index, *[{"unexpected in index": 1}] * 2),
        (a_file_is_there_under_another_name, *[{"twice in archive": 1}] * 2),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_it_is_named_and_mended_in_the_small_house_as_well(small_house, breaking, named, left):
    broken_and_mended(small_house, breaking, named, left)


def test_stores_that_are_gone_are_written_anew_from_the_topic(house):
    before = sorted(documents(house))
    with client(house) as elastic:
        for name in elastic.indices.get(index=f"{house.settings['BPSTREAM_INDEX']}-*"):
            elastic.indices.delete(index=name)
    for path in house.archive.glob("partition=*/*.jsonl.gz"):
        path.unlink()
    found = house.differences()
    assert set(found) == {"missing in index", "missing in archive"}
    status, told = house.told("--repair")
    assert status == 0
    assert told["repaired"] == {
        "indexed": found["missing in index"],
        "archived": found["missing in archive"],
        "removed": 0,
    }
    # But for when it was made, and what depends on the readings before.
    assert sorted(documents(house)) == before


def documents(house: House) -> Iterator[str]:
    found = stored.indexed(
        house.settings["BPSTREAM_ELASTICSEARCH_URL"], house.settings["BPSTREAM_INDEX"]
    )
    for document in chain(found, stored.archived(house.archive)):
        for name in ("ingested_at", "early_warning", "early_warning_reasons"):
            document.pop(name, None)
        document["flags"] = [flag for flag in document["flags"] if flag != "late"]
        yield json.dumps(document, sort_keys=True)
