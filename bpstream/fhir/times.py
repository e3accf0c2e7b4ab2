"""Times: FHIR dateTime and instant in every precision and zone, as microseconds since 1970 UTC."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple

from bpstream.fhir.element import list_of, object_of
from bpstream.fhir.reasons import Fault, rejected
from bpstream.reading import Flag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A blank or small t for the T, a zone without its colon or minutes, and no zone are tolerated.
_TIME = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,30}))?)?"
    r" ?(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?)?)?"
)
BEFORE_1900 = (datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""What is earlier is no reading: it comes from a clock that was never set."""
FARTHEST_ZONE = 14 * 60
"""Minutes (FHIR R4, dateTime)."""


class Moment(NamedTuple):
    """A time as it was found."""

    at: int
    """Microseconds since 1970-01-01 UTC."""
    flags: Flag
    local: datetime
    """The same in the zone it was written in."""
    text: str


class Effective(NamedTuple):
    """When an Observation was taken."""

    at: int
    flags: Flag
    original: str
    """The time as it stood there; a period as `start/end`; empty if there was none."""
    start: Moment | None
    """When it began; None where the time is `issued` or the arrival."""
    period: tuple[str, str] | None = None


def microseconds(moment: datetime) -> int:
    """Microseconds from 1970-01-01 UTC to an aware `moment`."""
    return (moment - _EPOCH) // _MICROSECOND


def utc(at: int) -> datetime:
    """The moment `at` microseconds since 1970-01-01 UTC."""
    return _EPOCH + at * _MICROSECOND


def moment(value: object, *, zone: tzinfo, path: str) -> Moment:
    """A dateTime or instant; without a zone of its own it is of `zone`, and flagged.

    A year, month or date is its first moment in `zone`.
    """
    text = value.strip() if isinstance(value, str) else ""
    match = _TIME.fullmatch(text)
    if match is None:
        raise rejected(Fault.INVALID_TIME, path=path, found=value)
    part = match.groupdict()
    if part["hour"] is None:
        flags = Flag.COARSE_TIME
    elif part["zone"] is None:
        flags = Flag.NO_ZONE
    else:
        flags = Flag(0)
    second = int(part["second"] or 0)
    leap = second == 60  # FHIR allows the leap second; it counts as the one after
    try:
        local = datetime(
            int(part["year"]),
            int(part["month"] or 1),
            int(part["day"] or 1),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            59 if leap else second,
            int((part["fraction"] or "0")[:6].ljust(6, "0")),
            tzinfo=_zone(part["zone"]) if part["zone"] else zone,
        ) + timedelta(seconds=leap)
        at = microseconds(local)
    except (ValueError, OverflowError):
        raise rejected(Fault.INVALID_TIME, path=path, found=value) from None
    return Moment(at, flags, local, text)


def effective(observation: dict[str, Any], *, zone: tzinfo, arrived_at: int) -> Effective:
    """When the Observation was taken: effective[x], else `issued`, else when it arrived.

    A period counts as its end, else its start; a Timing as its event, if it has one alone.
    """
    at = "Observation.effective"
    period = object_of(observation.get("effectivePeriod"))
    events = list_of(object_of(observation.get("effectiveTiming")).get("event"))
    for name in ("effectiveDateTime", "effectiveInstant"):
        if observation.get(name) not in (None, ""):
            found = moment(observation[name], zone=zone, path=f"Observation.{name}")
            return Effective(found.at, found.flags, found.text, found)
    if period.get("start") or period.get("end"):
        return _of_period(period, zone=zone, path=f"{at}Period")
    if len(events) == 1:
        found = moment(events[0], zone=zone, path=f"{at}Timing.event")
        return Effective(found.at, found.flags, found.text, found)
    if observation.get("issued") not in (None, ""):
        found = moment(observation["issued"], zone=zone, path="Observation.issued")
        return Effective(found.at, found.flags | Flag.TIME_FROM_ISSUED, found.text, None)
    return Effective(arrived_at, Flag.TIME_FROM_ARRIVAL, "", None)


def _of_period(period: dict[str, Any], *, zone: tzinfo, path: str) -> Effective:
    start, end = (
        moment(period[name], zone=zone, path=f"{path}.{name}") if period.get(name) else None
        for name in ("start", "end")
    )
    taken = end or start
    assert taken is not None
    texts = (start.text if start else "", end.text if end else "")
    whole = texts if start and end else None
    return Effective(taken.at, taken.flags, "/".join(texts), start or end, whole)


def _zone(text: str) -> tzinfo:
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].removeprefix(":") or 0)
    offset = hours * 60 + minutes
    if minutes > 59 or offset > FARTHEST_ZONE:
        raise ValueError(text)
    return timezone(timedelta(minutes=-offset if text[0] == "-" else offset))
