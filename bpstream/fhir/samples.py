"""Samples: a SampledData as the pressures of one series, a reading for each moment."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any, NamedTuple

import msgspec

from bpstream.fhir.codes import Pressure
from bpstream.fhir.element import list_of, object_of, text_of
from bpstream.fhir.quantity import Measured, mmhg_per_unit, number, within_range
from bpstream.fhir.reasons import Fault, rejected
from bpstream.fhir.times import Effective, microseconds
from bpstream.reading import Flag

MOST_SAMPLES = 10_000
"""Most samples of one Observation: a week by the minute.  More of them is a waveform."""
_MOST_BYTES = 64_000_000  # of all samples, each in an Observation of its own
_LONGEST_PERIOD = 86_400_000  # ms: a day
_MILLISECONDS_PER = {"ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0}  # UCUM
_NOT_A_NUMBER = frozenset("EUL")  # error, below and above the limits of detection


class Samples(NamedTuple):
    """The samples of one pressure, not yet judged one by one."""

    data: list[str]
    period: float
    """Milliseconds from one sample to the next."""
    origin: float
    factor: float
    mmhg_per_unit: float
    flags: Flag
    path: str

    def at(self, position: int, pressure: Pressure) -> Measured | None:
        """The pressure at `position`, from 0; None where no number was taken."""
        token, path = self.data[position], f"{self.path}.data[{position}]"
        if token in _NOT_A_NUMBER:
            return None
        # A SampledData's numbers are text by definition: that is nothing to flag.
        value, _ = number(token, path=path)
        mmhg = (value * self.factor + self.origin) * self.mmhg_per_unit
        return Measured(within_range(mmhg, pressure, path=path), self.flags)


def samples(element: dict[str, Any], *, path: str) -> Samples:
    """The samples of a SampledData with one dimension."""
    origin = object_of(element.get("origin"))
    base, base_flags = number(origin.get("value"), path=f"{path}.origin.value")
    unit, unit_flags = mmhg_per_unit(origin, path=f"{path}.origin")
    period, period_flags = _period(element, path=path)
    factor, factor_flags = number(element.get("factor", 1), path=f"{path}.factor")
    if element.get("dimensions", 1) != 1:
        found = element["dimensions"]
        raise rejected(Fault.UNSUPPORTED_VALUE, path=f"{path}.dimensions", found=found)
    data = text_of(element.get("data")).split(None, MOST_SAMPLES)
    if len(data) > MOST_SAMPLES:
        raise rejected(Fault.TOO_LARGE, path=f"{path}.data", found=element["data"])
    flags = base_flags | unit_flags | period_flags | factor_flags
    return Samples(data, period, base, factor, unit, flags, path)


def _period(element: dict[str, Any], *, path: str) -> tuple[float, Flag]:
    """Milliseconds between two samples: R4's period, else R5's interval in its unit."""
    name, unit = "period", 1.0
    if "period" not in element and "interval" in element:
        name, code = "interval", text_of(element.get("intervalUnit"))
        if code not in _MILLISECONDS_PER:
            raise rejected(Fault.UNSUPPORTED_UNIT, path=f"{path}.intervalUnit", found=code)
        unit = _MILLISECONDS_PER[code]
    read, flags = number(element.get(name), path=f"{path}.{name}")
    if not 0 < read * unit <= _LONGEST_PERIOD:
        raise rejected(Fault.INVALID_NUMBER, path=f"{path}.{name}", found=read)
    return read * unit, flags


def of_one_series(taken: dict[Pressure, Samples]) -> int:
    """How many samples each of the pressures has; they must go together one by one."""
    first = next(iter(taken.values()))
    for each in taken.values():
        if (len(each.data), each.period) != (len(first.data), first.period):
            found = f"{len(each.data)} samples each {each.period:g} ms"
            raise rejected(Fault.UNSUPPORTED_VALUE, path=each.path, found=found)
    return len(first.data)


def starts(taken: Effective, length: int, period: float) -> Iterator[Effective]:
    """When each of `length` samples was taken, every `period` ms, in the zone of the first.

    Raises :class:`RejectedObservation` where the first one's time is not known.
    """
    start = taken.start
    if start is None or Flag.COARSE_TIME in start.flags:
        raise rejected(Fault.INVALID_TIME, path="Observation.effective", found=taken.original)
    first = start.local.astimezone(UTC)
    for position in range(length):
        try:
            at = first + timedelta(milliseconds=period * position)
            local = at.astimezone(start.local.tzinfo)
        except OverflowError:
            raise rejected(
                Fault.INVALID_TIME, path="Observation.effective", found=taken.original
            ) from None
        if Flag.NO_ZONE in start.flags:
            local = local.replace(tzinfo=None)
        yield Effective(microseconds(at), start.flags, local.isoformat(), start)


class Alone:
    """Makes Observations of one sample each: read alone, they give the same reading."""

    def __init__(self, observation: dict[str, Any]) -> None:
        self.rest = {
            name: value
            for name, value in observation.items()
            if not name.startswith("effective") and name not in ("component", "text")
        }
        self.components = (
            [
                (object_of(each), _data(object_of(each)))
                for each in list_of(observation["component"])
            ]
            if "component" in observation
            else []
        )
        self.data = _data(observation)
        self.room = _MOST_BYTES

    def at(self, position: int, taken: Effective) -> bytes:
        """The Observation of the sample at `position` alone."""
        single = _cut(self.rest, self.data, position)
        single["effectiveDateTime"] = taken.original
        if self.components:
            single["component"] = [_cut(*each, position) for each in self.components]
        body = msgspec.json.encode(single)
        self.room -= len(body)
        if self.room < 0:
            found = f"more than {_MOST_BYTES} bytes, each sample for itself"
            raise rejected(Fault.TOO_LARGE, path="Observation", found=found)
        return body


def _data(element: dict[str, Any]) -> list[str]:
    return text_of(object_of(element.get("valueSampledData")).get("data")).split()


def _cut(element: dict[str, Any], data: list[str], position: int) -> dict[str, Any]:
    """A copy of `element`, of whose samples only the one at `position` is left."""
    copy = dict(element)
    if data:
        left = " ".join(data[position : position + 1])
        copy["valueSampledData"] = {**element["valueSampledData"], "data": left}
    return copy
