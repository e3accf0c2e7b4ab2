"""A model's folder: what is written is read again, and what was changed is refused."""

import json
from io import BytesIO

import joblib
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpstream.clinical.features import VERSION
from bpstream.clinical.models.additive import AdditiveForm, Target, Term
from bpstream.clinical.models.drift import Drift
from bpstream.clinical.models.early_warning import TARGETS
from bpstream.clinical.models.model import MODEL_FORMAT, Form, load
from bpstream.clinical.models.risk import Distance
from bpstream.errors import ModelError
from bpstream.training import folder
from bpstream.training.fingerprints import BYTES

FORM = Form(
    MODEL_FORMAT,
    VERSION,
    ["systolic"],
    Distance(-0.5, 1.0),
    AdditiveForm(
        dict.fromkeys(TARGETS, 0.1),
        {name: Target(-2.0, [Term("systolic", [90.0], [0.1 + 0.2, 0.0])]) for name in TARGETS},
    ),
)
PRINTS = np.array([3, 2**40 - 1, 0, 3], np.uint64)


def write(path, **changed):
    given = {
        "name": "bp_test",
        "form": FORM,
        "files": {
            "patients.json": folder.patients_file(PRINTS),
            "early_warning.joblib": folder.pickled({"severe": [1, 2]}),
        },
        "about": {"early_warning": {"family": "additive"}, "versions": {"scipy": "0"}},
    }
    folder.write(path, **given | changed)
    return path


def test_what_is_written_is_served(tmp_path):
    model = load(write(tmp_path / "new" / "folder"))
    assert model.name == "bp_test"
    assert model.risk == FORM.risk
    assert (
        json.loads((tmp_path / "new/folder/manifest.json").read_bytes())["versions"]["scipy"] > "1"
    )


def test_folds_are_read_again_beside_the_fingerprints_they_belong_to(tmp_path):
    early_warning = FORM.early_warning
    prints = [np.array([9, 3], np.uint64), np.array([5], np.uint64)]
    files = {
        "patients.json": folder.patients_file(np.concatenate(prints)),
        "folds.json": folder.folds_file([early_warning, early_warning], prints),
    }
    held = folder.read(write(tmp_path, files=files))
    assert held.patients.tolist() == [3, 5, 9]
    assert held.folds.fold.tolist() == [0, 1, 0]
    assert held.folds.early_warnings == [early_warning, early_warning]


@pytest.mark.parametrize(
    ("prints", "forms", "message"),
    [
        ([[1, 2]], 1, "or of other patients"),
        ([[3], [5]], 1, "has 1 folds, and patients in others"),
    ],
)
def test_folds_that_do_not_fit_are_refused(tmp_path, prints, forms, message):
    of_folds = [np.array(each, np.uint64) for each in prints]
    files = {
        "patients.json": folder.patients_file(np.array([3, 5, 9][: 4 - len(prints)], np.uint64)),
        "folds.json": folder.folds_file([FORM.early_warning] * forms, of_folds),
    }
    with pytest.raises(ModelError, match=message):
        folder.read(write(tmp_path, files=files))


def test_what_is_written_is_read_again(tmp_path):
    held = folder.read(write(tmp_path))
    assert held.form == FORM  # to the last digit
    assert held.family == "additive"
    assert held.patients.tolist() == [0, 3, 2**40 - 1]
    assert joblib.load(BytesIO(held.files["early_warning.joblib"])) == {"severe": [1, 2]}
    again = tmp_path / "again"
    folder.write(again, name="bp_test", form=held.form, files=held.files, about=held.about)
    assert contents(again) == contents(tmp_path)


def contents(path):
    return {each.name: each.read_bytes() for each in path.iterdir() if each.is_file()}


def test_the_version_tells_other_numbers_apart(tmp_path):
    same, other = (
        load(write(tmp_path / name, form=form)).version
        for name, form in (
            ("same", FORM),
            ("other", msgspec.structs.replace(FORM, risk=Distance(-0.5, 1.1))),
        )
    )
    assert load(write(tmp_path, files={})).version == same != other


def test_nothing_of_an_earlier_model_is_left(tmp_path):
    write(tmp_path)
    write(tmp_path, files={})
    assert set(contents(tmp_path)) == {"manifest.json", "model.json"}
    with pytest.raises(ModelError, match=r"patients\.json cannot be read"):
        folder.read(tmp_path)


@pytest.mark.parametrize("name", ["model.json", "patients.json", "early_warning.joblib"])
def test_a_file_that_was_changed_or_removed_is_named(tmp_path, name):
    path = write(tmp_path) / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelError, match=f"{name} is not what .*manifest.json vouches for"):
        folder.read(tmp_path)
    path.unlink()
    with pytest.raises(ModelError, match=f"{name} cannot be read"):
        folder.read(tmp_path)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "does not tell where the model is from"),
        (b'{"format": "bpstream-patients/1"}', "does not tell where"),
        (b'{"format": "bpstream-patients/1", "fingerprints": 5}', "does not tell where"),
        (b'{"format": "bpstream-patients/1", "fingerprints": "AAAA"}', "not of the format"),
        (b'{"format": "bpstream-patients/2", "fingerprints": ""}', "not of the format bpstream-pa"),
    ],
)
def test_patients_that_cannot_be_read_are_told(tmp_path, body, told):
    write(tmp_path, files={"patients.json": body})
    with pytest.raises(ModelError, match=rf"patients\.json .*{told}"):
        folder.read(tmp_path)


def test_a_manifest_that_tells_no_family_is_told(tmp_path):
    write(tmp_path, about={})
    with pytest.raises(ModelError, match=r"manifest\.json does not tell .*early_warning"):
        folder.read(tmp_path)


@given(st.lists(st.integers(0, 256**BYTES - 1)))
def test_fingerprints_are_kept_in_few_bytes_each(prints):
    body = folder.patients_file(np.array(prints, np.uint64))
    held = msgspec.json.decode(body)
    assert len(held["fingerprints"]) <= (len(prints) * BYTES + 2) / 3 * 4


@given(st.lists(st.integers(0, 5) | st.floats(-10, 10), min_size=1, max_size=200))
def test_a_distribution_is_of_tenths_and_matches_its_own_data(values):
    values = np.array(values, np.float64)
    found = folder.distribution(values)
    assert sum(found.shares) == pytest.approx(1)
    assert len(found.edges) <= 9
    drift = Drift({"it": found.reference()})
    drift.observe({"it": np.tile(values, 1000)})
    assert drift.index()["it"] == pytest.approx(0, abs=1e-9)


def test_the_tenths_of_different_values_are_equal():
    assert folder.distribution(np.arange(1000.0)).shares == pytest.approx([0.1] * 10, abs=0.002)
