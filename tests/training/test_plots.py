"""Plots: three pictures with a panel for each target, the same bytes every time."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from bpstream.training.evaluation import Sample
from bpstream.training.plots import draw

BLUE = (0x00, 0x72, 0xB2)  # the model's
NAMES = ["roc.png", "precision_recall.png", "reliability.png"]


def a_sample(events=True):
    random = np.random.default_rng(0)
    risk = random.random(400) / 5
    names = ("model", "prevalence", "last_value", "four_features")
    told = {name: np.clip(risk + random.normal(0, 0.02, 400), 0, 1) for name in names}
    return Sample((random.random(400) < risk) & events, told)


SAMPLES = {"hypotension": a_sample(), "low_map": a_sample(), "severe": a_sample(events=False)}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw(SAMPLES, tmp_path_factory.mktemp("plots") / "new")


def blue_of(path):
    """How many pixels of each third of the picture, a panel each, are the model's."""
    pixels = np.round(image.imread(path)[..., :3] * 255)
    return [int((part == BLUE).all(axis=-1).sum()) for part in np.array_split(pixels, 3, axis=1)]


def test_there_is_a_picture_of_each_kind(drawn):
    assert [path.name for path in drawn] == NAMES
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


@pytest.mark.parametrize("number", range(3), ids=NAMES)
def test_the_model_is_drawn_where_there_are_events_and_not_where_there_are_none(drawn, number):
    first, second, without = blue_of(drawn[number])
    assert first > 100
    assert second > 100
    assert without == 0


def test_another_process_draws_the_same_bytes_whatever_a_person_has_set(drawn, tmp_path):
    settings = tmp_path / "matplotlibrc"
    settings.write_text("lines.linewidth: 7\nfont.size: 20\naxes.facecolor: red\n")
    script = (
        "import sys, pathlib\n"
        "from bpstream.training.plots import draw\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from tests.training.test_plots import SAMPLES\n"
        f"draw(SAMPLES, pathlib.Path({str(tmp_path)!r}))\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'which may open windows'"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"MATPLOTLIBRC": str(settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for path in drawn:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_a_picture_that_is_there_is_replaced(drawn, tmp_path):
    (tmp_path / "roc.png").write_bytes(b"old")
    assert draw(SAMPLES, tmp_path)[0].read_bytes() == drawn[0].read_bytes()
