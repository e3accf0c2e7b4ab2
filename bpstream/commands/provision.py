"""`bpstream provision`: what Elasticsearch and Kibana need, installed and told."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import click

from bpstream.commands import common
from bpstream.errors import SettingsError, StartError
from bpstream.kibana.outcome import Outcome, Verdict
from bpstream.settings import Settings

_WORDS = {
    Verdict.CREATED: ("created", "would create"),
    Verdict.CHANGED: ("changed", "would change"),
    Verdict.LEFT: ("left", "would leave"),
    Verdict.KEPT: ("kept", "would keep"),
}


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option(
    "--keep", is_flag=True, help="Leave what was changed in Kibana as it is, and say where."
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="Install nothing: write the files to install by hand into this folder.",
)
@common.command
def provision(dry_run: bool, keep: bool, into: Path | None) -> None:
    """Install the index template in Elasticsearch, and views and rules in Kibana.

    Elasticsearch is that of BPSTREAM_ELASTICSEARCH_URL, Kibana that of BPSTREAM_KIBANA_URL; where
    one is not set, the other is provisioned alone.  Doing it again changes nothing.  What
    somebody changed in Kibana is told and changed back, but with --keep.
    """
    settings = common.settings()
    if into is not None:
        _write(into, settings)
        return
    if not settings.elasticsearch_url and not settings.kibana_url:
        raise SettingsError(
            "BPSTREAM_ELASTICSEARCH_URL is not set, nor is BPSTREAM_KIBANA_URL: "
            "there is nothing to provision"
        )
    asyncio.run(_provision(settings, keep=keep, dry_run=dry_run))


async def _provision(settings: Settings, *, keep: bool, dry_run: bool) -> None:
    counted: Counter[Verdict] = Counter()
    async for outcome in _outcomes(settings, keep=keep, dry_run=dry_run):
        counted[outcome.verdict] += 1
        told = f"{_WORDS[outcome.verdict][dry_run]} the {outcome.kind} {outcome.name}"
        click.echo(told + "".join(f"\n    {each}" for each in outcome.differences))
    numbers = ", ".join(f"{counted[each]} {_WORDS[each][0]}" for each in Verdict if counted[each])
    click.echo(f"a dry run, nothing was done; else: {numbers}" if dry_run else numbers)


async def _outcomes(settings: Settings, *, keep: bool, dry_run: bool) -> AsyncIterator[Outcome]:
    from bpstream.kibana.client import Kibana
    from bpstream.kibana.install import install

    if settings.elasticsearch_url:
        async for outcome in _in_elasticsearch(settings, dry_run=dry_run):
            yield outcome
    if settings.kibana_url:
        async with Kibana(
            settings.kibana_url,
            api_key=settings.kibana_api_key,
            username=settings.kibana_username,
            password=settings.kibana_password,
            ca_file=settings.kibana_ca_file,
        ) as kibana:
            await kibana.check()
            async for outcome in install(kibana, settings.index, keep=keep, dry_run=dry_run):
                yield outcome


async def _in_elasticsearch(settings: Settings, *, dry_run: bool) -> AsyncIterator[Outcome]:
    """The index template, and the months where they lack a field."""
    from bpstream.stream import sinks

    async with sinks.template(settings) as template:
        differing, of_months = await template.compare()
        if not dry_run:
            await template.install()
    verdict = Verdict.CREATED if differing is None else _changed_if(bool(differing))
    yield Outcome(verdict, "index template", settings.index, differing or [])
    if of_months:
        yield Outcome(Verdict.CHANGED, "mapping", f"{settings.index}-*", of_months)


def _changed_if(differing: bool) -> Verdict:
    return Verdict.CHANGED if differing else Verdict.LEFT


def _write(folder: Path, settings: Settings) -> None:
    from bpstream.kibana import files
    from bpstream.stream.sinks import template_body

    contents = {
        "index-template.json": json.dumps(template_body(settings), indent=2) + "\n",
        **files.contents(settings.index),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            (folder / name).write_text(text, encoding="utf-8")
            click.echo(folder / name)
    except OSError as error:
        raise StartError(f"{folder} cannot be written: {error}") from error
