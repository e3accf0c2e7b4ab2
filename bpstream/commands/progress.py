"""A bar of named steps, for commands whose answer goes to stdout."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
