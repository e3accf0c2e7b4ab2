"""`bpstream simulate`: simulated readings on the topic."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice, zip_longest
from typing import IO, TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click
import orjson

from bpstream.commands import common

if TYPE_CHECKING:
    from bpstream.simulator import Message, Round, Simulator

_WARDS_TOLD = 8


@click.command()
@click.option("--patients", default=5, show_default=True, type=click.IntRange(1))
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Readings a second.")
@click.option("--count", type=click.IntRange(1), help="Readings in all; else until Ctrl-C.")
@click.option("--seed", type=int, help="The same seed sends the same readings.")
@click.option(
    "--profile",
    type=click.Choice(["patients", "uniform"]),
    help="How pressures come about; else BPSTREAM_SIMULATE_PROFILE.",
)
@click.option(
    "--speed",
    type=common.Speed(),
    metavar="N[x]",
    help="The patients live so many times as fast; else BPSTREAM_SIMULATE_SPEED.",
)
@click.option(
    "--truth",
    type=click.File("wb", lazy=False),
    help="Write what is known of each reading here, as JSON Lines.",
)
@common.command
def simulate(
    *,
    patients: int,
    rate: float | None,
    count: int | None,
    seed: int | None,
    profile: str | None,
    speed: float | None,
    truth: IO[bytes] | None,
) -> None:
    """Send simulated readings to BPSTREAM_TOPIC.

    Every patient is measured each BPSTREAM_SIMULATE_INTERVAL seconds, unless --rate says
    how many readings a second there are in all.

    With --speed 60x an hour of the patients passes in a minute: their nights, episodes and
    what links one reading to the next.  The Observations have the wall clock's time all the
    same, that of their sending, so that none lies in the future and alarms are live.
    """
    from bpstream.simulator import Simulator
    from bpstream.stream.feed import Feed

    told = {"simulate_profile": profile, "simulate_speed": speed}
    settings = common.settings(**{name: each for name, each in told.items() if each is not None})
    if truth is not None and settings.simulate_profile != "patients":
        raise click.UsageError("--truth: nothing is known of readings but with --profile patients")
    per_second = rate or patients / settings.simulate_interval
    simulator = Simulator(
        patients=patients,
        seed=seed,
        profile=settings.simulate_profile,
        speed=settings.simulate_speed,
    )
    rounds = simulator.rounds(
        start=datetime.now(ZoneInfo(settings.timezone)), interval=patients / per_second
    )
    summary = _Summary()
    with (
        Feed(settings) as feed,
        click.progressbar(
            length=count or 0, label="readings", show_pos=True, hidden=count is None
        ) as bar,
    ):
        began, sent = time.monotonic(), 0
        try:
            for due, message, known in islice(_readings(simulator, rounds, patients), count):
                ahead = began + due / per_second - time.monotonic()
                if ahead > 0:
                    time.sleep(ahead)
                feed.send(message.key, message.value)
                sent += 1
                if known is not None:
                    summary.add(known)
                    if truth is not None:
                        truth.write(orjson.dumps(known) + b"\n")
                bar.update(1)
        except KeyboardInterrupt:
            click.echo(err=True)
    click.echo(f"sent {sent} readings of {patients} patients to {settings.topic}")
    for line in summary.lines():
        click.echo(line)


def _readings(
    simulator: "Simulator", rounds: "Iterable[Round]", patients: int
) -> "Iterator[tuple[int, Message, dict[str, Any] | None]]":
    """The place of each message, had there been no dropouts; the message; what is known of it."""
    for number, each in enumerate(rounds):
        for place, (message, known) in enumerate(
            zip_longest(each.messages, simulator.records(each)), number * patients
        ):
            yield place, message, known


class _Summary:
    """Counts what is known of the readings that were sent."""

    def __init__(self) -> None:
        self._wards = set[str]()
        self._artefacts = Counter[str]()
        self._episodes = set[tuple[str, str, str]]()

    def add(self, known: dict[str, Any]) -> None:
        self._wards.add(known["ward"])
        if known["artefact"]:
            self._artefacts[known["artefact"]] += 1
        if kind := known["episode"]:
            self._episodes.add((kind, known["patient_id"], known["episode_started_at"]))

    def lines(self) -> Iterator[str]:
        """For a person; none where nothing is known."""
        if not self._wards:
            return
        episodes = Counter(kind for kind, *_ in self._episodes)
        more = len(self._wards) - _WARDS_TOLD
        told = ", ".join(sorted(self._wards, key=_number)[:_WARDS_TOLD])
        yield f"  wards      {told}{f' and {more} more' if more > 0 else ''}"
        yield f"  episodes   {_counts(episodes)}"
        yield f"  artefacts  {_counts(self._artefacts)}"


def _number(ward: str) -> int:
    return int(ward.rsplit(maxsplit=1)[-1])


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in found.most_common()) or "none"
