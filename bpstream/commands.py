"""The commands: `bpstream COMMAND --help`."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from bpstream import __version__
from bpstream.errors import BPStreamError, SettingsError, StartError
from bpstream.settings import Settings

EXIT_FAILURE, EXIT_USAGE = 1, 2
_LEVELS = click.Choice(["debug", "info", "warning", "error"])


@contextmanager
def _told() -> Iterator[None]:
    """An error of ours is one line for a person, and an exit status."""
    try:
        yield
    except BPStreamError as error:
        click.echo(f"bpstream: {error}", err=True)
        sys.exit(EXIT_USAGE if isinstance(error, SettingsError) else EXIT_FAILURE)


def _command(run: Callable[..., None]) -> Callable[..., None]:
    @wraps(run)
    def told(*args: Any, **kwargs: Any) -> None:
        with _told():
            run(*args, **kwargs)

    return told


def _settings(**changed: Any) -> Settings:
    """The environment's settings; the commands find a running demo's broker by its file."""
    environ = dict(os.environ)
    settings = Settings.from_env(environ)
    note = _broker_note(settings)
    if "BPSTREAM_BROKER" not in environ and note.is_file():
        environ["BPSTREAM_BROKER"] = note.read_text().strip()
    environ |= {f"BPSTREAM_{name.upper()}": str(value) for name, value in changed.items()}
    return Settings.from_env(environ)


def _broker_note(settings: Settings) -> Path:
    """Where a running demo says at which address its broker is."""
    return settings.data_dir / "broker"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bpstream")
def cli() -> None:
    """Blood-pressure surveillance on a stream of FHIR Observations.

    Settings come from BPSTREAM_* variables; `bpstream config` lists them.  This is a system
    for research and teaching, not a medical device.
    """


@cli.command()
@click.option("--log-level", "-l", type=_LEVELS, default="info", show_default=True)
@_command
def worker(log_level: str) -> None:
    """Run a worker against BPSTREAM_BROKER, as `faust -A bpstream worker` does."""
    _run_worker(Settings.from_env(os.environ), log_level)


@cli.command()
@click.option(
    "--patients",
    default=5,
    type=click.IntRange(0),
    envvar="BPSTREAM_SIMULATE",
    show_default=True,
    help="Patients that are simulated.",
)
@click.option(
    "--interval",
    default=5.0,
    type=click.FloatRange(0.001),
    envvar="BPSTREAM_SIMULATE_INTERVAL",
    show_default=True,
    help="Seconds between two rounds.",
)
@click.option("--log-level", "-l", type=_LEVELS, default="warning", show_default=True)
@_command
def demo(patients: int, interval: float, log_level: str) -> None:
    """Run the whole job in one process: broker, patients, classifier, page.

    Needs nothing but Python: the broker is librdkafka's test cluster, in memory, and the
    index is SQLite.  What it stores is in BPSTREAM_DATA_DIR.
    """
    from bpstream.stream.embedded import PARTITIONS, EmbeddedBroker

    for name in ("BPSTREAM_BROKER", "BPSTREAM_PARTITIONS"):
        if os.environ.get(name):
            raise SettingsError(f"{name} does not go with the demo, which brings its own broker")
    with EmbeddedBroker() as broker:
        settings = _settings(
            broker=f"kafka://{broker.address}",
            partitions=PARTITIONS,
            simulate=patients,
            simulate_interval=interval,
        )
        note = _broker_note(settings)
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            note.write_text(settings.broker + "\n")
        except OSError as error:
            raise StartError(f"BPSTREAM_DATA_DIR cannot be written: {error}") from None
        _say_where(settings)
        try:
            _run_worker(settings, log_level, embedded_run=broker.run)
        finally:
            # Another demo in this folder, started since, has a note of its own here.
            if note.is_file() and note.read_text().strip() == settings.broker:
                note.unlink()


def _say_where(settings: Settings) -> None:
    from bpstream.stream.sinks import local_index

    index = settings.elasticsearch_url or str(local_index(settings))
    click.echo(
        f"bpstream {__version__}: research and teaching, not a medical device\n"
        f"  page     http://{settings.web_host}:{settings.web_port}/\n"
        f"  broker   {settings.broker}  (topic {settings.topic})\n"
        f"  patients {settings.simulate} simulated, every {settings.simulate_interval:g} s; "
        "counters begin anew, index and archive go on\n"
        f"  index    {index}  (anomalies)\n"
        f"  archive  {settings.archive}  (normal readings)\n"
        "Ctrl-C ends it."
    )


def _run_worker(settings: Settings, log_level: str, *, embedded_run: str = "") -> None:
    from bpstream.stream.app import App
    from bpstream.stream.worker import Worker

    app = App(settings, embedded_run=embedded_run)
    Worker(app, loglevel=log_level.upper(), quiet=True).execute_from_commandline()


@cli.command()
@click.option("--patients", default=5, show_default=True, type=click.IntRange(1))
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Readings a second.")
@click.option("--count", type=click.IntRange(1), help="Readings in all; else until Ctrl-C.")
@click.option("--seed", type=int, help="The same seed sends the same readings.")
@_command
def simulate(patients: int, rate: float | None, count: int | None, seed: int | None) -> None:
    """Send simulated readings to BPSTREAM_TOPIC.

    Every patient is measured each BPSTREAM_SIMULATE_INTERVAL seconds, unless --rate says
    how many readings a second there are in all.
    """
    from bpstream.simulator import Simulator
    from bpstream.stream.feed import Feed

    settings = _settings()
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


@cli.command()
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("models/bp_logreg"),
    show_default=True,
    help="The model's folder.",
)
@_command
def train(into: Path) -> None:
    """Train the original model, the logistic regression, and print its report."""
    from bpstream.training.train import STEPS
    from bpstream.training.train import train as fit

    with click.progressbar(length=len(STEPS), label="training") as bar:

        def show(step: str) -> None:
            bar.label = step
            bar.update(1)

        report = fit(into, progress=show)
    click.echo(report.classification)
    click.echo(
        f"recall: hypertension alone {report.recall_hypertension:.3f}, "
        f"hypotension alone {report.recall_hypotension:.3f}\n"
        f"AUROC {report.auroc:.3f}, Brier score {report.brier:.3f}"
    )
    click.echo(f"written to {into}")


@cli.command()
@_command
def provision() -> None:
    """Install the index template in Elasticsearch.  Doing it again changes nothing."""
    from bpstream.stream.sinks import new_index

    settings = _settings()
    if not settings.elasticsearch_url:
        raise SettingsError("BPSTREAM_ELASTICSEARCH_URL is not set: there is nothing to provision")

    async def install() -> None:
        async with AsyncExitStack() as stack:
            index = await stack.enter_async_context(new_index(settings))
            await index.check()
            await index.prepare()

    asyncio.run(install())
    click.echo(f"the index template {settings.index} is installed")


@cli.command()
@_command
def config() -> None:
    """Print every setting, its value and its default; secrets are hidden."""
    table = Settings.from_env(os.environ).table()
    width = max(len(name) for name, _, _ in table)
    for name, value, default in table:
        changed = "" if value == default else f"   (default: {default or 'empty'})"
        click.echo(f"{name:<{width}}  {value}{changed}")
