"""Pairing: systolic and diastolic pressures that came as Observations of their own."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bpstream.fhir.observation import Fate
from bpstream.reading import EXACT, Flag, Kind, Reading


class Item(NamedTuple):
    """One input of a message with its fate."""

    position: int
    """Among the inputs of the message, in their order."""
    path: str
    body: bytes | None
    observation: dict[str, Any]
    fate: Fate


def paired(items: Sequence[Item]) -> list[Item]:
    """The items, with singles of one (patient, time, device) made one reading.

    Only where it is certain which belong together: one systolic and one diastolic, a mean
    with them if there is one.  The pair keeps the systolic's place and identity, so that a
    later version or retraction of that Observation finds it.
    """
    groups: dict[tuple[object, ...], list[Item]] = defaultdict(list)
    for item in items:
        if (key := _key(item)) is not None:
            groups[key].append(item)
    replaced: dict[int, Item | None] = {}
    for group in groups.values():
        by_pressure = {_pressure(item.fate): item for item in group}
        if len(by_pressure) == len(group) and {"systolic", "diastolic"} <= by_pressure.keys():
            replaced |= {item.position: None for item in group}
            replaced[by_pressure["systolic"].position] = _merged(by_pressure)
    kept = (replaced.get(item.position, item) for item in items)
    return [item for item in kept if item is not None]


def _key(item: Item) -> tuple[object, ...] | None:
    """What must be the same in a pair; None for what is no single."""
    reading = item.fate
    if not isinstance(reading, Reading) or item.observation.get("component"):
        return None
    line, bundle, _ = item.path.partition("Bundle")
    if not bundle:  # lines of NDJSON have nothing to do with one another
        return None
    alike = Flag.PARTIAL in reading.flags and reading.kind is Kind.READING
    if not alike or Flag.TIME_FROM_ARRIVAL in reading.flags:
        return None
    return line, reading.patient_id, reading.taken_at, reading.details.device, reading.series


def _pressure(reading: Fate) -> str:
    assert isinstance(reading, Reading)
    names = ("systolic", "diastolic", "mean")
    return next(name for name in names if np.isfinite(getattr(reading, name)))


def _merged(by_pressure: dict[str, Item]) -> Item:
    readings = {name: item.fate for name, item in by_pressure.items()}
    first, second = readings["systolic"], readings["diastolic"]
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    parts = [each for each in readings.values() if isinstance(each, Reading)]
    flags = Flag(0)
    for each in parts:
        flags |= each.flags
    flags ^= Flag.PARTIAL  # every part has it; the complement would lose AMENDS
    if first.systolic <= second.diastolic:
        flags |= Flag.IMPLAUSIBLE
    mean = readings.get("mean", first)
    assert isinstance(mean, Reading)
    told = [each.details.comparators or EXACT for each in (first, second, mean)]
    comparators = told[0][0], told[1][1], told[2][2]
    reading = msgspec.structs.replace(
        first,
        diastolic=second.diastolic,
        mean=mean.mean,
        flags=flags,
        version=max(each.version for each in parts),
        details=msgspec.structs.replace(
            first.details, comparators=comparators if any(comparators) else None
        ),
    )
    # The body, not the Observation: of a series it is the one sample that was paired.
    entries = [{"resource": msgspec.Raw(item.body or b"")} for item in by_pressure.values()]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return by_pressure["systolic"]._replace(body=msgspec.json.encode(bundle), fate=reading)
