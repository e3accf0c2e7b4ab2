"""The commands: `bpstream COMMAND --help`."""

import click

from bpstream import __version__
from bpstream.commands import (
    alerts,
    config,
    dead_letters,
    evaluate,
    ingest,
    limits,
    provision,
    purge,
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
    evaluate.evaluate,
    dead_letters.dead_letters,
    alerts.alerts,
    limits.limits,
    provision.provision,
    reconcile.reconcile,
    purge.purge,
    config.config,
    schema.schema,
):
    cli.add_command(_each)
