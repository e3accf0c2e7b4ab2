"""The models that are shipped, and every way in which a model's files can be at fault."""

import json
import re
import shutil
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, GRIDS, VERSION
from bpstream.clinical.models.early_warning import Seen, reasons
from bpstream.clinical.models.model import load, named
from bpstream.errors import ModelError
from bpstream.resources import shipped
from bpstream.settings import Settings

MODELS = shipped("models")
SHIPPED = sorted(path.parent for path in MODELS.glob("*/manifest.json"))
DEFAULT = MODELS / Settings().model
NAN = float("nan")


@pytest.fixture
def folder(tmp_path):
    """A copy of the default model, to be damaged."""
    return shutil.copytree(DEFAULT, tmp_path / "model")


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


def some(n=200, seed=0):
    """Features drawn from all values that each may have."""
    random = np.random.default_rng(seed)
    return Seen(
        np.array(
            [
                grid.least + random.integers(grid.cells, size=n) / grid.per_unit
                for grid in GRIDS.values()
            ]
        )
    )


# What is shipped.


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_model_is_served_under_the_name_of_its_folder(path):
    model = load(path)
    assert model.name == path.name
    assert re.fullmatch(r"\d+\.\d+\.\d+\+[0-9a-f]{8}", model.version)
    # What the worker watches.
    assert set(model.distributions) == {"systolic", "diastolic", "risk", *TARGETS}
    for each in model.distributions.values():
        assert each.shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_file_is_one_that_the_manifest_vouches_for(path):
    hashes = json.loads((path / "manifest.json").read_bytes())["sha256"]
    found = {each.name: sha256(each.read_bytes()).hexdigest() for each in path.iterdir()}
    del found["manifest.json"]
    assert found == hashes
    assert max(each.stat().st_size for each in path.iterdir()) < 1_000_000


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_model_is_served_without_the_libraries_that_made_it(path):
    code = (
        "import sys; from pathlib import Path; from bpstream.clinical.models.model import load;"
        f"load(Path({str(path)!r}));"
        "print(*{'sklearn', 'scipy', 'joblib', 'xgboost', 'jax', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_default_scores_what_is_too_low_as_it_does_what_is_too_high():
    of = dict(zip(("89/70", "120/80", "185/120"), risk_of((89, 70), (120, 80), (185, 120)),
                  strict=True))  # fmt: skip
    assert of["89/70"] > 0.99
    assert of["185/120"] > 0.99
    assert of["120/80"] < 0.01


@pytest.mark.parametrize(
    ("normal", "anomalous"),
    [
        ((140, 80), (141, 80)),
        ((90, 70), (89, 70)),
        ((120, 90), (120, 91)),
        ((120, 60), (120, 59)),
    ],
)
def test_the_default_predicts_what_the_rules_say_on_whole_mmhg(normal, anomalous):
    below, above = risk_of(normal, anomalous)
    assert below < 0.5 < above


def risk_of(*readings):
    return load(DEFAULT).risk.score(*np.array(readings, np.float64).T).tolist()


def test_the_default_tells_reasons_that_add_up_to_what_it_warns_of():
    model, seen = load(DEFAULT).early_warning, some()
    probabilities = model.probabilities(seen)
    added = model.contributions(seen).sum(axis=1)
    logits = np.log(probabilities / (1 - probabilities))
    # The rest is the intercept, the same for all.
    assert np.ptp(logits - added, axis=1) == pytest.approx(0, abs=1e-6)
    why = reasons(model, seen, probabilities)
    told = [why.of(position) for position in why.at.tolist()]
    assert len(told) > 50
    assert all(each.contribution > 0 for reasons in told for each in reasons)


# What is refused.


@pytest.mark.parametrize("name", ["manifest.json", "model.json"])
def test_a_missing_file_is_named_with_what_makes_one(folder, name):
    (folder / name).unlink()
    missing = re.escape(str(folder / name))
    with pytest.raises(ModelError, match=f"{missing} cannot be read .*bpstream train"):
        load(folder)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"null", b"\xff", b"\x80\x04K\x01."])
@pytest.mark.parametrize("name", ["manifest.json", "model.json"])
def test_a_file_that_is_not_a_models_json_is_named(folder, name, body):
    vouch_for(folder, body) if name == "model.json" else (folder / name).write_bytes(body)
    with pytest.raises(ModelError, match=f"{re.escape(name)} is not the JSON of a model"):
        load(folder)


def test_a_changed_model_is_refused_with_both_hashes(folder):
    with (folder / "model.json").open("ab") as file:
        file.write(b" ")
    with pytest.raises(ModelError, match=r"model\.json has SHA-256 [0-9a-f]{64}, but .* says"):
        load(folder)


def test_a_model_the_manifest_does_not_vouch_for_is_refused(folder):
    rewrite_manifest(folder, sha256={})
    with pytest.raises(ModelError, match="says None"):
        load(folder)


