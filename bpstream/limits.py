"""Limits by patient, as their topic holds them, and as the alarms look them up: in columns.

The topic's key is the patient, its value everything that is set for the patient, each bound
apart with its author, reason and end; no value: nothing is set.  A limit is in force for
readings taken before its end, whenever they are judged.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical import limits
from bpstream.clinical.conditions import one_of
from bpstream.clinical.limits import ADULT, CHILD, NAMES, PROFILES, Own
from bpstream.document import iso, micros
from bpstream.person import Author, Reason

DEFAULT, PROFILE, PATIENT = "default", "profile", "patient"
"""Where a bound is from."""


class Bound(msgspec.Struct, frozen=True):
    """One limit of a patient; mmHg, times ISO 8601 in UTC."""

    value: float
    by: str
    reason: str
    at: str
    expires: str | None = None


class Profile(msgspec.Struct, frozen=True):
    """What kind of patient it is, by a name of `clinical.limits.PROFILES`."""

    name: str
    by: str
    reason: str
    at: str
    expires: str | None = None


class PatientLimits(msgspec.Struct, frozen=True):
    """All that is set for a patient: the value of the limits topic."""

    patient_id: str
    bounds: Mapping[str, Bound] = {}
    profile: Profile | None = None

    def encode(self) -> bytes | None:
        """The value of the record; None, which takes the record away, where nothing is set."""
        return _encode(self) if self.bounds or self.profile else None


_encode = msgspec.json.Encoder(order="deterministic").encode


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person asks to be set."""

    by: Author
    reason: Reason
    bounds: dict[str, float | None] = {}
    """By name, mmHg; None takes the patient's own limit away."""
    profile: str | None = None
    """None leaves it as it is; `adult` takes it away."""
    expires: str | None = None
    """ISO 8601, in UTC where it names no zone; None: until it is changed."""


def changed(
    before: PatientLimits, change: Change, *, defaults: Mapping[str, float], now: int
) -> PatientLimits:
    """The patient's limits after `change`; `now` is in µs since 1970 UTC.

    Raises ValueError, with what would do, where it asks for what nobody may set.
    """
    if not change.bounds and change.profile is None:
        raise ValueError("nothing is to be set: name a limit or a profile")
    if change.profile is not None and change.profile not in PROFILES:
        raise ValueError(f"{change.profile!r} is no profile; {one_of(PROFILES, change.profile)}")
    expires = None if change.expires is None else iso(micros(change.expires))
    if expires is not None and micros(expires) <= now:
        raise ValueError(f"it would have ended already, at {expires}")
    stamp: dict[str, Any] = {
        "by": change.by,
        "reason": change.reason,
        "at": iso(now),
        "expires": expires,
    }
    bounds = {name: each for name, each in before.bounds.items() if _lasts(each, now)}
    for name, value in change.bounds.items():
        if value is None:
            bounds.pop(name, None)
        else:
            limits.check(name, value, defaults)
            bounds[name] = Bound(value, **stamp)
    profile = before.profile if before.profile and _lasts(before.profile, now) else None
    if change.profile is not None:
        profile = None if change.profile == ADULT else Profile(change.profile, **stamp)
    after = PatientLimits(before.patient_id, bounds, profile)
    found = effective(after, defaults, now=now)["bounds"]
    limits.check_order({name: each["value"] for name, each in found.items()})
    return after


def effective(
    set_for: PatientLimits | None, defaults: Mapping[str, float], *, now: int
) -> dict[str, Any]:
    """What holds for a patient at `now` (µs since 1970 UTC), as JSON: each bound, and whence."""
    profile = set_for.profile if set_for else None
    if profile is not None and not _lasts(profile, now):
        profile = None
    of_profile = PROFILES.get(profile.name, {}) if profile else {}
    own = {} if set_for is None else set_for.bounds
    bounds: dict[str, Any] = {}
    for name, default in defaults.items():
        bound = own.get(name)
        if bound is not None and _lasts(bound, now):
            told = msgspec.to_builtins(bound)
            bounds[name] = told | {"value": limits.held_back(name, bound.value), "from": PATIENT}
        elif name in of_profile:
            bounds[name] = {"value": of_profile[name], "from": PROFILE}
        else:
            bounds[name] = {"value": default, "from": DEFAULT}
    told_profile = msgspec.to_builtins(profile) if profile else {"name": ADULT}
    return {"profile": told_profile, "bounds": bounds}


