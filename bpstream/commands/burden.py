"""`bpstream alerts burden`: how often the alarm rules fire on real readings, and what they miss."""

from pathlib import Path

import click
import msgspec

from bpstream.commands import cohort, common, progress
from bpstream.settings import Settings

_STEPS = 3


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Parquet, CSV or .csv.gz file with patient_id, t_minutes, sbp and dbp.",
)
@cohort.SOURCE
@click.option(
    "--rules",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file of alarm rules.  [default: BPSTREAM_ALARM_RULES, else those shipped]",
)
@click.option("--model", help="Whose early warnings are judged.  [default: BPSTREAM_MODEL]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@common.command
def burden(
    *, data: Path, source: str, rules: Path | None, model: str | None, as_json: bool
) -> None:
    """Let the alarm rules judge a file of readings, and count their alarms.

    Prints for each rule the alarms and their number per patient and day, and how many severe
    readings (systolic below 80 or from 180 on, diastolic from 120 on, mean below 55) are in no
    alarm.  Rules of silence and of the ward are not judged: a file tells nothing of either.
    """
    from bpstream.resources import shipped
    from bpstream.training import burden as burdens
    from bpstream.training.readings import load

    settings = common.settings()
    with progress.steps(_STEPS, "judging", quiet=as_json) as show:
        series = load(data, source=source, progress=show)
        show("judge them")
        found = burdens.measure_files(
            series,
            rules=rules or _named(settings),
            model=model or settings.model,
            models=shipped("models"),
        )
    click.echo(msgspec.json.encode(found).decode() if as_json else burdens.table(found))


def _named(settings: Settings) -> Path | None:
    return Path(settings.alarm_rules) if settings.alarm_rules else None
