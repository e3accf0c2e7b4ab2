"""Training: the same bytes from the same patients, and a folder that tells where it is from."""

import json
from dataclasses import replace
from hashlib import sha256

import joblib
import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, VERSION
from bpstream.clinical.models.model import load
from bpstream.errors import FileError
from bpstream.resources import shipped
from bpstream.training import folder
from bpstream.training.examples import seen
from bpstream.training.families import FAMILIES, family_named
from bpstream.training.fingerprints import fingerprints, known
from bpstream.training.train import (
    ORIGINAL_NAME,
    ORIGINAL_STEPS,
    name_of,
    read,
    steps,
    train,
    train_original,
)
from tests.training.few_trees import few_trees
from tests.training.series import a_file, random_series

SERIES = random_series(patients=60, readings=15, sd=30)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The patients' cuff readings, and for some of them those of a line."""
    line = random_series(patients=20, readings=5, seed=1)
    return a_file(tmp_path_factory.mktemp("data") / "patients.csv", NIBP=SERIES, ART=line)


@pytest.fixture(scope="module")
def trained(path, tmp_path_factory):
    """The folder, what was told of it, and the steps."""
    told = []
    with few_trees():
        data = read(path, source="NIBP", progress=told.append)
        into = tmp_path_factory.mktemp("models") / "bp_additive"
        return into, train(data, "additive", into, resamples=10, progress=told.append), told


def contents(path):
    return {each.name: each.read_bytes() for each in path.iterdir()}


def manifest_of(path):
    return json.loads((path / "manifest.json").read_bytes())


def test_what_is_trained_is_served(trained):
    model = load(trained[0])
    assert model.name == "bp_additive"
    told = model.early_warning.probabilities(seen(SERIES))
    assert ((told > 0) & (told < 1)).all()


def test_the_same_patients_and_seed_write_the_same_bytes(trained, path, tmp_path):
    with few_trees():
        train(read(path, source="NIBP"), "additive", tmp_path, resamples=10)
    assert contents(tmp_path) == contents(trained[0])
    assert set(contents(tmp_path)) == {
        *("manifest.json", "model.json", "patients.json", "folds.json", "early_warning.joblib")
    }


def test_the_manifest_tells_the_data(trained, path):
    about = manifest_of(trained[0])
    assert about["data"] == {
        "name": "patients.csv",
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "source": "NIBP",
        "patients": 60,
        "readings": len(SERIES),
    }
    assert about["feature_version"] == VERSION
    assert set(about["features"]) <= set(FEATURES)
    assert {"numpy", "scikit-learn", "scipy", "joblib", "python"} <= set(about["versions"])
    assert str(path.parent) not in json.dumps(about)


def test_the_manifest_tells_what_was_measured_on_patients_who_were_not_trained_on(trained):
    into, made, _ = trained
    metrics = manifest_of(into)["metrics"]
    assert tuple(metrics) == TARGETS
    for target, report in made.report.items():
        assert metrics[target]["model"]["auroc"] == pytest.approx(report.model.auroc, rel=1e-4)
        assert metrics[target]["n"] == report.n
        assert metrics[target]["baselines"].keys() == report.baselines.keys()


def test_the_manifest_tells_how_what_a_worker_observes_is_distributed(trained):
    model = load(trained[0])
    told = model.early_warning.probabilities(seen(SERIES))
    columns = {
        "systolic": SERIES.systolic,
        "diastolic": SERIES.diastolic,
        "risk": model.risk.score(SERIES.systolic, SERIES.diastolic),
        **dict(zip(TARGETS, told, strict=True)),
    }
    assert set(model.distributions) == set(columns)
    for name, column in columns.items():
        reference = model.distributions[name]
        bins = np.searchsorted(reference.edges, column)
        shares = np.bincount(bins, minlength=len(reference.shares)) / len(column)
        assert reference.shares == pytest.approx(shares, abs=0.01)


def test_the_folder_knows_its_patients_by_either_source(trained, path):
    patients = folder.read(trained[0]).patients
    for source in ("NIBP", "ART", "all"):
        assert known(read(path, source=source).series, patients).all()
    strangers = random_series(patients=60, readings=15, seed=9)
    assert not known(strangers, patients).any()
    # Those of the line alone were not trained on, and nothing is said of them.
    assert len(patients) == len(fingerprints(read(path, source="all").series))


def test_a_users_estimator_is_what_is_served(trained):
    estimators = joblib.load(trained[0] / "early_warning.joblib")
    of = seen(SERIES)
    told = load(trained[0]).early_warning.probabilities(of)
    for at, target in enumerate(TARGETS):
        expected = estimators[target].predict_proba(of.features.T)[:, 1]
        assert told[at] == pytest.approx(expected, abs=1e-12)


def test_progress_tells_of_every_step(trained):
    told = trained[2]
    assert len(told) == steps("additive")
    assert told[-1] == "write"
    assert [each for each in told if each.startswith("fold 5")] == [
        f"fold 5, {target}" for target in TARGETS
    ]


def test_an_estimator_that_is_too_large_is_left_out_and_told(path, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MOST_PICKLED", 1000)
    made = train(read(path, source="NIBP"), "logistic", tmp_path, resamples=0)
    assert made.left_out == ("early_warning.joblib",)
    assert set(contents(tmp_path)) == {
        *("manifest.json", "model.json", "patients.json", "folds.json", "bp_logreg.joblib")
    }
    assert load(tmp_path).name == "bp_logreg"


def test_patients_who_are_all_well_teach_no_risk(tmp_path):
    calm = replace(
        SERIES, systolic=np.full(len(SERIES), 120.0), diastolic=np.full(len(SERIES), 75.0)
    )
    data = read(a_file(tmp_path / "calm.csv", NIBP=calm), source="NIBP")
    with pytest.raises(FileError, match="all 900 readings are normal"):
        train(data, "additive", tmp_path / "model", resamples=0)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_asked_for_and_has_a_model_of_its_own(name):
    assert family_named(name).steps
    assert steps(name) > 5 * len(family_named(name).steps)
    assert [name_of(each) for each in FAMILIES].count(name_of(name)) == 1


# The original.


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    into, told = tmp_path_factory.mktemp("original"), []
    train_original(shipped("models") / ORIGINAL_NAME, into, progress=told.append)
    return into, told


def test_the_original_made_anew_is_the_shipped_one(original):
    """The same bytes, but for the versions of the libraries and what comes of them."""
    new, old = (manifest_of(path) for path in (original[0], shipped("models") / ORIGINAL_NAME))
    for manifest in (new, old):
        for changes in ("sha256", "versions", "version"):
            del manifest[changes]
        manifest["risk"]["metrics"] |= manifest["risk"]["metrics"].pop("risks")
    metrics = [each["risk"].pop("metrics") for each in (new, old)]
    assert metrics[0] == pytest.approx(metrics[1], abs=1e-6)
    assert new == old
    held = [folder.read(path) for path in (original[0], shipped("models") / ORIGINAL_NAME)]
    assert held[0].files == held[1].files
    assert held[0].form.early_warning == held[1].form.early_warning


def test_the_original_made_twice_is_the_same(original, tmp_path):
    train_original(original[0], tmp_path)
    assert contents(tmp_path) == contents(original[0])
    assert "bp_logreg.joblib" in contents(tmp_path)


def test_progress_names_every_step_of_the_original_in_order(original):
    assert tuple(original[1]) == ORIGINAL_STEPS
