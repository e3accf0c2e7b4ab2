"""`bpstream provision`: what Elasticsearch needs before the first document."""

import asyncio
from contextlib import AsyncExitStack

import click

from bpstream.commands import common
from bpstream.errors import SettingsError


@click.command()
@common.command
def provision() -> None:
    """Install the index template in Elasticsearch.  Doing it again changes nothing."""
    from bpstream.stream.sinks import new_index

    settings = common.settings()
    if not settings.elasticsearch_url:
        raise SettingsError("BPSTREAM_ELASTICSEARCH_URL is not set: there is nothing to provision")

    async def install() -> None:
        async with AsyncExitStack() as stack:
            index = await stack.enter_async_context(new_index(settings))
            await index.check()
            await index.prepare()

    asyncio.run(install())
    click.echo(f"the index template {settings.index} is installed")