def test_a_manifest_of_another_format_is_refused(folder):
    rewrite_manifest(folder, format="bpstream-manifest/9")
    with pytest.raises(ModelError, match=r"manifest/9'; .* serves bpstream-manifest/2"):
        load(folder)


PREVALENCE = dict.fromkeys(TARGETS, 0.1)
TERM = {"feature": "systolic", "cuts": [90.0], "values": [1.0, 0.0]}


def warning(**changes):
    """An additive early warning, but for what is changed in each target."""
    target = {"intercept": -2.0, "terms": [TERM]} | changes
    return {
        "type": "additive",
        "prevalence": PREVALENCE,
        "targets": dict.fromkeys(TARGETS, target),
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "bpstream-model/3"}, "model/3'; .* serves bpstream-model/2"),
        ({"format": "sklearn"}, "'sklearn'; .* serves bpstream-model/2"),
        (
            {"feature_version": VERSION + 1},
            f"features of version {VERSION + 1}; .* makes version {VERSION}: train",
        ),
        ({"features": ["systolic", "lactate"]}, "the features lactate, .* it makes systolic, "),
        ({"features": None}, r"not the JSON of a model .*\$\.features"),
        ({"risk": {"type": "distance"}}, "not the JSON of a model .*risk"),
        ({"risk": {"type": "oracle"}}, "not the JSON of a model .*'oracle'"),
        ({"risk": {"type": "distance", "intercept": 0, "per_mmhg": NAN}}, "not the JSON"),
        ({"early_warning": {"type": "oracle"}}, "not the JSON of a model .*'oracle'"),
        ({"more": 1}, "not the JSON of a model .*more"),
        ({"early_warning": warning(terms=[TERM | {"feature": "lactate"}])}, "features lactate"),
        ({"early_warning": warning(terms=[TERM | {"cuts": [2, 1]}])}, "2 cuts and 2 values"),
        ({"early_warning": warning(terms=[TERM | {"cuts": [2, 1], "values": [1, 2, 3]}])}, "ascen"),
        ({"early_warning": warning(terms=[TERM, TERM])}, "two terms of one feature"),
        ({"early_warning": warning(terms=[])}, "there are no features"),
        ({"early_warning": warning(terms=[TERM | {"values": [1, "2"]}])}, "not the JSON of a mode"),
        ({"early_warning": warning() | {"targets": {}}}, "there have to be the targets hypotens"),
        (
            {"early_warning": warning() | {"prevalence": {}}},
            "a prevalence between 0 and 1 for each",
        ),
        (
            {"early_warning": warning() | {"prevalence": PREVALENCE | {"severe": 0}}},
            "a prevalence between 0 and 1 for each of hypotension, low_map, severe",
        ),
    ],
)
def test_a_model_of_another_kind_is_refused_with_what_would_do(folder, changes, message):
    rewrite(folder, **changes)
    with pytest.raises(ModelError, match=message) as caught:
        load(folder)
    assert str(folder / "model.json") in str(caught.value)


def test_a_number_beyond_every_number_is_refused(folder):
    body = (folder / "model.json").read_bytes()
    vouch_for(folder, body.replace(b'"intercept":-', b'"intercept":-1e999', 1))
    with pytest.raises(ModelError, match="not the JSON of a model"):
        load(folder)


@pytest.mark.parametrize(
    "distribution",
    [{"edges": [1, 2], "shares": [0.5, 0.5]}, {"edges": [2, 1], "shares": [0.2, 0.3, 0.5]}],
)
def test_a_distribution_that_makes_no_sense_is_refused(folder, distribution):
    rewrite_manifest(folder, distributions={"risk": distribution})
    with pytest.raises(ModelError, match=r"manifest\.json: 2 edges and . shares"):
        load(folder)


def test_the_same_files_load_the_same_whatever_stands_in_them_for_people(folder):
    before = load(folder)
    rewrite_manifest(folder, note="another word", data=None)
    after = load(folder)
    seen = some()
    assert after.risk == before.risk
    same = [each.early_warning.probabilities(seen).tolist() for each in (before, after)]
    assert same[0] == same[1]


def test_a_model_cannot_be_changed():
    with pytest.raises(AttributeError):
        load(DEFAULT).version = "2"


# Where it is.


def test_a_model_is_found_by_its_name_and_by_its_path(folder, monkeypatch):
    assert named(DEFAULT.name, MODELS) == DEFAULT
    assert named(str(folder), MODELS) == folder
    monkeypatch.chdir(folder.parent)
    assert load(named("model", MODELS)).name == DEFAULT.name
    assert load(named("./model", MODELS)).name == DEFAULT.name


@pytest.mark.parametrize("name", ["bp_additiv", "no/such/folder", ".."])
def test_a_name_of_no_model_is_told_with_those_that_are(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=f"no model '{re.escape(name)}': .*{DEFAULT.name}"):
        named(name, MODELS)


def test_every_feature_has_a_grid_in_which_a_table_has_its_cells():
    assert tuple(GRIDS) == FEATURES
    assert all(grid.cells > 1 for grid in GRIDS.values())
