"""`bpstream dead-letters`: what could not be used, and sending it again after a fix."""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from bpstream.commands import common
from bpstream.errors import StartError
from bpstream.settings import Settings

if TYPE_CHECKING:
    from bpstream.stream.letters.fates import Fate
    from bpstream.stream.letters.index import Count, LetterIndex, Selection
    from bpstream.stream.letters.letter import Letter
    from bpstream.stream.letters.reader import LetterReader

_LONG = 20_000
"""Records from which on reading them is worth a progress bar."""
_INTERRUPTED = 130


class _Time(click.ParamType):
    """ISO 8601, in UTC where it names no zone; µs since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-01-29T21:30 or 2026-01-29", param, ctx)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1_000_000)


class _Id(click.ParamType):
    """The id of a letter."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"\d+:\d+:\d+", value):
            self.fail(f"{value!r} is no id such as 2:17:0 (partition:offset:entry)", param, ctx)
        return str(value)


_reasons = click.option("--reason", "reasons", multiple=True, help="Only this; repeatable.")


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show and retry the input that could not be used."""


@dead_letters.command("list")
@_reasons
@click.option("--since", type=_Time(), help="Only letters from then on (ISO 8601).")
@click.option("--until", type=_Time(), help="Only letters before then (ISO 8601).")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@common.command
def list_letters(
    reasons: tuple[str, ...], since: int | None, until: int | None, limit: int, as_json: bool
) -> None:
    """List the newest letters, and count all of them by reason.

    What was found is shown with its digits covered where they may be a pressure; `show` has
    everything.
    """
    from bpstream.stream.letters import shown
    from bpstream.stream.letters.index import Selection

    with _letters(common.settings()) as (_, index):
        selection = Selection(reasons=reasons, since=since, until=until)
        newest, counts = index.newest(selection, limit=limit), index.counts(selection)
    if as_json:
        answer = {
            "letters": [shown.fields(each) for each in newest],
            "by_reason": [each._asdict() for each in counts],
        }
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
        return
    for each in newest:
        click.echo(shown.line(each))
    _tell_counts(counts, listed=len(newest))


@dead_letters.command()
@click.argument("id", type=_Id())
@common.command
def show(id: str) -> None:
    """Print everything of one letter, its body too."""
    from bpstream.stream.letters import shown
    from bpstream.stream.letters.index import Selection

    settings = common.settings()
    with _letters(settings) as (reader, index):
        selection = Selection(ids=(id,))
        _must_exist(index, settings, selection)
        found = sorted(index.newest(selection, limit=-1), key=_place)
        # Several, where topics were made anew or share the dead-letter topic.
        for each, body in reader.bodies(found):
            click.echo(shown.whole(each, body, topic=settings.dead_letter_topic))


@dead_letters.command()
@click.argument("ids", nargs=-1, type=_Id(), metavar="[ID]...")
@_reasons
@click.option("--all", "everything", is_flag=True, help="Every letter.")
@click.option("--dry-run", is_flag=True, help="Send nothing; tell what would become of each.")
@common.command
def retry(ids: tuple[str, ...], reasons: tuple[str, ...], everything: bool, dry_run: bool) -> None:
    """Send letters to BPSTREAM_TOPIC again, each of them once.

    They are judged as what arrives now, with the settings of now.  What cannot be used then
    either becomes a new letter.
    """
    if [bool(ids), bool(reasons), everything].count(True) != 1:
        raise click.UsageError("name the letters in one way: by IDs, by --reason, or --all of them")
    from bpstream.stream.letters.index import Selection

    settings = common.settings()
    with _letters(settings) as (reader, index):
        selection = Selection(reasons=reasons, ids=ids)
        _must_exist(index, settings, selection)
        before = sum(each.retried for each in index.counts(selection))
        judged = _judged(reader, index, selection, settings)
        all_sent = True
        if dry_run:
            _tell_fates(judged)
        else:
            all_sent = _send(judged, settings)
    if before:
        click.echo(f"{before} retried before: not sent again")
    if ids and not all_sent:
        sys.exit(common.EXIT_FAILURE)


Judged = Iterator[tuple["Letter", bytes | None, "Fate"]]


def _judged(
    reader: "LetterReader", index: "LetterIndex", selection: "Selection", settings: Settings
) -> Judged:
    """The letters that were not retried, each with its body and its fate."""
    from bpstream.stream.letters.fates import Fates

    fates = Fates(settings)
    for letter, body in reader.bodies(index.waiting(selection)):
        yield letter, body, fates.of(letter, body)


def _tell_fates(judged: Judged) -> None:
    from bpstream.stream.letters.shown import safe

    fates: Counter[tuple[str, str]] = Counter()
    for letter, _, fate in judged:
        if fate.obstacle:
            fates[letter.reason, f"not sent: {fate.obstacle}"] += 1
        fates.update((letter.reason, each) for each in fate.inputs if not fate.obstacle)
    for (reason, becomes), count in sorted(fates.items()):
        click.echo(f"{count:>8}  {safe(reason)} → {becomes}")
    click.echo("nothing was sent")


def _send(judged: Judged, settings: Settings) -> bool:
    """Send what nothing stands against; tells how many, and why not the others, if there are."""
    from bpstream.stream.letters.fates import Obstacle
    from bpstream.stream.letters.retry import Retrier

    held: Counter[Obstacle] = Counter()
    sent = 0

    def free() -> Iterator[tuple["Letter", bytes | None]]:
        for letter, body, fate in judged:
            if fate.obstacle:
                held[fate.obstacle] += 1
            else:
                yield letter, body

    retrier = Retrier(settings)
    retrier.check()
    try:
        for _, taken in retrier.send(free()):
            sent += taken
            held.update([] if taken else [Obstacle.TOO_LARGE])
    finally:
        click.echo(f"{sent} retried: on {settings.topic} again")
    for obstacle, count in sorted(held.items()):
        click.echo(f"{count} not retried: {obstacle}")
    return not held


@contextmanager
def _letters(settings: Settings) -> Iterator[tuple["LetterReader", "LetterIndex"]]:
    """The topic, read from end to end.  Ctrl-C ends the block, and the command, quietly."""
    from bpstream.stream.letters.index import LetterIndex
    from bpstream.stream.letters.reader import LetterReader

    try:
        with LetterReader(settings) as reader, LetterIndex() as index:
            with click.progressbar(
                reader.records(),
                length=len(reader),
                label="letters",
                file=sys.stderr,
                hidden=len(reader) < _LONG,
            ) as records:
                index.fill(records)
            if index.foreign:
                click.echo(
                    f"{index.foreign} records of {settings.dead_letter_topic} are no letters",
                    err=True,
                )
            yield reader, index
    except KeyboardInterrupt:
        click.echo(err=True)
        sys.exit(_INTERRUPTED)


def _must_exist(index: "LetterIndex", settings: Settings, selection: "Selection") -> None:
    """Raise StartError for an id or a reason that no letter has."""
    known = [each.reason for each in index.counts(type(selection)())]
    unknown = [each for each in selection.reasons if each not in known]
    if unknown:
        raise StartError(
            f"no letter in {settings.dead_letter_topic} has the reason {', '.join(unknown)}; "
            f"there are: {', '.join(known) or 'none'}"
        )
    if missing := index.missing(selection.ids):
        raise StartError(
            f"there is no letter {', '.join(missing)} in {settings.dead_letter_topic}; "
            "`bpstream dead-letters list` names them"
        )


def _tell_counts(counts: "list[Count]", *, listed: int) -> None:
    from bpstream.stream.letters.shown import safe

    total = sum(each.letters for each in counts)
    if not total:
        click.echo("no letters")
        return
    if listed:
        click.echo()
    click.echo(f"{'reason':<22} {'letters':>9} {'retried':>9}")
    for each in counts:
        click.echo(f"{safe(each.reason):<22} {each.letters:>9} {each.retried:>9}")
    if listed < total:
        click.echo(f"the newest {listed} of {total} are listed: --limit lists more")


def _place(letter: "Letter") -> tuple[int, int]:
    return letter.partition, letter.offset
