"""Loops of the hot path in C, where a C compiler was at hand when bpstream was installed.

Whoever uses one does without it as well: msgspec and Python do the same, and take longer.
"""

from ctypes import CDLL, PyDLL, addressof, c_char, c_char_p, c_int64, c_void_p, cast
from hashlib import sha256
from pathlib import Path
from secrets import randbits
from typing import Any

import numpy as np
from numpy.typing import NDArray

Memory = NDArray[Any] | bytes | memoryview

SECRET = randbits(63)
"""Of this process: the loops' hashes begin with it."""

_ANY = c_char * 0

SOURCE = Path(__file__).with_name("loops.c")


def load(library: Path) -> CDLL | None:
    """What was made of the source; None where it is not there, or for another machine."""
    try:
        # A call takes a millisecond at most: to let go of the interpreter for it costs as much as
        # it gains, and hides it from profilers.
        loops = PyDLL(str(library))
    except OSError:
        return None
    loops.write_lines.argtypes = [c_void_p, c_int64, c_void_p, c_void_p, c_int64]
    loops.write_lines.restype = c_int64
    loops.read_shape.argtypes = [
        *(c_char_p, c_void_p, c_void_p, c_int64),
        *(c_char_p, c_void_p, c_void_p, c_int64),
        *(c_void_p, c_void_p, c_void_p, c_void_p),
    ]
    loops.read_shape.restype = c_int64
    loops.read_batches.argtypes = [c_char_p, c_int64, c_void_p, c_void_p, c_void_p]
    loops.read_batches.restype = c_int64
    loops.read_records.argtypes = [
        *(c_char_p, c_int64, c_void_p, c_int64, c_int64),
        *(c_void_p, c_int64),
    ]
    loops.read_records.restype = c_int64
    loops.write_records.argtypes = [
        *(c_void_p, c_void_p, c_int64, c_int64, c_int64),
        *(c_void_p, c_void_p, c_void_p),
        *(c_void_p, c_void_p, c_void_p),
    ]
    loops.write_records.restype = c_int64
    loops.read_times.argtypes = [
        *(c_void_p, c_void_p, c_void_p, c_int64, c_int64),
        *(c_void_p, c_void_p),
    ]
    loops.read_times.restype = None
    loops.write_digests.argtypes = [c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_void_p]
    loops.write_digests.restype = None
    loops.find_alike.argtypes = [
        *(c_void_p, c_void_p, c_void_p, c_int64),
        *(c_void_p, c_int64, c_int64, c_void_p, c_void_p),
    ]
    loops.find_alike.restype = c_int64
    loops.find_ids.argtypes = [c_void_p, c_void_p, c_void_p, c_void_p, c_int64, c_void_p]
    loops.find_ids.restype = None
    loops.add_ids.argtypes = loops.find_ids.argtypes
    loops.add_ids.restype = None
    loops.place_ids.argtypes = [c_void_p]
    loops.place_ids.restype = None
    loops.find_partitions.argtypes = [
        *(c_void_p, c_void_p, c_void_p, c_int64, c_int64),
        c_void_p,
    ]
    loops.find_partitions.restype = None
    loops.crc32c.argtypes = [c_void_p, c_int64, c_int64]
    loops.crc32c.restype = c_int64
    return loops


# hatch_build.py names it by its source: what was made of another one is not taken.
LOOPS = load(SOURCE.with_name(f"loops-{sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"))
"""The loops of loops.c; None where they were not compiled."""


def address(memory: Memory) -> int:
    """Where a contiguous column, or a text, is in memory: only while somebody holds it."""
    if isinstance(memory, bytes):
        return cast(c_char_p(memory), c_void_p).value or 0
    try:  # A quarter of what the other way costs.
        return addressof(_ANY.from_buffer(memory))  # type: ignore[arg-type]
    except TypeError:  # It is not to be changed.
        return int(np.asarray(memory).__array_interface__["data"][0])
