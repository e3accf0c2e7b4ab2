"""`bpstream train`: the shipped models made again, or one of a person's own patients."""

from pathlib import Path

import click

from bpstream.commands import cohort, common, progress
from bpstream.training.families import FAMILIES

_MODELS = Path("models")


@click.command()
@cohort.data(required=False)
@click.option(
    "--family",
    type=click.Choice(FAMILIES),
    help=f"What learns the early warnings.  [default: {FAMILIES[0]}; logistic without --data]",
)
@cohort.SOURCE
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="The model's folder.  [default: models/bp_FAMILY, of logistic models/bp_logreg]",
)
@cohort.SEED
@cohort.RESAMPLES
@common.command
def train(
    *,
    data: Path | None,
    family: str | None,
    source: str,
    into: Path | None,
    seed: int,
    resamples: int,
) -> None:
    """Train a model on patients, measure it, and write its folder.

    What is printed is cross-validated: every patient is told of by a model of the others.  The
    model that is written has learned from all of them.

    Without --data the original model is made anew, a logistic regression that scores a single
    reading and was fitted to random ones.  Early warnings need patients to learn from; its own
    are taken over from the bp_logreg that comes with bpstream.
    """
    if data is not None:
        _train(data, family or FAMILIES[0], into, source=source, seed=seed, resamples=resamples)
    elif family in {None, "logistic"}:
        _train_original(into)
    else:
        raise click.UsageError(f"--family {family} learns from patients: --data is missing")


def _train(
    path: Path, family: str, into: Path | None, *, source: str, seed: int, resamples: int
) -> None:
    from bpstream.training.report import table
    from bpstream.training.simulated import NAME
    from bpstream.training.train import name_of, read, simulated, steps
    from bpstream.training.train import train as fit

    folder = into or _MODELS / name_of(family)
    with progress.steps(steps(family), "training") as show:
        if str(path) == NAME:
            data = simulated(seed=seed)
        else:
            data = read(path, source=source, progress=show)
        made = fit(data, family, folder, seed=seed, resamples=resamples, progress=show)
    click.echo(table(made.report))
    for name in made.left_out:
        click.echo(f"{name} is left out: it is larger than a megabyte", err=True)
    click.echo(f"\nwritten to {folder}")


def _train_original(into: Path | None) -> None:
    from bpstream.resources import shipped
    from bpstream.training.train import ORIGINAL_NAME, ORIGINAL_STEPS, train_original

    folder = into or _MODELS / ORIGINAL_NAME
    with progress.steps(len(ORIGINAL_STEPS), "training") as show:
        report = train_original(shipped("models") / ORIGINAL_NAME, folder, progress=show)
    click.echo(report.classification)
    click.echo(
        f"recall: hypertension alone {report.recall_hypertension:.3f}, "
        f"hypotension alone {report.recall_hypotension:.3f}\n"
        f"AUROC {report.auroc:.3f}, Brier score {report.brier:.3f}"
    )
    click.echo(f"written to {folder}")
