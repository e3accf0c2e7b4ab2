"""The docs against the code: what a person may use is written down, and nothing else is told."""

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from bpstream.commands import cli
from bpstream.settings import Settings
from bpstream.web.routes import Routes

ROOT = Path(__file__).parents[1]
DOCS = "\n".join(
    path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")))
)


@pytest.mark.parametrize("name", [f"BPSTREAM_{each.name.upper()}" for each in fields(Settings)])
def test_every_setting_is_documented(name):
    assert f"`{name}`" in DOCS


@pytest.mark.parametrize("each", fields(Settings), ids=lambda each: each.name)
def test_a_setting_that_is_documented_has_the_default_that_is_told(each):
    row = re.search(rf"^\| `BPSTREAM_{each.name.upper()}`(?: or .*)? \| (.*?) \|", DOCS, re.M)
    if row is None or not row[1].startswith("`"):
        return
    default = {"archive_dir": "var/archive"}.get(each.name, each.default)
    told = row[1].strip("`")
    assert told == (f"{default:g}" if isinstance(default, float) else str(default))


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_is_documented(name):
    assert f"`bpstream {name}`" in DOCS


@pytest.mark.parametrize(
    "address",
    sorted(
        {f"{each.method} {each.path}" for each in Routes(None).table() if hasattr(each, "path")}
    ),
)
def test_every_address_is_documented(address):
    if address.startswith("GET /static"):
        return
    told = address.replace(r"{rest:[\s\S]+", "{id}").replace("/?", "").removesuffix("}")
    assert told.rstrip("/") in DOCS


def test_every_make_target_says_what_it_does():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony is not None
    for target in phony[1].split():
        assert re.search(rf"^{target}:.*## \S", makefile, re.M), target


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


def test_the_lock_files_have_hashes_and_no_addresses():
    for name in ("requirements.lock", "requirements-dev.lock", "tests/bench/requirements.lock"):
        text = (ROOT / name).read_text()
        assert text.count("==") <= text.count("--hash=sha256:")
        assert "://" not in text
        assert "--index" not in text
