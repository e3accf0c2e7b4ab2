"""Where the shipped folders are found."""

import pytest

from bpstream.errors import StartError
from bpstream.resources import shipped


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "bpstream"
    folder.mkdir()
    return folder


def test_an_installed_package_has_the_folder_inside(package):
    inside = package / "_shipped" / "models"
    inside.mkdir(parents=True)
    (package.parent / "models").mkdir()
    assert shipped("models", package=package) == inside


def test_a_checkout_has_the_folder_beside_the_package(package):
    beside = package.parent / "models"
    beside.mkdir()
    assert shipped("models", package=package) == beside


def test_a_missing_folder_is_an_error_that_names_both_places(package):
    with pytest.raises(StartError, match="the folder dashboards is missing") as caught:
        shipped("dashboards", package=package)
    assert str(package / "_shipped" / "dashboards") in str(caught.value)
    assert str(package.parent / "dashboards") in str(caught.value)


def test_the_models_of_this_bpstream_are_found():
    assert (shipped("models") / "bp_logreg" / "manifest.json").is_file()
