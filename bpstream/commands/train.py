"""`bpstream train`: the shipped model, made again."""

from pathlib import Path

import click

from bpstream.commands import common


@click.command()
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("models/bp_logreg"),
    show_default=True,
    help="The model's folder.",
)
@common.command
def train(into: Path) -> None:
    """Train the original model, the logistic regression, and print its report."""
    from bpstream.training.train import STEPS
    from bpstream.training.train import train as fit

    with click.progressbar(length=len(STEPS), label="training") as bar:

        def show(step: str) -> None:
            bar.label = step
            bar.update(1)

        report = fit(into, progress=show)
    click.echo(report.classification)
    click.echo(
        f"recall: hypertension alone {report.recall_hypertension:.3f}, "
        f"hypotension alone {report.recall_hypotension:.3f}\n"
        f"AUROC {report.auroc:.3f}, Brier score {report.brier:.3f}"
    )
    click.echo(f"written to {into}")
