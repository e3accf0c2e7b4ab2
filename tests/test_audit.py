"""The audit of what is installed: it tells what is known, and that it could not ask."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.faults.killable import Killable, running

ROOT = Path(__file__).parents[1]
KNOWN = {
    "id": "PYSEC-2026-1",
    "details": "It reads what it should not.",
    "published": "2026-01-01T00:00:00Z",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "bad", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0.1"}]}],
        }
    ],
}


class _Advisories(BaseHTTPRequestHandler):
    """Knows something against `bad`, and fails when asked of `broken`."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        body = json.dumps({"vulns": [KNOWN]} if name == "bad" else {}).encode()
        self.send_response(500 if name == "broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def audit(folder: Path, url: str, *names: str) -> tuple[int, list[str]]:
    lock = folder / "some.lock"
    lock.write_text("".join(f"{name}==1.0.0 --hash=sha256:{'0' * 64}\n" for name in names))
    done = subprocess.run(
        [sys.executable, "-m", "tests.audit", str(lock)],
        cwd=ROOT,
        env={**os.environ, "PIP_AUDIT_OSV_URL": f"{url}/v1/query"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("names", "status", "told"),
    [
        (["good", "better"], 0, "audit: nothing is known against 2 packages"),
        (["good", "bad"], 1, "audit: bad 1.0.0: PYSEC-2026-1, fixed in 1.0.1"),
        (["broken"], 0, "audit: skipped, its service cannot be reached: "),
    ],
)
def test_what_is_known_fails_the_audit_and_is_told_with_what_would_do(
    tmp_path, names, status, told
):
    with running(Killable(_Advisories)) as service:
        found, lines = audit(tmp_path, service.url, *names)
    assert (found, len(lines)) == (status, 1)
    assert lines[0].startswith(told)


def test_a_service_that_is_away_skips_the_audit_with_a_line(tmp_path):
    with running(Killable(_Advisories)) as service:
        url = service.url
    status, lines = audit(tmp_path, url, "good")
    assert status == 0
    (line,) = lines
    assert line.startswith("audit: skipped, its service cannot be reached: ")


def test_what_is_no_lock_file_fails_the_audit(tmp_path):
    with running(Killable(_Advisories)) as service:
        status, lines = audit(tmp_path, service.url, "no hash\n~~~")
    assert status == 1
    assert lines[0].startswith("audit: failed: ")
