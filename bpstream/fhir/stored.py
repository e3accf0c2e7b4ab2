"""Of what is plain, the Observations as servers keep them: what is still to be asked of those."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.fhir import codes, details, status
from bpstream.fhir.codes import Pressure
from bpstream.fhir.forms import PRACTITIONER, Concept, Meta, Pair, Plain, Stored
from bpstream.fhir.identity import VERSION
from bpstream.fhir.moments import utc_times
from bpstream.reading import AMENDS, NOT_MEASURED, Flag, Series

_NO_META = Meta()


class Told(NamedTuple):
    """What plain Observations tell beyond what stands in all of them alike.

    Arrays have shape ``(n,)``, dictionaries go by position.
    """

    pairs: list[Pair]
    """The systolic and the diastolic component of each."""
    performers: list[str]
    """A reference to a practitioner each; to one without a name where there is none."""
    mean: NDArray[np.float64]
    """mmHg; NaN where it was not measured."""
    flags: NDArray[np.uint32]
    series: NDArray[np.int8]
    version: NDArray[np.int64]
    """`identity.version` of each."""
    plain: NDArray[np.bool_]
    """Whether it is as plain as it looks."""
    taken_with: dict[int, tuple[str | None, str | None]]
    """The device and the body site of those that name one."""


def read(decoded: Sequence[Plain], *, fhir_base: str) -> Told:
    """Only what a server keeps has a version, a device, and codes that may mean anything."""
    n = len(decoded)
    told = Told(
        pairs=[each.component[:2] for each in decoded],
        performers=[each.performer[0].reference for each in decoded],
        mean=np.full(n, NOT_MEASURED),
        flags=np.zeros(n, np.uint32),
        series=np.full(n, Series.UNKNOWN, np.int8),
        version=np.zeros(n, np.int64),
        plain=np.ones(n, np.bool_),
        taken_with={},
    )
    if Stored not in set(map(type, decoded)):
        return told
    kept = [(at, each) for at, each in enumerate(decoded) if isinstance(each, Stored)]
    rows = np.array([at for at, _ in kept])
    told.version[rows], told.plain[rows] = _versions([each.meta or _NO_META for _, each in kept])
    for at, each in kept:
        _tell(told, at, each, fhir_base=fhir_base)
    # An amendment that does not tell its version comes after what it amends.
    told.version[(told.version == 0) & (told.flags & np.uint32(AMENDS) > 0)] = 1
    return told


def _tell(told: Told, at: int, observation: Stored, *, fhir_base: str) -> None:
    parts = observation.component
    understood = _understood(
        observation.code,
        observation.method,
        observation.bodySite,
        tuple([each.code for each in parts]),
    )
    if understood is None:
        told.plain[at] = False
        return
    told.pairs[at] = parts[understood.systolic], parts[understood.diastolic]
    if understood.mean is not None:
        told.mean[at] = parts[understood.mean].valueQuantity.value
    if understood.series is not Series.UNKNOWN:
        told.series[at] = understood.series
    told.flags[at] = understood.flags
    if observation.status != "final":
        told.flags[at] |= status.flags(observation.status)
    first = told.performers[at]
    if first == PRACTITIONER or not first.startswith(PRACTITIONER):
        by = details.practitioner(msgspec.to_builtins(observation.performer), fhir_base=fhir_base)
        told.performers[at] = f"{PRACTITIONER}{by or ''}"
    if observation.device or understood.body_site:
        device = details.device(msgspec.to_builtins(observation.device), fhir_base=fhir_base)
        told.taken_with[at] = device, understood.body_site


class _Understood(NamedTuple):
    """What the codes of an Observation mean; which component is which."""

    systolic: int
    diastolic: int
    mean: int | None
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
    """None where they are of another vessel, of a period, or not each of one pressure."""
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
        at[Pressure.SYSTOLIC],
        at[Pressure.DIASTOLIC],
        at.get(Pressure.MEAN),
        series,
        int(Flag.INVASIVE) if series is Series.ARTERIAL else 0,
        details.body_site(_untyped(body_site)),
    )


def _untyped(concept: Concept | None) -> Any:
    return msgspec.json.decode(msgspec.json.encode(concept))


def _versions(metas: Sequence[Meta]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """`identity.version` of each, and whether that can be told of it here; shape ``(n,)``."""
    n = len(metas)
    ids = [each.versionId or "" for each in metas]
    updated = [each.lastUpdated or "" for each in metas]
    at, known = utc_times(updated)
    numbered = np.fromiter((VERSION.fullmatch(each) is not None for each in ids), np.bool_, n)
    bare = np.fromiter((each == each.strip() for each in ids), np.bool_, n)
    never = np.fromiter((not each for each in updated), np.bool_, n)
    version = np.maximum(at, 0)
    version[numbered] = [int(each) for each in ids if VERSION.fullmatch(each)]
    return version, numbered | (bare & (known | never))