def _lasts(each: Bound | Profile, now: int) -> bool:
    return each.expires is None or now < micros(each.expires)


_K = len(NAMES)
_FOREVER = np.iinfo(np.int64).max
_PATIENT, _PROFILE = range(2)
_ROW = np.dtype(
    [
        # The patient's, and the profile's.
        ("value", "<f8", (2, _K)),
        ("until", "<i8", (2, _K)),  # µs since 1970 UTC
        ("child_until", "<i8"),
    ]
)


class LimitBook:
    """What the limits topic holds: one record a patient, and a row of columns for the alarms."""

    def __init__(self) -> None:
        self._set: dict[str, PatientLimits] = {}
        self._position: dict[str, int] = {}
        self._rows = np.zeros(0, _ROW)
        self.revision = 0
        """Another one whenever something may have changed."""

    def __len__(self) -> int:
        return len(self._set)

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take a record over.  Raises ValueError for one that cannot be read: nothing changes."""
        patient_id = key.decode()
        self.revision += 1
        if value is None:
            if self._set.pop(patient_id, None) is not None:
                self._rows[self._position[patient_id]] = _nothing()
            return
        found = msgspec.json.decode(value, type=PatientLimits)
        row = _row(found)
        position = self._position.setdefault(patient_id, len(self._position))
        if position >= len(self._rows):
            grown = np.zeros(max(16, 2 * len(self._rows)), _ROW)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        self._rows[position], self._set[patient_id] = row, found

    def of(self, patient_id: str) -> PatientLimits | None:
        """What is set for the patient; None: nothing."""
        return self._set.get(patient_id)

    def own(self, patient_ids: Iterable[str], taken_at: NDArray[np.int64]) -> Own | None:
        """The readings, by patient and time, whose patients have limits; None where none has."""
        if not self._set:
            return None
        found = [self._position.get(patient_id, -1) for patient_id in patient_ids]
        rows = np.array(found, np.intp)
        at = np.flatnonzero(rows >= 0)
        if not len(at):
            return None
        held, taken = self._rows[rows[at]], taken_at[at]
        value = np.where(taken[:, None, None] < held["until"], held["value"], np.nan)
        patient, profile = value[:, _PATIENT], value[:, _PROFILE]
        columns = np.where(np.isnan(patient), profile, patient).T
        return Own(at, dict(zip(NAMES, columns, strict=True)), unjudged=taken < held["child_until"])

    def origin(self, patient_id: str, measure: str, bound: float, taken_at: int) -> str:
        """Whence the bound of `measure` is that a reading taken at `taken_at` (µs) crossed."""
        found = self._set.get(patient_id)
        if found is None:
            return DEFAULT
        row = self._rows[self._position[patient_id]]
        names = [at for at, name in enumerate(NAMES) if measure in name]
        for layer, word in ((_PATIENT, PATIENT), (_PROFILE, PROFILE)):
            lasts = taken_at < row["until"][layer][names]
            if (lasts & (row["value"][layer][names] == bound)).any():
                return word
        return DEFAULT


def _nothing() -> NDArray[np.void]:
    row = np.zeros((), _ROW)
    row["value"] = np.nan
    return row


def _row(found: PatientLimits) -> NDArray[np.void]:
    row = _nothing()
    value, until = row["value"], row["until"]
    for name, bound in found.bounds.items():
        if name in NAMES:
            at = _PATIENT, NAMES.index(name)
            value[at], until[at] = limits.held_back(name, bound.value), _end(bound)
    if found.profile is not None:
        ends = _end(found.profile)
        for name, number in PROFILES.get(found.profile.name, {}).items():
            at = _PROFILE, NAMES.index(name)
            value[at], until[at] = number, ends
        if found.profile.name == CHILD:
            row["child_until"] = ends
    return row


def _end(each: Bound | Profile) -> int:
    return _FOREVER if each.expires is None else micros(each.expires)
