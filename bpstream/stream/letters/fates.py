"""Fates: what a worker would make of a letter now, and what stands against a retry."""

import time
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from bpstream.reading import Flag, Kind
from bpstream.settings import Settings
from bpstream.stream.letters.letter import Letter
from bpstream.stream.parsing import parser_of


class Obstacle(StrEnum):
    """Why a letter is not sent again."""

    TRUNCATED = "only the head of it was kept: send the original again"
    OTHER_TOPIC = "it came from another topic than BPSTREAM_TOPIC: set that to retry it"
    UNDATED = "it has no time, and a retry would date it now: send it with its time"
    TOO_LARGE = "it is larger than BPSTREAM_TOPIC takes: raise max.message.bytes there"


class Fate(NamedTuple):
    """What becomes of a letter that is sent again."""

    inputs: tuple[str, ...]
    """One for each input: `reading`, `aggregate`, `retraction`, `ignored: …`, `dead letter: …`."""
    obstacle: Obstacle | None


class Fates:
    """Tells fates by the worker's own parser, with its settings."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic
        self._parser = parser_of(settings)

    def of(self, letter: Letter, body: bytes | None) -> Fate:
        """The fate of a letter that arrives now.

        A retry is judged by when it arrives: with its first arrival a crisis of last week
        would raise an alarm today.  An Observation whose only time was that arrival would get
        a wrong one, and is not sent.
        """
        if letter.truncated:
            return Fate((), Obstacle.TRUNCATED)
        if letter.topic != self._topic:
            return Fate((), Obstacle.OTHER_TOPIC)
        parsed = self._parser.parse([body], np.array([time.time_ns() // 1000]))
        readings = parsed.readings
        inputs = [Kind(kind).name.lower() for kind in readings.kind.tolist()]
        inputs += ["retraction" for _ in parsed.retractions]
        inputs += [f"dead letter: {each.reason}" for each in parsed.rejected]
        inputs += [f"ignored: {each.reason}" for each in parsed.ignored]
        undated = (readings.flags & np.uint32(Flag.TIME_FROM_ARRIVAL)).any()
        return Fate(tuple(inputs), Obstacle.UNDATED if undated else None)
