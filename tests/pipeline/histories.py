"""Histories for hypothesis: what a few patients' devices sent, with all that goes wrong."""

from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bpstream.patients import RECENT
from tests.pipeline.messages import RETRACTED, RUBBISH, Message, Taken, at, body
from tests.pipeline.oracle import Oracle

_SOUND = ("new", "new", "new", "aggregate")
_RETURNING = (*_SOUND, "many", "again", "corrected", "amended", "retracted", "retracted")
_LAST_MONTH = -31 * 24 * 60


unhurried = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
    version: int
    """Of a retraction: 0 is every version, else that of the reading or one beside it."""


@st.composite
def histories(
    draw: st.DrawFn, *, patients: int = 3, most: int = 40, returning: bool = True
) -> History:
    """Observations, Bundles and rubbish; readings out of order, too late, again, corrected.

    What comes again, or in a later version with no word of it, is a reading that its patient's
    state still holds: an older one is another reading, or not, as the chunks are cut.
    """
    event = st.builds(
        _Event,
        what=st.sampled_from(_RETURNING if returning else _SOUND),
        patient=st.sampled_from([f"p{number}" for number in range(patients)]),
        minute=st.integers(0, 30) | st.just(_LAST_MONTH),
        systolic=st.integers(80, 150) | st.none(),
        diastolic=st.integers(50, 100),
        back=st.integers(0, 40),
        version=st.integers(0, 3),
    )
    size = draw(st.integers(0, most))
    message = st.tuples(st.integers(30, 32), st.lists(event, max_size=5))
    held, oracle = list[Message](), Oracle()
    for arrived, events in draw(st.lists(message, min_size=size, max_size=size)):
        offset, arrived_at = 2 * len(held), at(arrived)  # Kafka's offsets have gaps
        readings = []
        for number, each in enumerate(events):
            for reading in _readings(each, f"o{offset}-{number}", oracle):
                oracle.apply(reading, arrived_at=arrived_at, stood=(0, offset))
                readings.append(reading)
        held.append(Message(offset, body(*readings) if readings else RUBBISH, arrived_at))
    return History(held, oracle)


def _readings(event: _Event, name: str, oracle: Oracle) -> list[Taken]:
    new = Taken(
        name,
        event.patient,
        event.minute,
        event.systolic,
        event.diastolic,
        aggregate=event.what == "aggregate",
    )
    if event.what == "many":
        return [new._replace(name=f"{name}-{number}") for number in range(RECENT)]
    recent, ever = oracle.recent(event.patient), oracle.earlier(event.patient)
    known = recent if event.what in ("again", "corrected") else ever
    if event.what in _SOUND or not known:
        return [new._replace(status=RETRACTED if event.what == "retracted" else new.status)]
    earlier = known[-1 - event.back % len(known)]
    same = new._replace(name=earlier.name, version=earlier.version, aggregate=earlier.aggregate)
    match event.what:
        case "again":
            return [earlier._replace(status="final")]
        case "corrected":
            return [same._replace(version=earlier.version + 1)]
        case "amended":  # perhaps what is known already, or an older version
            version = max(0, earlier.version + event.version - 1)
            return [same._replace(version=version, status="amended")]
        case _:
            version = event.version and max(0, earlier.version + event.version - 2)
            return [same._replace(version=version, status=RETRACTED)]


class Delivery(NamedTuple):
    """The next chunk: its size, the steps of it that are stored, and where it goes on."""

    size: int
    crash_after: int | None
    torn: bool
    """Whether the step that was lost in the crash has left its documents in the stores."""
    back: int
    """After a crash, how many messages before the crashed chunk it is delivered again."""


deliveries = st.lists(
    st.builds(
        Delivery,
        size=st.integers(1, 12),
        crash_after=st.none() | st.integers(0, 6),
        torn=st.booleans(),
        back=st.integers(0, 40),
    ),
    max_size=12,
)
