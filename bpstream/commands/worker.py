"""`bpstream worker` and `bpstream demo`."""

import os

import click

from bpstream import __version__
from bpstream.commands import common
from bpstream.errors import SettingsError, StartError
from bpstream.settings import Settings

_DEMO_SPEED = 300.0
"""A reading every five seconds is one every 25 minutes then, as ambulatory monitors take them."""

_LEVELS = click.Choice(["debug", "info", "warning", "error"])

_MINUTES_A_DAY = 24 * 60


@click.command()
@click.option("--log-level", "-l", type=_LEVELS, default="info", show_default=True)
@common.command
def worker(log_level: str) -> None:
    """Run a worker against BPSTREAM_BROKER, as `faust -A bpstream worker` does."""
    _run_worker(Settings.from_env(os.environ), log_level)


@click.command()
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
@click.option(
    "--speed",
    type=common.Speed(),
    default=_DEMO_SPEED,
    envvar="BPSTREAM_SIMULATE_SPEED",
    metavar="N[x]",
    show_default=True,
    help="The patients live so many times as fast as the wall clock.",
)
@click.option("--log-level", "-l", type=_LEVELS, default="warning", show_default=True)
@common.command
def demo(patients: int, interval: float, speed: float, log_level: str) -> None:
    """Run the whole job in one process: broker, patients, classifier, page.

    Needs nothing but Python: the broker is librdkafka's test cluster, in memory, and the
    index is SQLite.  What it stores is in BPSTREAM_DATA_DIR.
    """
    from bpstream.stream.embedded import PARTITIONS, EmbeddedBroker

    for name in ("BPSTREAM_BROKER", "BPSTREAM_PARTITIONS"):
        if os.environ.get(name):
            raise SettingsError(f"{name} does not go with the demo, which brings its own broker")
    with EmbeddedBroker() as broker:
        settings = common.settings(
            broker=f"kafka://{broker.address}",
            partitions=PARTITIONS,
            simulate=patients,
            simulate_interval=interval,
            simulate_speed=speed,
        )
        note = common.broker_note(settings)
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
    fast = ""
    lives = settings.simulate and settings.simulate_profile == "patients"
    if lives and settings.simulate_speed != 1:
        day = _MINUTES_A_DAY / settings.simulate_speed
        fast = f"; they live {settings.simulate_speed:g} times as fast, a day in {day:.3g} min"
    click.echo(
        f"bpstream {__version__}: research and teaching, not a medical device\n"
        f"  page     http://{settings.web_host}:{settings.web_port}/\n"
        f"  broker   {settings.broker}  (topic {settings.topic})\n"
        f"  patients {settings.simulate} simulated, every {settings.simulate_interval:g} s{fast}\n"
        "           counters begin anew, index and archive go on\n"
        f"  index    {index}  (anomalies)\n"
        f"  archive  {settings.archive}  (normal readings)\n"
        "Ctrl-C ends it."
    )


def _run_worker(settings: Settings, log_level: str, *, embedded_run: str = "") -> None:
    from bpstream.stream.app import App
    from bpstream.stream.worker import Worker

    app = App(settings, embedded_run=embedded_run)
    Worker(app, loglevel=log_level.upper(), quiet=True).execute_from_commandline()
