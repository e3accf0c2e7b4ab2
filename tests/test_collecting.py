"""Memory that is free goes back to the system."""

import sys
from ctypes import CDLL
from pathlib import Path

import pytest

from bpstream.collecting import give_back

MANY, SIZE = 100_000, 600
"""Of objects too large for Python's own allocator, and too small to be mapped one by one."""


def resident() -> int:
    """Bytes."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(CDLL(None), "malloc_trim"), reason="needs glibc"
)
def test_what_lies_below_something_in_use_is_given_back():
    held = [bytes(SIZE) for _ in range(MANY)]
    last = held.pop()
    del held
    before = resident()
    give_back()
    assert before - resident() > MANY * SIZE / 2
    assert last == bytes(SIZE)
