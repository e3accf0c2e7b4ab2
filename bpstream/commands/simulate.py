"""`bpstream simulate`: simulated readings on the topic."""

import time
from datetime import UTC, datetime

import click

from bpstream.commands import common


@click.command()
@click.option("--patients", default=5, show_default=True, type=click.IntRange(1))
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Readings a second.")
@click.option("--count", type=click.IntRange(1), help="Readings in all; else until Ctrl-C.")
@click.option("--seed", type=int, help="The same seed sends the same readings.")
@common.command
def simulate(patients: int, rate: float | None, count: int | None, seed: int | None) -> None:
    """Send simulated readings to BPSTREAM_TOPIC.

    Every patient is measured each BPSTREAM_SIMULATE_INTERVAL seconds, unless --rate says
    how many readings a second there are in all.
    """
    from bpstream.simulator import Simulator
    from bpstream.stream.feed import Feed

    settings = common.settings()
    per_second = rate or patients / settings.simulate_interval
    simulator = Simulator(patients=patients, seed=seed, profile=settings.simulate_profile)
    messages = simulator.stream(start=datetime.now(UTC), interval=patients / per_second)
    with (
        Feed(settings) as feed,
        click.progressbar(
            length=count or 0, label="readings", show_pos=True, hidden=count is None
        ) as bar,
    ):
        began, sent = time.monotonic(), 0
        try:
            for message in messages:
                feed.send(message.key, message.value)
                sent += 1
                bar.update(1)
                if sent == count:
                    break
                ahead = began + sent / per_second - time.monotonic()
                if ahead > 0:
                    time.sleep(ahead)
        except KeyboardInterrupt:
            click.echo(err=True)
    click.echo(f"sent {sent} readings of {patients} patients to {settings.topic}")
