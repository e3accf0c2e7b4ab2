"""`bpstream config`: every setting as it is."""

import os

import click

from bpstream.commands import common
from bpstream.settings import Settings


@click.command()
@common.command
def config() -> None:
    """Print every setting, its value and its default; secrets are hidden."""
    table = Settings.from_env(os.environ).table()
    width = max(len(name) for name, _, _ in table)
    for name, value, default in table:
        changed = "" if value == default else f"   (default: {default or 'empty'})"
        click.echo(f"{name:<{width}}  {value}{changed}")
