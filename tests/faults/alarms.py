"""Which alarm episodes should come of a patient's readings: plain Python, one at a time."""

import operator
import re
import tomllib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import bpstream

SEVERITIES = ("low", "medium", "high", "critical")

_RULES = Path(bpstream.__file__).parent / "clinical" / "alarm_rules.toml"
_HOLDS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_ATOM = re.compile(r"(\w+)\s*(>=|<=|>|<)\s*([\d.]+)")
_SECONDS = {"s": 1, "min": 60}
_OF_ONE_READING = {"systolic", "diastolic", "mean", "artefact"}
_64_BITS = (1 << 64) - 1


class Episode(NamedTuple):
    """An alarm from firing to recovery."""

    rule: str
    patient_id: str | None
    edges: tuple[tuple[str, str], ...]
    """(firing, changed or recovered; severity), in order."""


class _Slot:
    """What is known of one patient under one rule."""

    def __init__(self) -> None:
        self.state = "normal"
        self.first: Any = None  # the reading that the run began with
        self.count = 0  # offending readings while pending, clear ones while firing
        self.severity = ""


@cache
def rules() -> list[dict[str, Any]]:
    """Those of the shipped rules that judge a reading by itself.

    What depends on a model, on the clock or on the ward is told elsewhere.
    """
    shipped = tomllib.loads(_RULES.read_text())["rule"]
    return [
        rule for rule in shipped if {name for name, _, _ in _atoms(rule["when"])} <= _OF_ONE_READING
    ]


def episodes(readings: Iterable[Any]) -> dict[str, Episode]:
    """By alert id, from the readings that are judged (see `oracle.Found`), in their order."""
    slots: defaultdict[tuple[str, str], _Slot] = defaultdict(_Slot)
    edges: defaultdict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for reading in readings:
        for rule in rules():
            slot = slots[reading.patient_id, rule["name"]]
            for edge in _edges(slot, rule, reading):
                key = (alert_id(rule["name"], slot.first), rule["name"], reading.patient_id)
                edges[key].append((edge, slot.severity))
    return {
        alert: Episode(rule, patient, tuple(found))
        for (alert, rule, patient), found in edges.items()
    }


def _edges(slot: _Slot, rule: dict[str, Any], reading: Any) -> Iterator[str]:
    """Apply one reading to the slot; what became of the alert."""
    measures = _measures(reading)
    conditions = [rule["when"], rule["severe"]["when"]] if "severe" in rule else [rule["when"]]
    if not any(name in measures for each in conditions for name, _, _ in _atoms(each)):
        return
    offends = [_offends(each, measures) for each in conditions]
    at_once = len(offends) > 1 and offends[1]
    if any(offends):
        level = rule["severe"]["severity"] if at_once else rule["severity"]
        if slot.state == "normal":
            slot.state, slot.first, slot.count, slot.severity = "pending", reading, 0, level
        higher = max(slot.severity, level, key=SEVERITIES.index)
        rises, slot.severity = higher != slot.severity, higher
        if slot.state == "firing":
            slot.count = 0
            if rises:
                yield "changed"
            return
        slot.count += 1
        if at_once or _is_long_enough(slot, rule.get("for", "1 reading"), reading):
            slot.state, slot.count = "firing", 0
            yield "firing"
    elif slot.state == "firing":
        is_clear = all(_is_clear(each, measures, rule.get("deadband", 0)) for each in conditions)
        slot.count = slot.count + 1 if is_clear else 0
        if slot.count >= int(rule.get("clear", "1 reading").split()[0]):
            slot.state = "normal"
            yield "recovered"
    else:
        slot.state = "normal"


def _is_long_enough(slot: _Slot, wanted: str, reading: Any) -> bool:
    number, unit = wanted.split()
    if unit.startswith("reading"):
        return slot.count >= int(number)
    passed = int(reading.taken_at) - int(slot.first.taken_at)
    return passed >= int(number) * _SECONDS[unit]


def _measures(reading: Any) -> dict[str, float]:
    """What is known of the reading: the pressures of an implausible one are not."""
    if "implausible" in reading.flags:
        return {"artefact": 1.0}
    return {
        "systolic": reading.systolic,
        "diastolic": reading.diastolic,
        "mean": (reading.systolic + 2 * reading.diastolic) / 3,
        "artefact": 0.0,
    }


def _offends(condition: str, measures: dict[str, float]) -> bool:
    """Whether all comparisons of any of the groups that `or` joins hold."""
    return any(
        all(name in measures and _HOLDS[sign](measures[name], bound) for name, sign, bound in group)
        for group in map(_atoms, condition.split(" or "))
    )


def _is_clear(condition: str, measures: dict[str, float], deadband: float) -> bool:
    """Whether in each group a comparison fails, by `deadband` mmHg or more."""
    return all(
        any(_is_back(measures[name], sign, bound, deadband) for name, sign, bound in known)
        for group in map(_atoms, condition.split(" or "))
        if (known := [atom for atom in group if atom[0] in measures])
    )


def _is_back(value: float, sign: str, bound: float, deadband: float) -> bool:
    return not _HOLDS[sign](value, bound) and abs(value - bound) >= deadband


def _atoms(condition: str) -> list[tuple[str, str, float]]:
    """Measure, sign and bound of each comparison."""
    return [(name, sign, float(bound)) for name, sign, bound in _ATOM.findall(condition)]


def alert_id(rule: str, first: Any) -> str:
    """The id of the alert of `rule` that began with the reading `first`: splitmix64's finaliser."""
    mixed = int(first.document_id[:16], 16)
    mixed ^= zlib.crc32(rule.encode()) * 0x9E3779B97F4A7C15 & _64_BITS
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ mixed >> shift) * factor & _64_BITS
    return f"{mixed ^ mixed >> 31:016x}"
