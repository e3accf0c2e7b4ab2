"""The loops in C: there where a compiler is, and not needed where none is."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bpstream.compiled import LOOPS, SOURCE

ROOT = Path(__file__).parents[1]
needs_a_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler, as cc")
TESTS = [
    "tests/test_ids.py",
    "tests/test_jsonlines.py",
    "tests/test_texts.py",
    "tests/fhir/test_digests.py",
    "tests/fhir/test_moments.py",
    "tests/fhir/test_shapes.py",
    "tests/stream/test_unpacking.py",
    "tests/stream/test_packing.py",
    "tests/stream/test_partitioner.py",
]


def built(folder: Path, compiler: str) -> Path:
    """The wheel as it is built with this compiler."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "CC": compiler},
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def loops_in(wheel: Path) -> list[str]:
    return [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]


@needs_a_compiler
def test_they_were_compiled_when_bpstream_was_installed():
    assert LOOPS is not None


@needs_a_compiler
def test_a_wheel_that_has_them_is_of_one_platform(tmp_path):
    wheel = built(tmp_path, "cc")
    assert len(loops_in(wheel)) == 1
    assert not wheel.name.endswith("-any.whl")


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_that_works_a_wheel_is_of_python_alone(tmp_path, compiler):
    wheel = built(tmp_path, compiler)
    assert loops_in(wheel) == []
    assert wheel.name.endswith("-py3-none-any.whl")


def library_of_gcc(name: str) -> str:
    """The path of a library that comes with the compiler; its name, where it does not."""
    asked = ["cc", f"-print-file-name={name}"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


@needs_a_compiler
def test_they_stay_within_the_memory_they_are_given(tmp_path):
    """Their own tests, by loops that end the process where they do not."""
    sanitizer = library_of_gcc("libasan.so")
    if not Path(sanitizer).is_absolute():
        pytest.skip("needs AddressSanitizer's library, as gcc has it")
    library = tmp_path / "loops.so"
    subprocess.run(
        [
            *("cc", "-g", "-O1", "-shared", "-fPIC", "-fsanitize=address,undefined"),
            *("-fno-sanitize-recover=all", "-o", str(library), str(SOURCE)),
        ],
        check=True,
    )
    (tmp_path / "watched.py").write_text(
        f"from pathlib import Path\n"
        f"from bpstream import compiled\n"
        f"compiled.LOOPS = compiled.load(Path({str(library)!r}))\n"
        f"assert compiled.LOOPS\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "watched",
            "-p",
            "no:cacheprovider",
            "-m",
            "not services",
            *TESTS,
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "LD_PRELOAD": sanitizer,
            "ASAN_OPTIONS": "detect_leaks=0",  # CPython's own.
            "PYTHONMALLOC": "malloc",  # Of bytes in a pool no end is watched.
            "PYTHONPATH": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
