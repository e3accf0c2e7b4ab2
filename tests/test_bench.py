"""The benchmark, small: whether it measures, never how much."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import peers
from tests.bench.__main__ import main
from tests.bench.floor import spent_on
from tests.bench.job import Job, NoResult, Patient, after
from tests.bench.parsing import kinds, measure
from tests.bench.peer import Answer, Meter, Task
from tests.bench.report import BPSTREAM, report, table
from tests.bench.stages import OTHER, by_stage
from tests.bench.topics import Topics

ROOT = Path(__file__).parents[1]
READINGS, PATIENTS = 2000, 50


def a_job(**patients):
    return Job.of({who: Patient(*each) for who, each in patients.items()})


def an_answer(*, cpu=1.0, readings=1000):
    task = Task("127.0.0.1:9092", "fhir", "run", readings)
    return Answer(task, cpu, wall=2.0, peak_mb=50.0, job=a_job(a=(readings, 0, 0.5)))


@pytest.fixture(scope="module")
def done(kafka, tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "new" / "bench.json"
    options = ["--readings", READINGS, "--patients", PATIENTS, "--runs", 1, "--report", path]
    options += ["--plot", path.with_suffix(".png")]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--kafka", kafka, *map(str, options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended, json.loads(path.read_text())


@pytest.mark.services
def test_every_peer_reports_and_is_shown(done):
    ended, found = done
    (measured,) = found["tables"]
    assert [peer["name"] for peer in measured["peers"]] == [each.name for each in peers.present()]
    for peer in peers.present():
        assert f"\n{peer.name}" in ended.stdout
        assert f"run 1 of 1: {peer.name}" in ended.stderr


@pytest.mark.services
def test_peers_that_are_given_the_same_readings_do_the_same_job(done):
    _, found = done
    for given in (READINGS, READINGS // 5):
        measured = found["tables"][0]["peers"]
        jobs = [dict(peer["job"]) for peer in measured if peer["readings"] == given]
        risks = [job.pop("risk") for job in jobs]
        assert len(jobs) > 1
        assert all(job == jobs[0] for job in jobs)
        assert risks == pytest.approx([risks[0]] * len(risks), rel=1e-5)
        assert jobs[0]["counted"] == given


@pytest.mark.services
def test_the_json_has_the_documented_fields(done):
    _, found = done
    assert found.keys() == {"date", "versions", "machine", "runs", "tables"}
    assert {"bpstream", "python", "kafka", "faust", "bytewax"} <= found["versions"].keys()
    assert found["machine"].keys() == {"system", "processor", "cores"}
    (measured,) = found["tables"]
    assert (measured["patients"], found["runs"]) == (PATIENTS, 1)
    for peer in measured["peers"]:
        assert peer.keys() == {
            *("name", "readings", "cpu_us", "readings_per_second", "peak_mb"),
            *("times_bpstream", "job", "cpu_us_of_runs"),
        }
        assert peer["cpu_us"] > 0
        assert len(peer["cpu_us_of_runs"]) == 1


@pytest.mark.services
def test_the_floor_is_of_every_call_that_a_reading_needs(kafka):
    with Topics(kafka) as topics:
        topic, _ = topics.fill(READINGS, PATIENTS)
        spent = spent_on(Task(kafka, topic, f"{topic}-floor", READINGS))
    assert len(spent) == 7
    assert min(spent.values()) > 0


def test_figures_are_medians_and_the_ratio_is_to_bpstream():
    answers = {
        "other": [an_answer(cpu=cpu) for cpu in (0.9, 0.3, 0.4)],
        BPSTREAM: [an_answer(cpu=cpu) for cpu in (0.01, 0.02, 0.09)],
    }
    found = report({1: answers}, versions={"kafka": None})
    other, ours = found["tables"][0]["peers"]
    assert (other["cpu_us"], ours["cpu_us"]) == (400, 20)
    assert (other["times_bpstream"], ours["times_bpstream"]) == (20, 1)
    assert other["readings_per_second"] == 500
    assert other["cpu_us_of_runs"] == [900, 300, 400]
    assert "400.0" in table(found)


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({"a": (2, 1, 0.3), "b": (1, 0, 0.5)}, []),
        ({"a": (2, 1, 0.3000001), "b": (1, 0, 0.5)}, []),
        ({"a": (2, 1, 0.31), "b": (1, 0, 0.5)}, ["risk"]),
        ({"a": (1, 1, 0.3), "b": (2, 0, 0.5)}, ["counts"]),
        ({"a": (2, 2, 0.3), "b": (1, 0, 0.5)}, ["anomalies", "counts"]),
        ({"a": (3, 1, 0.8)}, ["patients", "counts"]),
    ],
)
def test_another_job_is_told_by_what_differs(other, differs):
    expected = a_job(a=(2, 1, 0.3), b=(1, 0, 0.5))
    assert a_job(**other).differences(expected) == differs


def test_a_reading_with_swapped_pressures_is_counted_and_has_no_score():
    patient = after(Patient(), 80, 95, 0.4)
    assert (patient.readings, patient.anomalies) == (1, 1)
    assert Job.of({"a": patient}).risk == 0


def test_a_peer_that_missed_its_last_message_has_no_result():
    meter = Meter()
    meter.start()
    with pytest.raises(NoResult, match="before its last message"):
        _ = meter.spent


def test_a_broker_that_does_not_answer_is_said_in_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert main(["--kafka", address]) == 1
    assert capsys.readouterr().err.startswith(f"bench: Kafka does not answer at {address}")


@pytest.mark.parametrize("arguments", [["--readings", "4"], ["--runs", "0"], ["--runs", "x"]])
def test_a_number_that_will_not_do_is_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert f"not '{arguments[1]}'" in capsys.readouterr().err


def test_a_sample_is_of_the_stage_that_its_innermost_known_frame_is_of():
    loop = "run_forever (asyncio/base_events.py:607);Classifier.judge (stream/classifier.py:150)"
    samples = [
        f"{loop};Parser.parse (bpstream/fhir/parse.py:61);_decode (bpstream/fhir/plain.py:70) 3",
        f"{loop};encode (bpstream/encoding.py:120);map (somewhere/else.py) 2",
        f"{loop} 5",
        "run_forever (asyncio/base_events.py:607);_find_and_load (<frozen importlib>) 7",
        "run_forever (asyncio/base_events.py:607);Service._default_start (mode/services.py:1) 9",
        "<module> (bpstream/settings.py:1) 11",
    ]
    assert by_stage("\n".join(samples)) == {"parse": 3, "documents": 2, OTHER: 5}


def test_the_parsing_benchmark_tells_the_share_of_each_path():
    rows = [measure(name, messages[:20]) for name, messages in kinds()]
    assert [row.plain for row in rows[:-1]] == [1, 1, 1, 0]
    assert 0 < rows[-1].plain < 1  # FHIR's variations: some are plain
    assert all(row.cpu_us > 0 for row in rows)
