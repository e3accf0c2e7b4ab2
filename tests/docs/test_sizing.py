"""The tables of docs/sizing.md against the formulas and the sizes that they are made of."""

import math
import re

import msgspec
import numpy as np
import pytest

from bpstream.batch import Partition, Step
from bpstream.patients import ROW
from bpstream.sinks.mapping import index_template
from bpstream.stream.topics import _CHANGELOG
from tests.bench.simulated import a_pipeline, rounds
from tests.docs.text import FILES, rows

TEXT = FILES["docs/sizing.md"]
HEADROOM, COPIES, REPLICAS, SHARE, CORES = 2, 3, 2, 0.1, 8
DAY, MONTH = 86_400, 30 * 86_400


def number(cell):
    return float(cell.replace(",", ""))


def table(heading):
    """The parameters in the heading, and the numbers below, of the table that begins so."""
    found = rows(TEXT)
    at = next(at for at, row in enumerate(found) if ", ".join(row).startswith(heading))
    letters = [
        float(each) for each in re.findall(r"= ([\d,]+)", " ".join(found[at]).replace(",", ""))
    ]
    body = []
    for row in found[at + 2 :]:
        if not re.fullmatch(r"[\d,.]+", row[0]):
            break
        body.append([number(cell) for cell in row])
    assert body
    return letters, body


def test_the_cores_of_the_workers():
    letters, body = table("readings/s, cores, u")
    for rate, *cores in body:
        assert cores == pytest.approx([rate * u / 1e6 * HEADROOM for u in letters])


def test_the_memory_of_a_worker():
    letters, body = table("patients of the worker")
    for patients, *megabytes in body:
        assert megabytes == [190 + patients * p / 1e6 for p in letters]


def test_the_time_of_a_recovery():
    assert int(_CHANGELOG["min.compaction.lag.ms"]) == DAY * 1000
    letters, body = table("readings/s of the worker")
    for rate, records, *seconds in body:
        assert records == rate * DAY
        assert seconds == pytest.approx([records * c / 1e6 for c in letters], abs=0.5)


def test_what_the_brokers_take_in():
    pairs = [row for row in rows(TEXT) if len(row) == 2 and re.fullmatch(r"[\d,]+", row[1])]
    message, row, alerts, _ = (number(size) for _, size in pairs)
    letters, body = table("readings/s, MB/s written")
    for rate, written, copied, *brokers in body:
        assert written == pytest.approx(rate * (message + row + alerts) / 1e6, rel=0.02)
        assert copied == pytest.approx(rate * (message + row + alerts) / 1e6 * COPIES, rel=0.01)
        assert brokers == [max(3, math.ceil(copied / takes)) for takes in letters]
    assert f"r · {message * DAY / 1e9:.4f}" in TEXT
    assert f"r · {row * DAY / 1e9:.4f}" in TEXT


def test_the_nodes_of_elasticsearch():
    letters, body = table("readings/s, documents/s")
    *by_cost, _ = letters
    for rate, documents, month, *cores, nodes in body:
        assert (documents, month) == (rate * SHARE, rate * SHARE * MONTH)
        assert cores == pytest.approx([documents * e / 1e6 * HEADROOM * REPLICAS for e in by_cost])
        assert nodes == max(2, math.ceil(cores[1] / CORES))


def test_how_much_a_month_of_the_index_holds():
    assert "number_of_shards" not in index_template("bp")["template"]["settings"]
    assert f"{2_147_483_519 // MONTH} and {round(200_000_000 / MONTH)} anomalies a second" in TEXT


def test_the_sizes_are_those_of_simulated_readings():
    pipeline, partition = a_pipeline(), Partition(0)
    sizes = {"message": [], "row": [], "document": [], "line": [], "alert": []}
    for chunk in rounds(200, 20, profile="patients"):
        sizes["message"] += map(len, chunk.values)
        batch = pipeline.read(chunk, partition)
        for step in pipeline.steps(batch, partition, now=int(chunk.arrived_at[0])):
            assert isinstance(step, Step)
            sizes["row"] += [len(row) for _, row in step.rows]
            sizes["document"] += [len(entry.body) for entry in step.to_index]
            sizes["line"] += [len(entry.body) for entry in step.to_archive]
            sizes["alert"] += [len(msgspec.json.encode(alert)) for alert in step.alerts]
    told = {"message": 550, "row": 1070, "document": 960, "line": 840, "alert": 540}
    for what, size in told.items():
        assert np.mean(sizes[what]) == pytest.approx(size, rel=0.05), what
        assert re.search(rf"\b{size:,}\b", TEXT)
    assert len(sizes["row"]) == pytest.approx(len(sizes["message"]), rel=0.01)
    assert f"{ROW.itemsize:,} bytes" in TEXT
