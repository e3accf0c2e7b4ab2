"""`bpstream ingest`: files of messages and tables of readings, onto the topic."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpstream.commands import common, sending
from bpstream.errors import FileError

if TYPE_CHECKING:
    from bpstream.ingest.files import File
    from bpstream.ingest.items import Item, Message
    from bpstream.ingest.reader import Reader
    from bpstream.settings import Settings

_JOURNAL = "ingest.sqlite"
_MOST_TOLD = 20


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@sending.RATE
@click.option("--dry-run", is_flag=True, help="Print what would become of it; send nothing.")
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Leave out what Kafka has confirmed of these files in an earlier call.",
)
@click.option(
    "--start",
    type=sending.Time(),
    default="2024-01-01T00:00:00Z",
    show_default=True,
    help="When minute 0 of a table with t_minutes was.",
)
@click.option(
    "--source",
    type=click.Choice(["NIBP", "ART", "all"], case_sensitive=False),
    default="all",
    show_default=True,
    help="Which rows of a table: cuff, arterial line or all.",
)
@common.command
def ingest(
    *,
    paths: tuple[Path, ...],
    rate: float | None,
    dry_run: bool,
    resume: bool,
    start: datetime,
    source: str,
) -> None:
    """Send files to BPSTREAM_TOPIC: PATHs are files, folders, or - for stdin.

    \b
    .json           FHIR: an Observation, Bundle or notification
    .ndjson .jsonl  a message a line; stdin as well
    .csv .parquet   readings, a row each: patient_id, timestamp or t_minutes,
                    sbp, dbp, mbp (mmHg), source (ART or NIBP)

    Any of them may be gzipped (.gz).  What cannot be read is told by file and line, and the
    rest goes on; the exit status is then 1.  After an interruption the same call goes on from
    where Kafka has it.
    """
    from bpstream.ingest.documents import MOST_BYTES
    from bpstream.ingest.reader import Reader
    from bpstream.stream.parsing import parser_of

    settings, problems = common.settings(), _Problems()
    start = sending.in_zone(start, settings.timezone)
    source = "" if source.lower() == "all" else source.upper()
    files = _files(paths, problems)

    def reader(room: int) -> Reader:
        return Reader(parser_of(settings), room=room, start=start, source=source)

    try:
        if dry_run:
            _show_fates(settings, files, reader(MOST_BYTES), problems)
        else:
            options = f"start={start.isoformat()}&source={source}"
            _send(settings, files, reader, problems, rate=rate, resume=resume, options=options)
    except KeyboardInterrupt:
        more = "" if dry_run else ": the same call goes on from here"
        click.echo(f"\ninterrupted{more}", err=True)
        sys.exit(sending.INTERRUPTED)
    if problems.count:
        what = "what is told above" if problems.count == 1 else f"the {problems.count} told above"
        click.echo(f"bpstream: all was read but {what}", err=True)
        sys.exit(common.EXIT_FAILURE)


class _Problems:
    """Tells what cannot be read, the first ones of each file, and counts all."""

    def __init__(self) -> None:
        self.count = 0
        self.left_out = 0
        """Resources of other types."""
        self.damaged: set[str] = set()
        """Files that were not read to their end."""
        self._of_file: Counter[str] = Counter()

    def tell(self, file: object, what: object, *, line: int = 0) -> None:
        self.count += 1
        name = str(file)
        self._of_file[name] += 1
        if self._of_file[name] <= _MOST_TOLD:
            click.echo(f"{name}:{line}: {what}" if line else f"{name}: {what}", err=True)

    def close(self, file: object) -> None:
        """Tell how many of a file were not told."""
        if (more := self._of_file[str(file)] - _MOST_TOLD) > 0:
            click.echo(f"{file}: and {more} more like these", err=True)


def _files(paths: tuple[Path, ...], problems: _Problems) -> list["File"]:
    """The files below `paths`, each once."""
    from bpstream.ingest.files import below

    found: dict[Path, File] = {}
    for path in paths:
        try:
            found |= {file.path: file for file in below(path)}
        except (OSError, FileError) as error:
            problems.tell(path, error)
    return list(found.values())


def _messages(file: "File", items: Iterator["Item"], problems: _Problems) -> Iterator["Message"]:
    """The messages among the items of a file; its problems are told."""
    from bpstream.ingest.items import Message, Problem

    for item in items:
        if isinstance(item, Problem):
            problems.tell(file, item.what, line=item.line)
            if item.ends:
                problems.damaged.add(str(file))
        elif isinstance(item, Message):
            yield item
        else:
            problems.left_out += 1
    problems.close(file)


def _show_fates(
    settings: "Settings", files: list["File"], reader: "Reader", problems: _Problems
) -> None:
    """Print a table of fates."""
    from bpstream.fhir.reasons import Passed
    from bpstream.ingest.fates import Fates
    from bpstream.stream.parsing import parser_of

    fates, messages = Fates(parser_of(settings)), 0
    with sending.bar("reading", [file.size() for file in files], lambda: messages) as bar:
        for file in files:
            for message in _messages(file, reader.items(file), problems):
                fates.add(message.value)
                messages += 1
                bar.reached(message.read)
            bar.next()
    fates.close()
    fates.counts["ignored", str(Passed.OTHER_RESOURCE)] += problems.left_out
    for fate, reason, count in fates.table():
        click.echo(f"{fate:<12} {reason:<22} {count:>10}")
    click.echo(f"{messages} messages in {_files_of(len(files))}; nothing was sent")


def _send(
    settings: "Settings",
    files: list["File"],
    reader: Callable[[int], "Reader"],
    problems: _Problems,
    *,
    rate: float | None,
    resume: bool,
    options: str,
) -> None:
    """Send what no earlier call has sent, and remember what Kafka has."""
    from bpstream.ingest.journal import Journal
    from bpstream.stream.feed import Feed

    already = 0
    with ExitStack() as stack:
        feed = stack.enter_context(Feed(settings))
        of_room, target = reader(feed.room), f"{feed.cluster}/{settings.topic}"
        journal = stack.enter_context(
            Journal(settings.data_dir / _JOURNAL, target=target, options=options)
        )
        sender = sending.Sender(feed, rate=rate, confirmed=journal.save)
        sizes = [file.size() for file in files]
        bar = stack.enter_context(sending.bar("sending", sizes, lambda: sender.sent))
        try:
            for file in files:
                sent = journal.of(file, resume=resume)
                already += sent.complete
                items = iter(()) if sent.complete else of_room.items(file, done=sent.done)
                for message in _messages(file, items, problems):
                    sender.send(message.key, message.value)
                    sent.note(message.done)
                    sender.look()
                    bar.reached(message.read)
                if str(file) not in problems.damaged:
                    sent.note(sent.done, complete=True)
                bar.next()
        except KeyboardInterrupt:
            sender.flush()
            raise
        sender.flush()
    told = f"sent {sender.sent} messages of {_files_of(len(files) - already)} to {settings.topic}"
    if already:
        told += f"; {_files_of(already)} sent by an earlier call left out (--no-resume sends again)"
    if problems.left_out:
        told += f"; {problems.left_out} resources of other types left out"
    click.echo(told)


def _files_of(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"
