"""The commands: `bpstream COMMAND --help`."""

import click

from bpstream import __version__
from bpstream.commands import (
    config,
    dead_letters,
    ingest,
    provision,
    reconcile,
    replay,
    schema,
    simulate,
    train,
    worker,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bpstream")
def cli() -> None:
    """Blood-pressure surveillance on a stream of FHIR Observations.

    Settings come from BPSTREAM_* variables; `bpstream config` lists them.  This is a system
    for research and teaching, not a medical device.
    """


for _each in (
    worker.demo,
    worker.worker,
    simulate.simulate,
    ingest.ingest,
    replay.replay,
    train.train,
    dead_letters.dead_letters,
    provision.provision,
    reconcile.reconcile,
    config.config,
    schema.schema,
):
    cli.add_command(_each)
