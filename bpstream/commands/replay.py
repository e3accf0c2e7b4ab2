"""`bpstream replay`: archived readings, onto the topic again."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import click

from bpstream.commands import common, sending

if TYPE_CHECKING:
    from bpstream.document import Document
    from bpstream.replay.archive import Archive, Part

_AT_ONCE = 1000
_UNREADABLE = "lines that are no documents, told above"


@click.command()
@click.option("--patient", "patients", multiple=True, help="Of this patient; may be repeated.")
@click.option("--since", type=sending.Time(), help="Taken then or later.")
@click.option("--until", type=sending.Time(), help="Taken before then.")
@sending.RATE
@click.option("--dry-run", is_flag=True, help="Count what could be sent; send nothing.")
@common.command
def replay(
    *,
    patients: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    rate: float | None,
    dry_run: bool,
) -> None:
    """Send archived readings to BPSTREAM_TOPIC again, as the Observations they came from.

    A reading keeps its identity: what the worker has counted is not counted or stored again,
    in layout files as far back as it knows a patient's readings.  What would come out as
    another document is not sent; it is counted, and the exit status is then 1.
    """
    from bpstream.replay.archive import Archive
    from bpstream.replay.message import Replayer
    from bpstream.stream.feed import Feed
    from bpstream.stream.parsing import parser_of

    settings = common.settings()
    since, until = (at and sending.in_zone(at, settings.timezone) for at in (since, until))
    wanted = _Wanted(frozenset(patients), since, until)
    archive, replayer = Archive(settings.archive), Replayer(parser_of(settings))
    counts: Counter[str] = Counter()
    try:
        with ExitStack() as stack:
            feed = None if dry_run else stack.enter_context(Feed(settings))
            sender = sending.Sender(feed, rate=rate) if feed else None
            sizes = [part.size for part in archive.parts]
            bar = stack.enter_context(sending.bar("replaying", sizes, lambda: counts[""]))
            for part in archive.parts:
                for chunk in _chunks(archive, part, wanted, counts):
                    for outcome in replayer.outcomes(chunk):
                        counts[outcome.unknown or ""] += 1
                        if sender and outcome.message:
                            headers = _headers(part, outcome.document)
                            sender.send(outcome.document.patient_id, outcome.message, headers)
                bar.next()
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted after {counts['']} readings", err=True)
        sys.exit(sending.INTERRUPTED)
    _tell(counts, "to send; nothing was sent" if dry_run else f"sent to {settings.topic}")


class _Wanted(NamedTuple):
    """Which readings are asked for."""

    patients: frozenset[str]
    """All where it is empty."""
    since: datetime | None
    until: datetime | None

    def holds(self, document: "Document") -> bool:
        if self.patients and document.patient_id not in self.patients:
            return False
        if self.since is None and self.until is None:
            return True
        taken = datetime.fromisoformat(document.timestamp)
        after = self.since is None or taken >= self.since
        return after and (self.until is None or taken < self.until)


def _headers(part: "Part", document: "Document") -> list[tuple[str, bytes]]:
    """Tells the worker whether it is its own state that has counted the document."""
    from bpstream.fhir.times import microseconds
    from bpstream.stream.rekey import archived

    if part.segment is None:
        return []
    at = microseconds(datetime.fromisoformat(document.ingested_at))
    return [archived(part.segment.lineage, at)]


def _chunks(
    archive: "Archive", part: "Part", wanted: _Wanted, counts: Counter[str]
) -> Iterator[list["Document"]]:
    """The documents of a part that are asked for; what cannot be read is told and counted."""
    chunk: list[Document] = []
    for each in archive.documents(part):
        if isinstance(each, tuple):
            place, why = each
            click.echo(f"{archive.folder / place.path}:{place.line + 1}: {why}", err=True)
            counts[_UNREADABLE] += 1
        elif wanted.holds(each):
            chunk.append(each)
        if len(chunk) == _AT_ONCE:
            yield chunk
            chunk = []
    yield chunk


def _tell(counts: Counter[str], done: str) -> None:
    """Print how many there were; end with status 1 if not all could be sent."""
    click.echo(f"{counts.pop('', 0)} readings {done}")
    for why, count in counts.most_common():
        click.echo(f"{count} left out: {why}")
    if counts:
        sys.exit(common.EXIT_FAILURE)
