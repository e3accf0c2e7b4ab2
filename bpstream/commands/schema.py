"""`bpstream schema`: what documents, alerts and topics look like, for other programs."""

import json

import click

from bpstream.commands import common


@click.command()
@click.argument("what", type=click.Choice(["document", "alert", "asyncapi"]))
@common.command
def schema(what: str) -> None:
    """Print the JSON Schema of the document or the alert, or the topics as AsyncAPI."""
    from bpstream.asyncapi import asyncapi
    from bpstream.schema import alert, document

    if what == "asyncapi":
        made = asyncapi(common.settings())
    else:
        made = document() if what == "document" else alert()
    click.echo(json.dumps(made, indent=2, ensure_ascii=False))
