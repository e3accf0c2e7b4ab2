"""What no file of the project says, and what every lock file does."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.text import ROOT


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [ROOT / name for name in listed.stdout.splitlines()]


# Put together, so that this file does not name them either.
HOSTS = [
    *("pypi" + r"\.org", "pythonhosted" + r"\.org", "repo1.maven" + r"\.org", "npmjs" + r"\.org"),
    *("crates" + r"\.io", "repo.maven" + r"\.apache\.org"),
]
FOLDERS = [r"(?<!\w)/" + name + "/" for name in ("root", "work/main", "tmp/dev", "work/shared")]


@pytest.mark.parametrize("words", [HOSTS, FOLDERS], ids=["registries", "folders of a machine"])
def test_no_file_names(words):
    found = [
        (path.relative_to(ROOT).as_posix(), word)
        for path in tracked()
        if path.suffix not in {".png", ".joblib", ".lock"} and path.is_file()
        for word in words
        if re.search(word, path.read_text(errors="replace"))
    ]
    assert found == []


LOCKS = [path for path in tracked() if path.suffix == ".lock"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_lock_file_has_hashes_and_no_addresses(path):
    text = path.read_text()
    assert text.count("==") <= text.count("--hash=sha256:")
    assert "://" not in text
    assert "--index" not in text
