"""What the commands share: settings, and errors told in one line."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from bpstream.errors import BPStreamError, SettingsError
from bpstream.settings import Settings

EXIT_FAILURE, EXIT_USAGE = 1, 2


@contextmanager
def _told() -> Iterator[None]:
    """An error of ours is one line for a person, and an exit status."""
    try:
        yield
    except BPStreamError as error:
        click.echo(f"bpstream: {error}", err=True)
        sys.exit(EXIT_USAGE if isinstance(error, SettingsError) else EXIT_FAILURE)


def command(run: Callable[..., None]) -> Callable[..., None]:
    """A command that tells an error of ours in one line and ends with its status."""

    @wraps(run)
    def told(*args: Any, **kwargs: Any) -> None:
        with _told():
            run(*args, **kwargs)

    return told


def settings(**changed: Any) -> Settings:
    """The environment's settings; the commands find a running demo's broker by its file."""
    environ = dict(os.environ)
    note = broker_note(Settings.from_env(environ))
    if "BPSTREAM_BROKER" not in environ and note.is_file():
        environ["BPSTREAM_BROKER"] = note.read_text().strip()
    environ |= {f"BPSTREAM_{name.upper()}": str(value) for name, value in changed.items()}
    return Settings.from_env(environ)


def broker_note(settings: Settings) -> Path:
    """Where a running demo says at which address its broker is."""
    return settings.data_dir / "broker"


class Speed(click.ParamType):
    """How many times as fast: 60 or 60x."""

    name = "speed"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; Settings knows its bounds."""
        try:
            return float(str(value).removesuffix("x"))
        except ValueError:
            self.fail(f"{value!r} is not a speed such as 60x", param, ctx)
