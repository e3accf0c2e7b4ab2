"""Loops of the hot path in C, where a C compiler was at hand when bpstream was installed.

Whoever uses one does without it as well: msgspec and Python do the same, and take longer.
"""

from ctypes import CDLL, PyDLL, c_char_p, c_int64, c_void_p
from hashlib import sha256
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

SOURCE = Path(__file__).with_name("loops.c")


def load(library: Path) -> CDLL | None:
    """What was made of the source; None where it is not there, or for another machine."""
    try:
        # A call takes a millisecond at most: to let go of the interpreter for it costs as much as
        # it gains, and hides it from profilers.
        loops = PyDLL(str(library))
    except OSError:
        return None
    loops.write_lines.argtypes = [c_void_p, c_int64, c_void_p, c_void_p, c_int64, c_int64, c_int64]
    loops.write_lines.restype = c_int64
    loops.read_shape.argtypes = [
        *(c_char_p, c_void_p, c_void_p, c_int64),
        *(c_char_p, c_void_p, c_void_p, c_int64),
        *(c_void_p, c_void_p, c_void_p, c_void_p),
    ]
    loops.read_shape.restype = c_int64
    loops.read_records.argtypes = [
        *(c_char_p, c_int64, c_void_p, c_int64, c_int64),
        *(c_void_p, c_int64),
    ]
    loops.read_records.restype = c_int64
    loops.write_records.argtypes = [
        *(c_void_p, c_void_p, c_int64, c_int64),
        *(c_char_p, c_void_p, c_void_p),
        *(c_char_p, c_void_p, c_void_p),
    ]
    loops.write_records.restype = c_int64
    loops.crc32c.argtypes = [c_void_p, c_int64, c_int64]
    loops.crc32c.restype = c_int64
    return loops


# hatch_build.py names it by its source: what was made of another one is not taken.
LOOPS = load(SOURCE.with_name(f"loops-{sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"))
"""The loops of loops.c; None where they were not compiled."""


def address(column: NDArray[Any]) -> int:
    """Where a contiguous column is in memory: only while somebody holds it."""
    found: int = column.__array_interface__["data"][0]
    return found
