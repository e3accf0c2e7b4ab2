"""Bars on stderr, for commands whose answer goes to stdout."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click


@contextmanager
def steps(count: int, label: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """What is to be told of each of `count` steps as it begins; `quiet`: nobody is shown it."""
    if quiet:
        yield lambda step: None
        return
    with click.progressbar(length=count, label=label, file=sys.stderr, width=24) as bar:
        begun = 0

        def show(step: str) -> None:
            nonlocal begun
            bar.label = f"{label}: {step}"
            # What has only begun is not done yet.
            bar.update(begun)
            begun = 1

        yield show
        bar.update(begun)


@contextmanager
def passes(label: str, length: int | None) -> Iterator[Callable[[int], None]]:
    """The bar of one pass over `length` pieces, or nobody knows how many."""
    # Without a length it wants something to iterate over, and shows how far it has come.
    of = iter(()) if length is None else None
    shown: Any = click.progressbar(
        of, length=length, label=f"{label:<12}", show_pos=True, file=sys.stderr
    )
    with shown as bar:
        yield bar.update
