"""The benchmarks of stores and workers, small: whether they measure, never how much."""

import json

import pytest
from elasticsearch import Elasticsearch

from tests.bench import latency, scale, sinks
from tests.bench.job import Kept, Tally
from tests.bench.latency import AIM_MS, AIM_RATE, Latency, Spread
from tests.bench.report import BPSTREAM
from tests.bench.second_life import Start, recovery

READINGS, PATIENTS = 1000, 20


def a_reading(*, patient="a", at="2026-01-29T21:32:51.619300Z", systolic=120.0, tags=()):
    return patient, at, systolic, 80.0, tags


def kept(*readings):
    tally = Tally()
    for each in readings:
        tally.add(*each)
    return tally.kept()


def a_start(*, patients, ready_s=3.0, cpu=2.0, resident=2e8):
    return Start(patients, 2 * patients, ready_s, cpu, resident)


def run(benchmark, path, *arguments):
    """The report that is written; the benchmark has to have found a result."""
    assert benchmark.main([*map(str, arguments), "--report", str(path)]) == 0
    return json.loads(path.read_text())


@pytest.mark.services
def test_whoever_stores_leaves_every_reading_in_a_store(kafka, elasticsearch, tmp_path, capsys):
    found = run(
        sinks,
        tmp_path / "sinks.json",
        *("--readings", READINGS, "--patients", PATIENTS, "--runs", 1, "--documents", 2000),
        *("--kafka", kafka, "--elasticsearch", elasticsearch),
    )
    (measured,) = found["tables"]
    names = [peer["name"] for peer in measured["peers"]]
    assert names == ["original", BPSTREAM, f"{BPSTREAM}, files"]
    for peer in measured["peers"]:
        job = peer["job"]
        assert job["indexed"]["count"] == job["anomalies"] > 0
        assert job["indexed"]["count"] + job["archived"]["count"] == peer["readings"]
        assert peer["cpu_us"] > 0
    assert [each["what"].split()[0] for each in found["costs"]] == [
        "Elasticsearch,",
        "request",
        "archive,",
        "write",
        "archive,",
    ]
    indexed, _, *on_disk = found["costs"]
    assert indexed["cpu_of_server"] > 0
    assert all(0 < each["wall_of_sync"] < each["wall"] for each in on_disk)
    told = capsys.readouterr().out
    assert "profile patients" in told
    assert "archive, segments" in told
    assert "write and sync alone" in told
    with Elasticsearch(elasticsearch) as client:
        assert not client.indices.get(index="bench-*")


@pytest.mark.services
def test_the_way_to_a_document_and_to_an_alert_is_timed(kafka, elasticsearch, tmp_path, capsys):
    found = run(
        latency,
        tmp_path / "latency.json",
        *("--rate", 50, "--seconds", 2, "--idle", 1),
        *("--kafka", kafka, "--elasticsearch", elasticsearch),
    )
    (measured,) = found["rates"]
    assert measured["readings"] == 100
    # Those of the second half: what comes first does not count.
    assert 25 <= measured["stored"]["count"] <= 75
    assert 0 < measured["stored"]["p50"] <= measured["stored"]["p99"] <= measured["stored"]["most"]
    assert 0 < measured["alerted"]["count"] <= measured["stored"]["count"]
    assert measured["cpu"] > 0
    assert "idle" in capsys.readouterr().out


@pytest.mark.services
def test_a_second_life_and_workers_that_share_are_measured(kafka, tmp_path, capsys):
    found = run(
        scale,
        tmp_path / "scale.json",
        *("--readings", READINGS, "--patients", PATIENTS, "--runs", 1, "--workers", 2),
        *("--kafka", kafka),
    )
    (row,) = found["patients"]
    assert row["records"] >= PATIENTS
    assert row["cpu_us"] > 0
    # So few patients do not stand out of what a worker takes anyway.
    assert row["bytes_a_patient"] is None
    (shared,) = found["workers"]
    assert shared["partitions"] == [2, 2]
    assert sum(shared["shares"]) == pytest.approx(1)
    assert f"\n{PATIENTS:>10}" in capsys.readouterr().out


def test_a_recovery_is_what_is_beyond_a_start_without_patients():
    empty = a_start(patients=0)
    again = a_start(patients=100_000, ready_s=5.0, cpu=4.0, resident=4e8)
    found = recovery(again, empty)
    assert (found["ready_s"], found["recovery_s"]) == (5.0, 2.0)
    assert found["cpu_us_a_record"] == 10
    # 2,000 bytes a patient, without its id, as `PAT-12345`.
    assert found["bytes_a_patient"] == pytest.approx(2000 - 9, abs=1)


def test_workers_that_could_have_no_partition_are_a_usage_error(capsys):
    assert scale.main(["--workers", "1", "5"]) == 2
    assert "there are 4 partitions" in capsys.readouterr().err


@pytest.mark.parametrize(
    "other",
    [
        [a_reading()],
        [a_reading(), a_reading(systolic=121.0)],
        [a_reading(), a_reading(patient="b")],
        [a_reading(), a_reading(tags=["hypertension_systolic"])],
        [a_reading(), a_reading()],
    ],
)
def test_other_documents_are_told_apart(other):
    assert kept(*other) != kept(a_reading(), a_reading(at="2026-01-29T21:32:52.619300Z"))


def test_documents_are_the_same_in_any_order_and_however_their_zone_is_written():
    one, two = a_reading(), a_reading(patient="b")
    written = a_reading(at="2026-01-29T21:32:51.619300+00:00")
    assert kept(one, two) == kept(two, written)
    assert kept() == Kept(0, "0" * 16)


@pytest.mark.parametrize(
    ("rate", "p99", "misses"),
    [
        (AIM_RATE, AIM_MS - 1, False),
        (AIM_RATE, AIM_MS, True),
        (AIM_RATE, None, True),
        (10 * AIM_RATE, AIM_MS, False),
    ],
)
def test_the_aim_is_for_its_rate(rate, p99, misses):
    alerted = Spread(1, 1.0, p99, 1.0)
    found = Latency(rate, 1, 1.0, Spread.of([1]), alerted, 0.1)
    assert latency._misses(found) == misses
