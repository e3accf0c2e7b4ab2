"""Observations as servers keep them: what these tell beside what every plain one does."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.fhir import codes, details, status
from bpstream.fhir.codes import Pressure
from bpstream.fhir.forms import PRACTITIONER, Concept, Meta, Stored
from bpstream.fhir.identity import VERSION
from bpstream.fhir.moments import utc_times
from bpstream.fhir.quantity import MEAN_RANGE
from bpstream.reading import AMENDS, NOT_MEASURED, Flag, Readings, Series


class Told(NamedTuple):
    """What an Observation tells, read as far as the codes in it are understood."""

    systolic: float
    diastolic: float
    mean: float
    """mmHg; NaN where it was not measured."""
    series: Series
    flags: int
    meta: Meta | None
    performer: str
    """A reference to a practitioner; to one without a name where there is none."""
    device: str | None
    body_site: str | None


def read(observation: Stored, *, fhir_base: str) -> Told | None:
    """None where the codes are of another vessel, of a period, or not each of one pressure."""
    parts = observation.component
    understood = _understood(
        observation.code,
        observation.method,
        observation.bodySite,
        tuple([each.code for each in parts]),
    )
    if understood is None:
        return None
    pressures = [each.valueQuantity.value for each in parts] + [NOT_MEASURED]
    flags = understood.flags | int(status.flags(observation.status))
    performer = observation.performer[0].reference
    if performer == PRACTITIONER or not performer.startswith(PRACTITIONER):
        by = details.practitioner(msgspec.to_builtins(observation.performer), fhir_base=fhir_base)
        performer = f"{PRACTITIONER}{by or ''}"
    device = None
    if observation.device:
        device = details.device(msgspec.to_builtins(observation.device), fhir_base=fhir_base)
    systolic, diastolic, mean = (pressures[at] for at in understood.order)
    return Told(
        systolic,
        diastolic,
        mean,
        understood.series,
        flags,
        observation.meta,
        performer,
        device,
        understood.body_site,
    )


class _Understood(NamedTuple):
    """What the codes of an Observation mean."""

    order: tuple[int, int, int]
    """Which component is the systolic, the diastolic, the mean pressure; -1: none is."""
    series: Series
    flags: int
    body_site: str | None


# A feed has a handful of combinations, and repeats them.
@lru_cache(maxsize=256)
def _understood(
    code: Concept | None,
    method: Concept | None,
    body_site: Concept | None,
    components: tuple[Concept, ...],
) -> _Understood | None:
    whole, site = codes.meaning(_untyped(code)), codes.meaning(_untyped(body_site))
    parts = [codes.meaning(_untyped(each)) for each in components]
    at = {next(iter(each.pressures), None): nth for nth, each in enumerate(parts)}
    alone = len(at) == len(parts) and all(len(each.pressures) == 1 for each in parts)
    elsewhere = any(each.other_vessel for each in (whole, site, *parts))
    lasts = any(each.is_aggregate for each in (whole, *parts))
    if elsewhere or lasts or not alone or not {Pressure.SYSTOLIC, Pressure.DIASTOLIC} <= at.keys():
        return None
    by_method = codes.series_of_method(_untyped(method))
    series = max(by_method, whole.series, *(each.series for each in parts))
    return _Understood(
        (at[Pressure.SYSTOLIC], at[Pressure.DIASTOLIC], at.get(Pressure.MEAN, -1)),
        series,
        int(Flag.INVASIVE) if series is Series.ARTERIAL else 0,
        details.body_site(_untyped(body_site)),
    )


def _untyped(concept: Concept | None) -> Any:
    return msgspec.json.decode(msgspec.json.encode(concept))


def complete(readings: Readings, told: Mapping[int, Told | None]) -> NDArray[np.bool_]:
    """Fill in what only these tell, by position, and whether each is as plain as it looks.

    The readings have everything that all plain Observations have; the answer is of all of them,
    shape ``(n,)``.
    """
    plain = np.ones(len(readings), np.bool_)
    plain[[at for at, each in told.items() if each is None]] = False
    known = {at: each for at, each in told.items() if each is not None}
    if not known:
        return plain
    rows, found = np.array(list(known)), list(known.values())
    readings.mean[rows] = mean = np.array([each.mean for each in found])
    readings.series[rows] = [each.series for each in found]
    flags = np.array([each.flags for each in found], np.uint32)
    readings.flags[rows] |= flags
    version, is_plain = _versions([each.meta for each in found])
    # An amendment that does not tell its version comes after what it amends.
    readings.version[rows] = np.where(flags & np.uint32(AMENDS), np.maximum(version, 1), version)
    lowest, highest = MEAN_RANGE
    plain[rows] = is_plain & (np.isnan(mean) | ((mean >= lowest) & (mean <= highest)))
    for at, each in known.items():
        if each.device or each.body_site:
            readings.details[at] = msgspec.structs.replace(
                readings.details_of(at), device=each.device, body_site=each.body_site
            )
    return plain


def _versions(metas: Sequence[Meta | None]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """`identity.version` of each, and whether that can be told of it here; shape ``(n,)``."""
    n = len(metas)
    ids = [(each and each.versionId) or "" for each in metas]
    updated = [(each and each.lastUpdated) or "" for each in metas]
    at, known = utc_times(updated)
    numbered = np.fromiter((VERSION.fullmatch(each) is not None for each in ids), np.bool_, n)
    bare = np.fromiter((each == each.strip() for each in ids), np.bool_, n)
    never = np.fromiter((not each for each in updated), np.bool_, n)
    version = np.maximum(at, 0)
    for row in np.flatnonzero(numbered).tolist():
        version[row] = int(ids[row])
    return version, numbered | (bare & (known | never))
