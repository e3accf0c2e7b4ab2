"""The options of the commands that learn from patients, or are measured on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

SOURCES = ("NIBP", "ART", "all")


def data(*, required: bool) -> Callable[[Command], Command]:
    """`--data`."""
    return click.option(
        "--data",
        required=required,
        type=click.Path(path_type=Path),
        help="The patients: a .parquet, .csv or .csv.gz with columns patient_id, t_minutes, sbp, "
        "dbp (mmHg) and perhaps source; or the word simulated.",
    )


SOURCE = click.option(
    "--source",
    type=click.Choice(SOURCES, case_sensitive=False),
    default=SOURCES[0],
    show_default=True,
    help="Which readings: cuff, arterial line, or both, each a series of its own.",
)
SEED = click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Decides folds, draws, and who is simulated.",
)
RESAMPLES = click.option(
    "--resamples",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="How often patients are drawn anew for the intervals.",
)
