"""`bpstream ingest` without a broker: fates, problems, and wrong usage."""

import gzip
import json
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpstream.commands import cli
from bpstream.settings import Settings
from tests.fhir.messages import a_bundle, an_observation

SAMPLES = Path(__file__).parents[1] / "samples"
SHARED = Path(__file__).parents[3] / "shared" / "fhir"
PATIENT = {"resourceType": "Patient", "id": "p1"}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for each in fields(Settings):
        monkeypatch.delenv(f"BPSTREAM_{each.name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def ingest(*arguments: object, **environ: str) -> Result:
    return CliRunner().invoke(cli, ["ingest", *map(str, arguments)], env=environ)


def counted(done: Result) -> dict[str, int]:
    """The table of fates: reasons (or fates without one) and how many."""
    rows = [line.split() for line in done.stdout.splitlines()[:-1]]
    return {row[-2]: int(row[-1]) for row in rows}


def test_a_dry_run_tells_every_fate_and_sends_nothing(tmp_path):
    aggregate = an_observation(code={"coding": [{"system": "http://loinc.org", "code": "96607-7"}]})
    lines = [an_observation(), aggregate, an_observation(status="entered-in-error"), PATIENT]
    (tmp_path / "a.ndjson").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "b.json").write_text(
        json.dumps(a_bundle(an_observation(), PATIENT, an_observation(status=None)))
    )
    (tmp_path / "c.csv.gz").write_bytes(
        gzip.compress(b"patient_id,t_minutes,sbp,dbp\n1,0,120,80\n1,5,0,80\n")
    )
    done = ingest(tmp_path, "--dry-run")
    assert done.exit_code == 0, done.output
    assert counted(done) == {
        "reading": 3,
        "aggregate": 1,
        "retraction": 1,
        "other_resource": 2,
        "no_status": 1,
        "out_of_range": 1,
    }
    assert done.stdout.splitlines()[-1] == "6 messages in 3 files; nothing was sent"
    assert not (tmp_path / "var").exists()


def test_the_fates_are_those_that_the_settings_give(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(an_observation(effectiveDateTime="2100-01-01T00:00:00Z")))
    assert counted(ingest(path, "--dry-run")) == {"in_future": 1}
    assert counted(ingest(path, "--dry-run", BPSTREAM_MAX_SKEW="1e11")) == {"reading": 1}


def test_the_fates_of_the_samples_are_those_expected():
    expected = json.loads((SAMPLES / "expected.json").read_bytes())
    done = ingest(*(SAMPLES / name for name in expected), "--dry-run")
    table = counted(done)
    readings = sum(len(row["readings"]) for row in expected.values())
    aggregates = sum(row["fate"] == "aggregate" for row in expected.values())
    assert table["reading"] + table.get("aggregate", 0) == readings
    assert table.get("aggregate", 0) == aggregates
    assert table["retraction"] == sum(row["fate"] == "retraction" for row in expected.values())
    for row in expected.values():
        if row["fate"] == "rejected":
            assert table[row["reason"]]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared samples are not here")
def test_a_whole_folder_prints_its_fates():
    expected = json.loads((SHARED / "EXPECTED.json").read_bytes())
    done = ingest(SHARED, "--dry-run")
    assert done.exit_code == 0
    table = counted(done)
    readings = sum(len(row["readings"]) for row in expected.values())
    assert table["reading"] + table["aggregate"] == readings
    assert table["retraction"] == 1


def test_what_cannot_be_read_is_told_by_name_and_line_and_the_rest_goes_on(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text("patient_id,t_minutes,sbp\n1,0,120\n1,x,120\n" + "1,y,120\n" * 40)
    damaged = tmp_path / "b.ndjson.gz"
    damaged.write_bytes(gzip.compress(b"1\n")[:-4])
    good = tmp_path / "c.json"
    good.write_text(json.dumps(an_observation()))
    done = ingest(tmp_path / "gone.json", table, damaged, good, "--dry-run")
    assert done.exit_code == 1
    assert counted(done)["reading"] == 2
    told = done.stderr.splitlines()
    assert told[0] == f"{tmp_path / 'gone.json'}: no such file or folder"
    assert f"{table}:3: t_minutes is 'x', and no number" in told
    assert f"{table}: and 21 more like these" in told
    assert any(line.startswith(f"{damaged}: ") for line in told)
    assert told[-1] == "bpstream: all was read but the 43 told above"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "Missing argument 'PATHS...'"),
        (["a.json", "--rate", "0"], "0 is not in the range x>0"),
        (["a.json", "--source", "CVP"], "'CVP' is not one of"),
        (["a.csv", "--start", "yesterday"], "'yesterday' is no time such as 2026"),
    ],
)
def test_wrong_usage_has_the_status_2(options, told):
    done = ingest(*options)
    assert done.exit_code == 2
    assert told in done.stderr


def test_minute_0_is_when_start_says_in_the_zone_that_is_set(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("patient_id,t_minutes,sbp\n1,0,120\n")
    future = "2100-01-01"
    assert counted(ingest(path, "--dry-run", "--start", future)) == {"in_future": 1}
    assert counted(ingest(path, "--dry-run")) == {"reading": 1}
