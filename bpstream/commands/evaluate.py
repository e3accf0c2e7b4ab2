"""`bpstream evaluate`: how good a model's early warnings are, beside what anybody could tell."""

from pathlib import Path

import click

from bpstream.commands import cohort, common, progress


@click.command()
@cohort.data(required=True)
@click.option(
    "--model",
    "name",
    help="One in models/, or the path of a model's folder.  [default: BPSTREAM_MODEL]",
)
@cohort.SOURCE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and no bar.")
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Draw ROC, precision-recall and reliability into this folder, as PNG.",
)
@cohort.SEED
@cohort.RESAMPLES
@common.command
def evaluate(
    *,
    data: Path,
    name: str | None,
    source: str,
    as_json: bool,
    plots: Path | None,
    seed: int,
    resamples: int,
) -> None:
    """Measure a model on patients, for each state that it warns of.

    Only readings count whose patient is not in the state now and has another reading within four
    hours.  Patients that the model was trained on are told of by models that were trained
    without them, and it is said so.

    Of simulated patients the truth is known: it is told, too, which of their episodes the model
    and the rules find, how late, and at how many false alarms.

    The baselines are fitted by cross-validation: the share of events, a logistic regression of
    the last value, and one of four numbers that a chart shows.
    """
    from bpstream.resources import shipped
    from bpstream.training import detection, readings, report, simulated
    from bpstream.training import plots as pictures
    from bpstream.training.measuring import measure, subject

    made = simulated.simulate(seed) if str(data) == simulated.NAME else None
    if made is not None:
        series = made.series
    else:
        with progress.steps(len(readings.STEPS), "reading", quiet=as_json) as show:
            series = readings.load(data, source=source, progress=show)
    chosen = subject(name or common.settings().model, series, models=shipped("models"))
    with progress.steps(chosen.steps, "measuring", quiet=as_json) as show:
        found = measure(chosen, series, seed=seed, resamples=resamples, progress=show)
    if chosen.caution:
        click.echo(f"note: {chosen.caution}", err=True)
    if as_json:
        click.echo(report.as_json(found.evaluation.report), nl=False)
    else:
        model = chosen.model
        click.echo(
            f"{model.name} {model.version} on {data.name}, source {source}: {len(series):,} "
            f"readings of {len(series.patient_ids):,} patients"
        )
        left_out = [f"{count:,} {reason}" for reason, count in series.left_out.items() if count]
        if left_out:
            click.echo(f"left out: {', '.join(left_out)}")
        if chosen.caution:
            click.echo(f"note: {chosen.caution}")
        click.echo(f"\n{report.table(found.evaluation.report)}")
        if made is not None:
            prevalence = model.early_warning.prevalence
            click.echo(f"\n{detection.table(detection.detected(made, found.told, prevalence))}")
    if plots is not None:
        for path in pictures.draw(found.evaluation.samples, plots):
            click.echo(f"drawn: {path}", err=True)
