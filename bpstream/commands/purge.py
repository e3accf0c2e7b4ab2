"""`bpstream purge`: readings taken before a time, removed from index and archive."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bpstream.commands import common, progress, sending
from bpstream.settings import Settings

if TYPE_CHECKING:
    from bpstream.purge.done import Done, Left

_OLDEST_YEAR = 1900  # Earlier ones are dead letters.


@click.command()
@click.option(
    "--before",
    required=True,
    type=sending.Time(),
    help="Readings taken before then; without a zone, in BPSTREAM_TIMEZONE.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common.command
def purge(before: datetime, dry_run: bool, yes: bool) -> None:
    """Remove what is stored of readings taken before a time: documents and archived lines.

    Runs beside the workers.  What cannot go now is named, with the reason; doing it again goes
    on.  Topics, counters and the patients' rows stay.  The exit status is 1 where something is
    left that needs somebody's help.
    """
    from bpstream.purge.stores import StoresPurge

    settings = common.settings()
    if before.year < _OLDEST_YEAR:
        raise click.BadParameter(f"no reading is of before {_OLDEST_YEAR}", param_hint="--before")
    at = _whole_millisecond(sending.in_zone(before, settings.timezone))
    if at > datetime.now(UTC):
        raise click.BadParameter(f"{at.isoformat()} is still to come", param_hint="--before")
    if not (dry_run or yes or sys.stdin.isatty()):
        raise click.UsageError("there is no terminal to ask at: give --yes, or --dry-run to look")
    click.echo(f"readings taken before {at.isoformat()}")
    stores = StoresPurge(settings, _microseconds(at))
    removing = False
    try:
        if not yes or dry_run:
            found = _tell(stores.find(progress.passes), "would remove")
            _tell_of_the_rest(settings)
            if dry_run:
                click.echo("a dry run: nothing was removed")
                return
            if not any(each.readings or each.details for each in found):
                click.echo("there is nothing to remove")
                return
            if not click.confirm("Remove them for good?", err=True):
                click.echo("nothing was removed")
                return
        removing = True
        done = _tell(stores.purge(progress.passes), "removed")
    except (KeyboardInterrupt, click.Abort):
        told = (
            "what is gone is gone, the same command goes on" if removing else "nothing was removed"
        )
        click.echo(f"\ninterrupted: {told}", err=True)
        sys.exit(sending.INTERRUPTED)
    if yes:
        _tell_of_the_rest(settings)
    if any(not left.by_itself for each in done for left in each.left):
        sys.exit(common.EXIT_FAILURE)


def _tell(stores: Iterable["Done"], did: str) -> "list[Done]":
    """Print what becomes of each store as it does."""
    found = []
    for done in stores:
        found.append(done)
        how = f" ({'; '.join(done.details)})" if done.details else ""
        click.echo(f"{did} {done.readings} readings from {done.store}{how}")
        for left in done.left:
            click.echo(_left(left))
    return found


def _left(left: "Left") -> str:
    return f"    left: {left.what}: {left.why}"


def _tell_of_the_rest(settings: Settings) -> None:
    topics = [
        settings.topic,
        settings.rekeyed_topic,
        settings.dead_letter_topic,
        settings.alerts_topic,
        *([settings.enriched_topic] if settings.enriched_topic else []),
    ]
    click.echo(f"left: the topics {', '.join(topics)}: Kafka's retention ends them")
    click.echo("left: patients' counters, last readings and alerts: they are the workers' state")


def _whole_millisecond(at: datetime) -> datetime:
    """Elasticsearch keeps no finer time."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _microseconds(at: datetime) -> int:
    from bpstream.document import micros

    return micros(at.isoformat())
