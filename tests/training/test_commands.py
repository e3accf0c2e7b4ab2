"""`bpstream train` and `bpstream evaluate`: what they print, where, and how they end."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.models.model import load
from bpstream.commands import cli, cohort
from bpstream.settings import Settings
from bpstream.training import readings
from bpstream.training.baselines import BASELINES
from bpstream.training.train import ORIGINAL_NAME
from tests.training.few_trees import few_trees
from tests.training.series import a_file, random_series

SERIES = random_series(patients=40, readings=12, sd=30)


def run(*arguments, **environ):
    """`bpstream ARGUMENTS`, where it is."""
    with few_trees():
        return CliRunner().invoke(
            cli, [str(each) for each in arguments], env=environ, prog_name="bpstream"
        )


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """In a folder and an environment with nothing of ours."""
    monkeypatch.chdir(tmp_path)
    for each in fields(Settings):
        monkeypatch.delenv(f"BPSTREAM_{each.name.upper()}", raising=False)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return a_file(tmp_path_factory.mktemp("data") / "patients.csv", NIBP=SERIES)


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """Patients that `trained` does not know."""
    series = random_series(patients=30, readings=9, seed=5, sd=30)
    return a_file(tmp_path_factory.mktemp("data") / "new.csv", NIBP=series)


@pytest.fixture(scope="module")
def trained(path, tmp_path_factory):
    """A model of the patients in `path`, and what was said."""
    into = tmp_path_factory.mktemp("trained") / "mine"
    return into, run("train", "--data", path, "--into", into, "--resamples", 5)


def test_train_prints_how_it_does_on_patients_it_never_saw_and_writes_a_folder(trained):
    into, done = trained
    assert done.exit_code == 0, done.output
    for target in TARGETS:
        assert f"\n{target}: " in "\n" + done.stdout
    assert done.stdout.endswith(f"written to {into}\n")
    assert "training: write" in done.stderr
    assert load(into).name == "bp_additive"


def test_train_writes_to_models_by_the_name_of_the_family(path):
    done = run("train", "--data", path, "--family", "logistic", "--resamples", 0)
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith(f"written to models/{ORIGINAL_NAME}\n")
    assert load(Path("models") / ORIGINAL_NAME).name == ORIGINAL_NAME
    assert (Path("models") / ORIGINAL_NAME / "bp_logreg.joblib").exists()


def test_train_without_patients_makes_the_original_anew(tmp_path):
    done = run("train", "--into", tmp_path / "model")
    assert done.exit_code == 0, done.output
    assert "precision" in done.stdout
    assert "recall: hypertension alone 0.919, hypotension alone 0.000" in done.stdout
    assert done.stdout.endswith(f"written to {tmp_path / 'model'}\n")
    assert load(tmp_path / "model").name == ORIGINAL_NAME


def test_another_family_needs_patients():
    done = run("train", "--family", "additive")
    assert done.exit_code == 2
    assert "--family additive learns from patients: --data is missing" in done.stderr


def test_evaluate_prints_a_table_of_the_model_beside_its_baselines(trained, strangers):
    done = run("evaluate", "--data", strangers, "--model", trained[0], "--resamples", 5)
    assert done.exit_code == 0, done.output
    version = load(trained[0]).version
    assert done.stdout.startswith(
        f"bp_additive {version} on new.csv, source NIBP: 270 readings of 30 patients\n\n"
    )
    assert "note" not in done.output
    assert "measuring: predict" in done.stderr
    for name in ("model", *BASELINES, "model - four_features"):
        assert f"\n  {name}" in done.stdout


def test_evaluate_says_what_it_left_out(trained, strangers, tmp_path):
    odd = tmp_path / "odd.csv"
    odd.write_text(strangers.read_text() + "x,1,ART,120,80\nx,1,NIBP,120,\nx,2,NIBP,80,120\n")
    done = run("evaluate", "--data", odd, "--model", trained[0], "--resamples", 0)
    assert "left out: 1 of another source, 1 incomplete, 1 implausible\n" in done.stdout


def test_evaluate_says_on_both_ways_that_a_model_knows_the_patients(trained, path):
    done = run("evaluate", "--data", path, "--model", trained[0], "--resamples", 5)
    assert done.exit_code == 0, done.output
    for text in (done.stdout, done.stderr):
        assert "note: all 40 patients are among those that bp_additive was trained on" in text


def test_evaluate_as_json_prints_one_object_and_nothing_beside_it(trained, path):
    done = run("evaluate", "--data", path, "--model", trained[0], "--json", "--resamples", 5)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert tuple(found) == TARGETS
    for report in found.values():
        assert {"n", "prevalence", "model", "baselines"} < set(report)
        assert {"auroc", "auprc", "brier", "calibration_slope", "auroc_ci"} < set(report["model"])
        assert tuple(report["baselines"]) == BASELINES
    # The caution, and no bar.
    assert len(done.stderr.splitlines()) == 1


def test_simulated_patients_are_measured_and_what_is_found_of_their_episodes(monkeypatch):
    monkeypatch.setattr("bpstream.training.simulated.PATIENTS", 20)
    command = ("evaluate", "--data", "simulated", "--resamples", 0)
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert " on simulated, source NIBP: " in done.stdout
    assert "note" not in done.output
    for name in ("any rule", "severe rule", "model", "severe rule or model"):
        assert f"\n  {name} " in done.stdout.partition("detection of")[2]
    assert tuple(json.loads(run(*command, "--json").stdout)) == TARGETS


def test_a_model_of_simulated_patients_knows_them_again(monkeypatch, tmp_path):
    monkeypatch.setattr("bpstream.training.simulated.PATIENTS", 6)
    done = run("train", "--data", "simulated", "--into", tmp_path / "model", "--resamples", 0)
    assert done.exit_code == 0, done.output
    command = ("evaluate", "--data", "simulated", "--model", tmp_path / "model", "--resamples", 0)
    assert "note: all 6 patients" in run(*command).stdout
    assert "note" not in run(*command, "--seed", 1).stdout


def test_the_seed_decides_what_is_printed(trained, strangers):
    command = ("evaluate", "--data", strangers, "--model", trained[0], "--json", "--resamples", 5)
    first, again = run(*command), run(*command)
    assert first.stdout == again.stdout
    assert run(*command, "--seed", 1).stdout != first.stdout


def test_evaluate_draws_pictures(trained, strangers, tmp_path):
    plots = tmp_path / "new" / "plots"
    command = ("evaluate", "--data", strangers, "--model", trained[0], "--resamples", 0, "--json")
    done = run(*command, "--plots", plots)
    assert done.exit_code == 0, done.output
    drawn = sorted(plots.iterdir())
    assert [each.name for each in drawn] == ["precision_recall.png", "reliability.png", "roc.png"]
    assert all(each.read_bytes().startswith(b"\x89PNG") for each in drawn)
    assert json.loads(done.stdout)


def test_evaluate_takes_the_model_that_is_set(trained, strangers):
    command = ("evaluate", "--data", strangers, "--json", "--resamples", 0)
    of_setting = run(*command, BPSTREAM_MODEL=str(trained[0]))
    of_option = run(*command, "--model", trained[0])
    assert of_setting.stdout == of_option.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("evaluate",), 2, "Missing option '--data'"),
        (("evaluate", "--data", "none.csv"), 1, "none.csv cannot be read"),
        (("evaluate", "--data", "{path}", "--source", "ART"), 1, "no readings of source ART"),
        (("evaluate", "--data", "{path}", "--model", "bp_none"), 1, "there is no model 'bp_none'"),
        (("train", "--data", "none.parquet"), 1, "none.parquet cannot be read"),
        (("train", "--data", "{path}", "--family", "oracle"), 2, "'oracle' is not one of"),
        (("train", "--seed", "x"), 2, "not a valid integer"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(path, arguments, status, told):
    done = run(*(each.format(path=path) for each in arguments))
    assert done.exit_code == status
    assert told in done.stderr
    assert "Traceback" not in done.output


def test_the_sources_that_can_be_asked_for_are_those_there_are():
    assert cohort.SOURCES == readings.SOURCES
