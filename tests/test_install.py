"""The wheel, away from the checkout: what a person gets who installs it."""

import signal
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.integration.workers import Worker, until

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment that has the wheel, and this one's libraries."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"),
            *("--no-deps", "--no-index", str(wheel)),
        ],
        check=True,
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    # Behind the installed package: the checkout's own, if it is installed, comes later.
    (packages / "libraries.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "bin"


def test_the_wheel_carries_the_models_the_dashboards_and_the_page(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "bpstream/_shipped/models/bp_logreg/model.json" in names
    assert "bpstream/_shipped/dashboards/index-template.json" in names
    page = {"index.html", "page.js", "vendor/uPlot.esm.js", "vendor/uPlot.LICENSE"}
    assert {f"bpstream/web/static/{each}" for each in page} <= names


def test_the_installed_demo_does_the_whole_job_away_from_the_checkout(bin_folder, tmp_path):
    where = subprocess.run(
        [bin_folder / "python", "-c", "import bpstream; print(bpstream.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    assert str(bin_folder.parent) in where
    demo = Worker(tmp_path, {"BPSTREAM_SIMULATE_INTERVAL": "0.5"}, name="demo")
    demo.start(str(bin_folder / "bpstream"), "demo")
    try:
        demo.ready()
        until(lambda: demo.status("/patients/PAT-005/") == 200, 30, demo.told)
        assert demo.patient("PAT-001")["readings"] >= 1
        with urlopen(demo.url) as page:
            assert b"<title>bpstream" in page.read()
        assert demo.stop(signal.SIGINT, within=5) == 0, demo.told()
    finally:
        if not demo.ended():
            demo.kill()
