"""Garbage collection, for a process that makes objects by the hundred thousand and few cycles."""

import gc
from ctypes import CDLL


def collect_seldom() -> None:
    """What is alive now stays; dictionaries by the thousand would make collections long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def give_back() -> None:
    """Give memory that is free back to the system, where its allocator can do so (glibc's)."""
    trim = getattr(CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
