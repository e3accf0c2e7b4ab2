"""The models' card: its figures are those of the manifests, and the manifests those of the data."""

import json

import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.resources import shipped
from bpstream.training import folder
from bpstream.training.families import FAMILIES
from bpstream.training.train import name_of

MODELS = shipped("models")
CARD = (MODELS / "README.md").read_text()
SHIPPED = [name_of(family) for family in FAMILIES]


def manifest_of(name):
    return json.loads((MODELS / name / "manifest.json").read_bytes())


def row_of(title):
    """The cells of a line of the card's tables, by its first one."""
    (line,) = (each for each in CARD.splitlines() if each.startswith(f"| {title} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def told(figures):
    low, high = figures["auroc_ci"]
    return f"{figures['auroc']:.3f} [{low:.3f}, {high:.3f}], {figures['calibration_slope']:.2f}"


def test_every_family_is_shipped_and_nothing_else():
    assert sorted(path.parent.name for path in MODELS.glob("*/manifest.json")) == sorted(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_tells_the_figures_of_the_manifest(name):
    _, *cells = row_of(f"`{name}`")
    metrics = manifest_of(name)["metrics"]
    assert cells[: len(TARGETS)] == [told(metrics[target]["model"]) for target in TARGETS]
    assert f"{(MODELS / name / 'model.json').stat().st_size / 1000:.0f} kB" in cells


@pytest.mark.parametrize("name", ["last_value", "four_features"])
def test_the_card_tells_the_figures_of_the_baselines(name):
    _, *cells = row_of(name)
    metrics = manifest_of("bp_additive")["metrics"]
    assert cells[: len(TARGETS)] == [told(metrics[target]["baselines"][name]) for target in TARGETS]


@pytest.mark.parametrize("name", SHIPPED)
def test_all_shipped_models_are_of_the_same_patients(name):
    one, other = (manifest_of(each) for each in (name, "bp_additive"))
    assert one["data"] == other["data"]
    assert f"{one['data']['patients']:,} patients, {one['data']['readings']:,} readings" in CARD
    held = [folder.read(MODELS / each).patients.tolist() for each in (name, "bp_additive")]
    assert held[0] == held[1]
    for target in TARGETS:
        assert one["metrics"][target]["n"] == other["metrics"][target]["n"]
        assert f"{one['metrics'][target]['n']:,}" in CARD


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "bp_logreg"])
def test_the_card_tells_how_the_risk_agrees_with_the_rules(name):
    risk = manifest_of(name)["risk"]
    kind, *figures = row_of(f"`{name}` risk")[1:]
    assert kind == risk["kind"]
    assert figures == [f"{risk['metrics']['agreement']:.4f}", f"{risk['metrics']['brier']:.4f}"]


# What the default is to be good for, on patients apart; the interval is of the difference.
AIMS = {"hypotension": (0.855, 0.015), "low_map": (0.825, 0.015), "severe": (0.90, 0.0)}


@pytest.mark.parametrize("target", TARGETS)
def test_the_default_keeps_its_aims(target):
    metrics = manifest_of("bp_additive")["metrics"][target]
    least, more = AIMS[target]
    assert metrics["model"]["auroc"] >= least
    assert 0.9 <= metrics["model"]["calibration_slope"] <= 1.1
    assert metrics["difference"]["to"] == "four_features"
    assert metrics["difference"]["auroc"] >= more
    if more:
        assert metrics["difference"]["auroc_ci"][0] > 0
