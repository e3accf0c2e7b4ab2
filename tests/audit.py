"""`python -m tests.audit [LOCK]`: whether something is known against what the lock file pins.

Asks a service on the net (osv.dev's, or that of PIP_AUDIT_OSV_URL).  Exit status: 0 nothing is
known, or the service cannot be reached, which is told in a line; 1 something is known.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_LOCK = Path(__file__).parents[1] / "requirements.lock"
_ANSWER_WITHIN = 5
"""Seconds."""

_UNREACHABLE = ("requests.exceptions.", "urllib3.exceptions.", "pip_audit._service.")


def main(arguments: Sequence[str]) -> int:
    """Print what is known; the exit status."""
    lock = Path(arguments[0]) if arguments else _LOCK
    options = ["--vulnerability-service", "osv", "--timeout", str(_ANSWER_WITHIN)]
    options += ["--format", "json", "--progress-spinner", "off", "--disable-pip"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *options, "--requirement", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if last.startswith(_UNREACHABLE):
            print(f"audit: skipped, its service cannot be reached: {last[:100]}")
            return 0
        print(f"audit: failed: {last}")
        return 1
    known = [(each, vulnerability) for each in dependencies for vulnerability in each["vulns"]]
    for each, vulnerability in known:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"audit: {each['name']} {each['version']}: {vulnerability['id']}, fixed in {fixed}")
    if not known:
        print(f"audit: nothing is known against {len(dependencies)} packages")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
