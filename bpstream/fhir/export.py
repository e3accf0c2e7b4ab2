"""Export: what is kept of a patient's readings as Observations, and a searchset of them.

Profile: HL7 FHIR R4 4.0.1, http://hl7.org/fhir/StructureDefinition/bp (LOINC codes, UCUM units).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from bpstream.errors import RejectedObservation
from bpstream.fhir.build import CATEGORY
from bpstream.fhir.codes import DIASTOLIC, INVASIVE, LOINC, MEAN, PANEL, SYSTOLIC, Pressure
from bpstream.fhir.details import ACT_REASON, TEST_DATA
from bpstream.fhir.quantity import UCUM, UCUM_MMHG
from bpstream.fhir.subject import patient_key
from bpstream.fhir.times import utc
from bpstream.reading import Flag

Json = dict[str, Any]

READING_SYSTEM = "urn:bpstream:reading"
"""Of the identifier: 16 hexadecimal digits, the first half of the document's id."""
FLAG_SYSTEM = "urn:bpstream:flag"
"""Of the tags: a flag of the reading each, by its name in the document."""

_PROFILE = "http://hl7.org/fhir/StructureDefinition/bp"
_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

_CODES = dict(zip(Pressure, (SYSTOLIC, DIASTOLIC, MEAN), strict=True))
_INVASIVE_CODES = dict(zip(Pressure, INVASIVE.split(), strict=True))


class Interpretation(StrEnum):
    """Codes of HL7's v3-ObservationInterpretation: how a pressure stands to the rules."""

    NORMAL = "N"
    HIGH = "H"
    CRITICAL_HIGH = "HH"
    LOW = "L"
    CRITICAL_LOW = "LL"


class Kept(NamedTuple):
    """What is kept of one reading."""

    identity: str
    """16 hexadecimal digits."""
    version: int
    taken_at: int
    """Microseconds since 1970-01-01 UTC."""
    pressures: Mapping[Pressure, float]
    """mmHg; one that was not measured is not there."""
    interpretations: Mapping[Pressure, Interpretation]
    """Of the pressures that a rule judged."""
    flags: Flag


def searchset(patient_id: str, readings: Sequence[Kept]) -> Json:
    """A Bundle of the readings' Observations in their order, without a link to itself.

    Read again, it gives the same patient key, times and pressures.
    """
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(readings)}
    about = subject(patient_id)
    entries = [
        {
            # A URL would have to be one where the Observation can be read.
            "fullUrl": uuid5(NAMESPACE_URL, f"{READING_SYSTEM}:{reading.identity}").urn,
            "resource": observation(reading, about),
            "search": {"mode": "match"},
        }
        for reading in readings
    ]
    # FHIR's lists are never empty.
    return bundle | ({"entry": entries} if entries else {})


def observation(reading: Kept, about: Json) -> Json:
    """The Observation of one reading; `about` is its subject.

    A reading with a comparator has no numbers here, for which of them is a bound is not
    kept: its note tells them to people.
    """
    flags = reading.flags
    bounds = Flag.COMPARATOR in flags
    built: Json = {
        "resourceType": "Observation",
        "id": reading.identity,
        "meta": _meta(reading),
        "identifier": [{"system": READING_SYSTEM, "value": reading.identity}],
        "status": _status(flags),
        "category": CATEGORY,
        "code": _concept(LOINC, PANEL),
        "subject": about,
        "effectiveDateTime": utc(reading.taken_at).isoformat().replace("+00:00", "Z"),
        "component": [
            _component(pressure, reading)
            for pressure in Pressure
            # A mean is extra: where there is none, none is missing.
            if pressure is not Pressure.MEAN or (pressure in reading.pressures and not bounds)
        ],
    }
    if bounds:
        told = "/".join(
            f"{reading.pressures[each]:g}" if each in reading.pressures else "?"
            for each in (Pressure.SYSTOLIC, Pressure.DIASTOLIC)
        )
        text = f"Recorded as {told} mmHg, of which at least one is a bound and not the pressure."
        built["note"] = [{"text": text}]
    return built


def subject(patient_id: str) -> Json:
    """A Reference that names the patient: read again, it gives the key `patient_id`."""
    system, bar, value = patient_id.partition("|")
    identifier = {"system": system, "value": value} if system else {"value": value}
    forms: list[Json] = [{"type": "Patient", "identifier": identifier}] if bar else []
    forms += [{"reference": patient_id}, {"reference": f"Patient/{patient_id}"}]
    for form in forms:
        with suppress(RejectedObservation):
            if patient_key({"subject": form}, fhir_base="") == patient_id:
                return form
    return forms[-1]


def _status(flags: Flag) -> str:
    if Flag.UNVERIFIED in flags:
        return "preliminary"
    return "unknown" if Flag.STATUS_UNKNOWN in flags else "final"


def _meta(reading: Kept) -> Json:
    meta: Json = {"profile": [_PROFILE]}
    if reading.version:
        meta["versionId"] = str(reading.version)
    tags = [{"system": FLAG_SYSTEM, "code": name} for name in reading.flags.names()]
    if Flag.TEST_DATA in reading.flags:
        tags.append({"system": ACT_REASON, "code": TEST_DATA})
    return meta | ({"tag": tags} if tags else {})


def _component(pressure: Pressure, reading: Kept) -> Json:
    code = _concept(LOINC, _CODES[pressure])
    if Flag.INVASIVE in reading.flags:
        code["coding"] += _concept(LOINC, _INVASIVE_CODES[pressure])["coding"]
    component: Json = {"code": code}
    value = reading.pressures.get(pressure)
    if value is None:
        component["dataAbsentReason"] = _concept(_ABSENT, "unknown")
    elif Flag.COMPARATOR in reading.flags:
        component["dataAbsentReason"] = _concept(_ABSENT, "unsupported")
    else:
        unit = {"unit": "mmHg", "system": UCUM, "code": UCUM_MMHG}
        component["valueQuantity"] = {"value": value, **unit}
    if found := reading.interpretations.get(pressure):
        component["interpretation"] = [_concept(_INTERPRETATION, found)]
    return component


def _concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": str(code)}]}
