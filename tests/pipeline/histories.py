"""Histories for hypothesis: what a few patients' devices sent, with all that goes wrong."""

from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.pipeline.messages import RUBBISH, Message, Taken, at, body
from tests.pipeline.oracle import Oracle

_SOUND = ("new", "new", "new", "aggregate")
_REPEATING = (*_SOUND, "again", "corrected")


unhurried = settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A history takes its time to draw and to apply, most of all on a busy machine."""


class History(NamedTuple):
    """Messages of one partition, and what should have become of them in the end."""

    messages: list[Message]
    oracle: Oracle


class _Event(NamedTuple):
    what: str
    patient: str
    minute: int
    systolic: int | None
    diastolic: int
    back: int


@st.composite
def histories(
    draw: st.DrawFn, *, patients: int = 3, most: int = 40, repeating: bool = True
) -> History:
    """Observations, Bundles and rubbish; readings out of order, too late, again, corrected.

    What comes again is a reading that its patient's state still holds: an older one is
    another reading, or not, as the chunks are cut.
    """
    event = st.builds(
        _Event,
        what=st.sampled_from(_REPEATING if repeating else _SOUND),
        patient=st.sampled_from([f"p{number}" for number in range(patients)]),
        minute=st.integers(0, 30),
        systolic=st.integers(80, 150) | st.none(),
        diastolic=st.integers(50, 100),
        back=st.integers(0, 15),
    )
    size = draw(st.integers(0, most))
    message = st.tuples(st.integers(30, 32), st.lists(event, max_size=5))
    held, oracle = list[Message](), Oracle()
    for arrived, events in draw(st.lists(message, min_size=size, max_size=size)):
        offset, arrived_at = 2 * len(held), at(arrived)  # Kafka's offsets have gaps
        readings = []
        for number, each in enumerate(events):
            reading = _reading(each, f"o{offset}-{number}", oracle)
            oracle.apply(reading, arrived_at=arrived_at, stood=(0, offset))
            readings.append(reading)
        held.append(Message(offset, body(*readings) if readings else RUBBISH, arrived_at))
    return History(held, oracle)


def _reading(event: _Event, name: str, oracle: Oracle) -> Taken:
    new = Taken(
        name,
        event.patient,
        event.minute,
        event.systolic,
        event.diastolic,
        aggregate=event.what == "aggregate",
    )
    known = oracle.recent(event.patient)
    if event.what in _SOUND or not known:
        return new
    earlier = known[event.back % len(known)]
    if event.what == "again":
        return earlier
    return new._replace(name=earlier.name, version=earlier.version + 1, aggregate=earlier.aggregate)


class Delivery(NamedTuple):
    """The next chunk: its size, the steps of it that are stored, and where it goes on."""

    size: int
    crash_after: int | None
    back: int
    """After a crash, how many messages before the crashed chunk it is delivered again."""


deliveries = st.lists(
    st.builds(
        Delivery,
        size=st.integers(1, 12),
        crash_after=st.none() | st.integers(0, 6),
        back=st.integers(0, 40),
    ),
    max_size=12,
)
