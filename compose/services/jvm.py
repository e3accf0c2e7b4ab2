"""Java and Maven: found, checked, and asked once for the jars of a service."""
# ruff: noqa: S603, T201 - it starts programs and talks to a person.

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
OLDEST_JAVA = 17
_GET_JAVA = f"install a JDK of {OLDEST_JAVA} or later, or set JAVA_HOME to one"


class ServiceError(Exception):
    """A service cannot be started or stopped; the message names it and what would do."""

    status = 1


class MissingError(ServiceError):
    """Java or Maven is not there, or too old."""

    status = 3


def find_java() -> str:
    """The java of JAVA_HOME, else of PATH; raises MissingError where it is not 17 or later."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if not java:
        raise MissingError(f"java is not in {f'{home}/bin' if home else 'PATH'}: {_GET_JAVA}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if not version:
        raise MissingError(f"{java} does not tell its version: {_GET_JAVA}")
    if int(version[1]) < OLDEST_JAVA:
        raise MissingError(f"{java} is version {version[1]}: {_GET_JAVA}")
    return java


def build(name: str) -> Path:
    """The folder with the jars of service `name`, resolved by Maven where its sources changed.

    Two that ask at once build it once.  A build that was interrupted counts for nothing.
    """
    source = HERE / name
    target = source / "target"
    home, stamp = target / "home", target / "built"
    wanted = _digest(path for path in source.rglob("*") if target not in path.parents)
    target.mkdir(exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            mvn = _find_mvn()
            print(f"{name}: Maven resolves it, once; this can take minutes", flush=True)
            # A jar of the version before would stay on the class path.
            shutil.rmtree(home, ignore_errors=True)
            options = ["-B", "-q", "-ntp", "-Dstyle.color=never", "-f", str(source / "pom.xml")]
            run([mvn, *options, "package"], f"{name}: Maven failed")
            stamp.write_text(wanted)
    return home


def run(command: Sequence[str], failure: str) -> None:
    """Run to its end in silence; raise ServiceError, `failure` and its last words, if it fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise ServiceError(f"{failure}; {last_lines(done.stdout)}")


def last_lines(text: str) -> str:
    """The end of an output, fit for an error."""
    lines = text.strip().splitlines()[-12:]
    return "\n  ".join(["it said last:", *lines]) if lines else "it said nothing"


def _find_mvn() -> str:
    mvn = shutil.which("mvn")
    if not mvn:
        raise MissingError("mvn is not in PATH: install Maven")
    java = find_java()
    beside = Path(java).resolve().parent
    if not (shutil.which("javac", path=str(beside)) or shutil.which("javac")):
        raise MissingError(f"{java} has no javac beside it: {_GET_JAVA}")
    return mvn


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
