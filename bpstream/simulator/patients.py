"""Readings that look like patients': levels, nights, episodes and artefacts of their own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from bpstream.errors import SettingsError
from bpstream.simulator.cohort import Cohort
from bpstream.simulator.cuff import Artefact
from bpstream.simulator.episodes import Episode
from bpstream.simulator.observations import Round, observation, roster, written
from bpstream.simulator.people import people

_SEEDED_FROM = 8 * 60.0
"""Minutes after midnight at which a seeded simulation begins, so that a seed says it all."""

_ID_BYTES = 16


class Patients:
    """Patients whose own clock runs `speed` times as fast as that of the calls."""

    def __init__(self, *, patients: int, seed: int | None, speed: float) -> None:
        if not 0 < speed < np.inf:
            raise SettingsError(f"a simulation's speed is a number above 0, not {speed:g}")
        self._speed, self._seed = speed, seed
        self._patients = roster(patients)
        self.people = people(patients, seed)
        self._cohort = Cohort(patients, seed)
        self._ids = np.random.default_rng(None if seed is None else [abs(seed), _ID_BYTES])
        # The time of the first round, and the patients' own then.
        self._began: datetime | None = None
        self._first = _SEEDED_FROM

    def round(self, now: datetime) -> Round:
        """Measure at `now`: an Observation's time, not the patients'.

        The patients' clock starts with the first round: at that time of the day, in the zone
        of `now`, or with a seed at eight in the morning.
        """
        if self._began is None:
            self._began = now.astimezone(UTC)
            if self._seed is None:
                self._first = now.hour * 60.0 + now.minute
        taken_at = written(now)
        elapsed = (now.astimezone(UTC) - self._began).total_seconds() / 60
        measured = self._cohort.measure(self._first + self._speed * elapsed)
        ids = _uuids(self._ids.bytes(_ID_BYTES * len(measured.systolic)))
        messages = [
            observation(identity, self._patients[row], taken_at, systolic, diastolic)
            for identity, row, systolic, diastolic in zip(
                ids,
                measured.truth.patient.tolist(),
                measured.systolic.astype(int).tolist(),
                measured.diastolic.astype(int).tolist(),
                strict=True,
            )
        ]
        return Round(messages, ids, now, measured)

    def records(self, done: Round) -> Iterator[dict[str, Any]]:
        """What is known of each reading of a round of these patients, for JSON."""
        if done.measured is None or self._began is None:
            return
        readings, truth = done.measured, done.measured.truth
        columns = (column.tolist() for column in (readings.systolic, readings.diastolic, *truth))
        for identity, systolic, diastolic, row, minutes, episode, start, artefact, *true in zip(
            done.ids, *columns, strict=True
        ):
            begun = None
            if episode != Episode.NONE:
                after = timedelta(minutes=(start - self._first) / self._speed)
                begun = written(self._began + after)
            yield {
                "observation_id": identity,
                "patient_id": self._patients[row].id,
                "name": self.people[row].name,
                "ward": self.people[row].ward,
                "taken_at": written(done.taken_at),
                "patient_minutes": round(minutes, 3),
                "systolic": int(systolic),
                "diastolic": int(diastolic),
                "true_systolic": round(true[0], 1),
                "true_diastolic": round(true[1], 1),
                "episode": _name(Episode(episode)),
                "episode_started_at": begun,
                "artefact": _name(Artefact(artefact)),
            }


def _name(what: Episode | Artefact) -> str | None:
    return what.name.lower() if what else None


def _uuids(random: bytes) -> list[str]:
    """Random UUIDs, version 4 (RFC 9562): one of each sixteen bytes."""
    octets = np.frombuffer(random, np.uint8).reshape(-1, _ID_BYTES).copy()
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    digits = octets.tobytes().hex()
    return [
        f"{each[:8]}-{each[8:12]}-{each[12:16]}-{each[16:20]}-{each[20:]}"
        for each in (digits[at : at + 32] for at in range(0, len(digits), 32))
    ]
