"""The Docker stack's secrets: made once, kept from others, and never in a file that is shared."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder

ROOT = Path(__file__).parents[1]
COMPOSE_FILE = ROOT / "compose" / "docker-compose.yml"
SECRETS = ["BPSTREAM_WEB_TOKEN", "KIBANA_ENCRYPTION_KEY", "GRAFANA_ADMIN_PASSWORD"]
REFUSAL = re.compile(r"\$\{(\w+):\?([^}]*)\}")
HAS_COMPOSE = shutil.which("docker") and not subprocess.call(
    ["docker", "compose", "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)


def made(folder: Path, **environment: str) -> str:
    """What compose/make_secrets.py says in a folder that is like compose/."""
    for name in ("make_secrets.py", "docker-compose.yml"):
        shutil.copy(ROOT / "compose" / name, folder / name)
    outside = {name: value for name, value in os.environ.items() if name not in SECRETS}
    done = subprocess.run(
        [sys.executable, folder / "make_secrets.py"],
        env=outside | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def written(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


def test_missing_secrets_are_made_once_for_their_owner_alone(tmp_path):
    told = made(tmp_path)
    assert all(name in told for name in SECRETS)
    first = written(tmp_path)
    assert set(first) == set(SECRETS)
    assert all(len(value) >= 32 for value in first.values())
    assert len(set(first.values())) == len(SECRETS)
    assert not any(value in told for value in first.values())
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert made(tmp_path) == ""
    assert written(tmp_path) == first


def test_a_secret_that_somebody_set_is_left(tmp_path):
    (tmp_path / ".env").write_text("KIBANA_ENCRYPTION_KEY=mine\nGRAFANA_ADMIN_PASSWORD=''")
    (tmp_path / ".env").chmod(0o644)
    made(tmp_path, BPSTREAM_WEB_TOKEN="from outside")
    found = written(tmp_path)
    assert found["KIBANA_ENCRYPTION_KEY"] == "mine"
    # An empty one is none.
    assert len(found["GRAFANA_ADMIN_PASSWORD"]) >= 32
    assert "BPSTREAM_WEB_TOKEN" not in found
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_neither_git_nor_a_source_archive_takes_the_secrets():
    done = subprocess.run(["git", "check-ignore", "-q", "compose/.env"], cwd=ROOT, check=False)
    assert done.returncode == 0
    archive = SdistBuilder(str(ROOT)).config
    assert archive.include_path("compose/docker-compose.yml")
    assert not archive.include_path("compose/.env")


def test_a_missing_secret_says_how_to_make_one():
    told = dict(REFUSAL.findall(COMPOSE_FILE.read_text()))
    assert set(told) == set(SECRETS)
    assert all("make up makes one" in sentence for sentence in told.values())


@pytest.mark.skipif(not HAS_COMPOSE, reason="docker compose is not installed")
@pytest.mark.parametrize("missing", ["", *SECRETS])
def test_docker_takes_the_file_where_all_secrets_are_set(missing):
    secrets = dict.fromkeys(SECRETS, "s" * 32)
    outside = {name: value for name, value in os.environ.items() if name not in secrets}
    secrets.pop(missing, None)
    done = subprocess.run(
        ["docker", "compose", "-f", str(COMPOSE_FILE), "--env-file", os.devnull, "config", "-q"],
        env=outside | secrets,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (not missing)
    assert missing in done.stderr
