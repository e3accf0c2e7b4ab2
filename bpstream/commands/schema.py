"""`bpstream schema`: what documents, alerts and topics look like, for other programs."""

import json

import click

from bpstream.commands import common


@click.command()
@click.argument("what", type=click.Choice(["document", "tombstone", "alert", "asyncapi"]))
@common.command
def schema(what: str) -> None:
    """Print the JSON Schema of document, tombstone or alert, or the topics as AsyncAPI."""
    from bpstream import schema as schemas
    from bpstream.asyncapi import asyncapi

    made = asyncapi(common.settings()) if what == "asyncapi" else getattr(schemas, what)()
    click.echo(json.dumps(made, indent=2, ensure_ascii=False))
