"""Simulated patients: a seed in, FHIR Observations out.  It neither sleeps nor sends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from bpstream.errors import SettingsError
from bpstream.simulator.cohort import Measured, Truth
from bpstream.simulator.cuff import Artefact
from bpstream.simulator.episodes import Episode
from bpstream.simulator.observations import Message, Round
from bpstream.simulator.patients import Patients
from bpstream.simulator.series import dataset
from bpstream.simulator.uniform import Uniform

__all__ = [
    "PROFILES",
    "Artefact",
    "Episode",
    "Measured",
    "Message",
    "Round",
    "Simulator",
    "Truth",
    "dataset",
]

PROFILES = ("uniform", "patients")
"""`uniform`: as the original producer drew its readings, each from a range.  `patients`: with
levels, nights, episodes and artefacts, and a ground truth."""


class Simulator:
    """Patients PAT-001, PAT-002 … who are measured in rounds, all at once.

    The same `seed` gives the same messages, ids included (with one version of Faker and of
    numpy); without one every simulator is another.  At `speed` 60 the patients live an hour a
    minute; the uniform profile knows no time.
    """

    def __init__(
        self,
        *,
        patients: int = 5,
        seed: int | None = None,
        profile: str = "uniform",
        speed: float = 1.0,
    ) -> None:
        if profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise SettingsError(f"there is no simulation profile {profile!r}; known: {known}")
        if patients < 1:
            raise SettingsError(f"a simulation needs at least 1 patient, not {patients}")
        self._profile: Uniform | Patients = (
            Patients(patients=patients, seed=seed, speed=speed)
            if profile == "patients"
            else Uniform(patients=patients, seed=seed)
        )

    def observe(self, now: datetime) -> Round:
        """Measure every patient at `now`, which knows its time zone.

        No message's time is another than `now`, whatever the speed.
        """
        return self._profile.round(now)

    def records(self, done: Round) -> Iterator[dict[str, Any]]:
        """The ground truth of each reading of a round of this simulator, for JSON.

        There is none with the uniform profile.
        """
        return self._profile.records(done)

    def round(self, now: datetime) -> list[Message]:
        """The messages of what `observe` gives."""
        return self.observe(now).messages

    def rounds(self, *, start: datetime, interval: float) -> Iterator[Round]:
        """Rounds without end, the first at `start`, the next `interval` seconds later."""
        first = start.astimezone(UTC)
        for number in count():
            # Added in UTC, where no hour is skipped or repeated; told in the zone of `start`.
            at = first + timedelta(seconds=number * interval)
            yield self.observe(at.astimezone(start.tzinfo))

    def stream(self, *, start: datetime, interval: float) -> Iterator[Message]:
        """The messages of these rounds."""
        for each in self.rounds(start=start, interval=interval):
            yield from each.messages
