"""The model that is shipped, and every way in which a model's files can be at fault."""

import doctest
import json
import re
import shutil
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical import risk
from bpstream.errors import ModelError
from bpstream.resources import shipped

NAN = float("nan")
SHIPPED = shipped("models") / "bp_logreg"
MODEL = risk.load(SHIPPED)


def score_of(systolic, diastolic):
    return MODEL.score(np.array([float(systolic)]), np.array([float(diastolic)]))[0]


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped model, to be damaged."""
    return shutil.copytree(SHIPPED, tmp_path / "bp_logreg")


def rewrite(folder, **changes):
    """Change model.json, and let the manifest vouch for the result."""
    model = folder / "model.json"
    vouch_for(folder, json.dumps(json.loads(model.read_bytes()) | changes).encode())


def vouch_for(folder, body):
    (folder / "model.json").write_bytes(body)
    rewrite_manifest(folder, sha256={"model.json": sha256(body).hexdigest()})


def rewrite_manifest(folder, **changes):
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_bytes()) | changes))


@pytest.mark.parametrize(
    ("systolic", "diastolic", "score"),
    [(89, 70, 0.305), (120, 80, 0.494), (185, 120, 0.910)],
)
def test_the_shipped_model_scores_as_the_original_did(systolic, diastolic, score):
    assert score_of(systolic, diastolic) == pytest.approx(score, abs=0.0005)


def test_the_shipped_model_has_a_name_and_a_version():
    assert (MODEL.name, MODEL.version) == ("bp_logreg", "1.0.0")


@pytest.mark.parametrize(("systolic", "diastolic"), [(NAN, 80), (120, NAN), (NAN, NAN)])
def test_a_reading_that_lacks_a_pressure_has_no_score(systolic, diastolic):
    assert np.isnan(score_of(systolic, diastolic))


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_score_is_a_probability_however_absurd_the_reading(systolic, diastolic):
    assert 0 <= score_of(systolic, diastolic) <= 1


@given(st.floats(30, 350), st.floats(10, 250), st.floats(0, 100))
def test_a_higher_pressure_never_scores_lower(systolic, diastolic, more):
    assert score_of(systolic, diastolic) <= score_of(systolic + more, diastolic)
    assert score_of(systolic, diastolic) <= score_of(systolic, diastolic + more)


def test_a_batch_is_scored_as_its_readings_are_one_by_one():
    systolic, diastolic = np.array([89.0, 120.0, NAN]), np.array([70.0, 80.0, 80.0])
    alone = [score_of(s, d) for s, d in zip(systolic, diastolic, strict=True)]
    assert MODEL.score(systolic, diastolic) == pytest.approx(alone, nan_ok=True)


def test_a_model_cannot_be_changed():
    with pytest.raises(AttributeError):
        MODEL.version = "2"


def test_every_shipped_file_is_the_one_the_manifest_vouches_for():
    hashes = json.loads((SHIPPED / "manifest.json").read_bytes())["sha256"]
    found = {path.name: sha256(path.read_bytes()).hexdigest() for path in SHIPPED.iterdir()}
    del found["manifest.json"]
    assert found == hashes


@pytest.mark.parametrize("name", ["manifest.json", "model.json"])
def test_a_missing_file_is_named_with_what_makes_one(folder, name):
    (folder / name).unlink()
    missing = re.escape(str(folder / name))
    with pytest.raises(ModelError, match=f"{missing} cannot be read .*bpstream train"):
        risk.load(folder)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"null", b"\xff", b"\x80\x04K\x01."])
@pytest.mark.parametrize("name", ["manifest.json", "model.json"])
def test_a_file_that_is_not_a_models_json_is_named(folder, name, body):
    vouch_for(folder, body) if name == "model.json" else (folder / name).write_bytes(body)
    with pytest.raises(ModelError, match=f"{re.escape(name)} is not the JSON of a model"):
        risk.load(folder)


def test_a_changed_model_is_refused_with_both_hashes(folder):
    with (folder / "model.json").open("ab") as file:
        file.write(b" ")
    with pytest.raises(ModelError, match=r"model\.json has SHA-256 [0-9a-f]{64}, but .* says"):
        risk.load(folder)


def test_a_model_the_manifest_does_not_vouch_for_is_refused(folder):
    rewrite_manifest(folder, sha256={})
    with pytest.raises(ModelError, match="says None"):
        risk.load(folder)


def test_a_manifest_of_another_format_is_refused(folder):
    rewrite_manifest(folder, format="bpstream-manifest/9")
    with pytest.raises(ModelError, match=r"manifest/9'; .* serves bpstream-manifest/1"):
        risk.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "bpstream-logistic/2"}, "logistic/2'; .* serves bpstream-logistic/1"),
        ({"format": "sklearn"}, "'sklearn'; .* serves bpstream-logistic/1"),
        ({"features": ["diastolic", "systolic"]}, "features diastolic, systolic; .* is given"),
        ({"features": []}, r"features \(none\)"),
        ({"coefficients": [0.1]}, "has 1 coefficients; its 2 features need one each"),
        ({"coefficients": [0.1, 0.2, 0.3]}, "has 3 coefficients"),
        ({"coefficients": [0.1, "0.2"]}, r"not the JSON of a model .*coefficients\[1\]"),
        ({"intercept": None}, r"not the JSON of a model .*intercept"),
        ({"intercept": NAN}, "not the JSON of a model"),
    ],
)
def test_a_model_of_another_kind_is_refused_with_what_would_do(folder, changes, message):
    rewrite(folder, **changes)
    with pytest.raises(ModelError, match=message) as caught:
        risk.load(folder)
    assert str(folder / "model.json") in str(caught.value)


def test_a_coefficient_beyond_every_number_is_refused(folder):
    body = (folder / "model.json").read_bytes()
    vouch_for(folder, body.replace(b"-4.56", b"-4.56e999"))
    with pytest.raises(ModelError, match="not the JSON of a model"):
        risk.load(folder)


def test_a_model_is_served_without_scikit_learn_and_joblib():
    code = (
        "import sys; from pathlib import Path; from bpstream.clinical import risk;"
        f"risk.load(Path({str(SHIPPED)!r}));"
        "sys.exit(bool({'sklearn', 'scipy', 'joblib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(risk).failed == 0
