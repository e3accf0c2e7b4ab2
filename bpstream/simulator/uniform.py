"""The original producer's readings: every pressure of a range is as likely as another.

Systolic and diastolic are independent, so that about one reading in nine has its diastolic
at or above its systolic pressure.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from faker import Faker

from bpstream.simulator.observations import Message, Round, observation, roster, written

# mmHg, both ends included.
_SYSTOLIC_RANGE = (80, 190)
_DIASTOLIC_RANGE = (50, 120)


class Uniform:
    """Draws readings that know nothing of each other."""

    def __init__(self, *, patients: int, seed: int | None) -> None:
        self._patients = roster(patients)
        self._fake = Faker()
        self._fake.seed_instance(seed)

    def round(self, now: datetime) -> Round:
        """One reading of every patient."""
        fake, taken_at = self._fake, written(now)
        messages, ids = list[Message](), list[str]()
        for patient in self._patients:
            # The order in which these are drawn makes the messages of a seed.
            ids.append(str(fake.uuid4()))
            systolic = fake.random_int(*_SYSTOLIC_RANGE)
            diastolic = fake.random_int(*_DIASTOLIC_RANGE)
            messages.append(observation(ids[-1], patient, taken_at, systolic, diastolic))
        return Round(messages, ids, now)

    def records(self, done: Round) -> Iterator[dict[str, Any]]:
        """None: of what is drawn like this nothing is known."""
        del done
        return iter(())
