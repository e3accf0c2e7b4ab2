"""Garbage collection, for a process that makes objects by the hundred thousand and few cycles."""

import gc


def collect_seldom() -> None:
    """What is alive now stays; dictionaries by the thousand would make collections long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
