"""Rebuilding: a reading as an Observation that is read as that very reading."""

import re
from enum import Enum
from typing import Any

import msgspec
import numpy as np

from bpstream.fhir.codes import (
    DIASTOLIC,
    DIASTOLIC_TEXT,
    LOINC,
    MDC,
    MEAN,
    PANEL,
    SNOMED,
    SYSTOLIC,
    SYSTOLIC_TEXT,
)
from bpstream.fhir.details import ACT_REASON, TEST_DATA
from bpstream.fhir.quantity import UCUM, UCUM_MMHG
from bpstream.fhir.subject import is_urn
from bpstream.reading import EXACT, Flag, Kind, Reading, Series

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")  # FHIR R4, id
_METHODS = {
    Series.CUFF: {"system": SNOMED, "code": "22762002"},
    Series.ARTERIAL: {"system": SNOMED, "code": "77938009"},
}
_TEST_DATA = {"system": ACT_REASON, "code": TEST_DATA}
_VITAL_SIGNS = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "vital-signs",
}


class Coding(Enum):
    """What the panel, systolic, diastolic and mean pressure are called."""

    LOINC = LOINC, (PANEL, SYSTOLIC, DIASTOLIC, MEAN)
    SNOMED = SNOMED, ("75367002", "271649006", "271650006", "6797001")
    MDC = MDC, ("150016", "150017", "150018", "150019")
    WORDS = "", ("Blood Pressure", SYSTOLIC_TEXT, DIASTOLIC_TEXT, "Mean Blood Pressure")


_AVERAGES = LOINC, ("96607-7", "96608-5", "96609-3", MEAN)


def observation(reading: Reading, *, coding: Coding = Coding.LOINC, sampled: bool = False) -> bytes:
    """The Observation of `reading`; `sampled` writes its pressures as SampledData of one sample.

    Its `document_id` comes out the same only if it was made of what is written here: the
    Observation's id, or else its content in `coding`.  The time is `details.original_time`.
    """
    names = _AVERAGES if reading.kind is Kind.AGGREGATE else coding.value
    panel, *parts = [_concept(names[0], code) for code in names[1]]
    details, flags = reading.details, reading.flags
    pressures = (reading.systolic, reading.diastolic, reading.mean)
    built: dict[str, Any] = {
        "resourceType": "Observation",
        "status": _status(flags),
        "category": [{"coding": [_VITAL_SIGNS]}],
        "code": panel,
        "subject": _subject(reading.patient_id),
        **_time(reading),
        "component": [
            {"code": part, **_value(float(mmhg), flags, comparator, sampled)}
            for part, mmhg, comparator in zip(
                parts, pressures, details.comparators or EXACT, strict=True
            )
            if np.isfinite(mmhg)
        ],
    }
    if details.observation_id is not None:
        built["id"] = details.observation_id
    if details.identifier is not None:
        built["identifier"] = [_identifier(details.identifier)]
    if meta := _meta(reading):
        built["meta"] = meta
    if details.practitioner_id is not None:
        built["performer"] = [{"reference": _reference("Practitioner", details.practitioner_id)}]
    if details.device is not None:
        built["device"] = _device(details.device)
    if details.body_site is not None:
        built["bodySite"] = {"text": details.body_site}
    if reading.series in _METHODS:
        built["method"] = {"coding": [_METHODS[reading.series]]}
    return msgspec.json.encode(built)


def key_of_id(patient_id: str) -> str:
    """The patient key of an id from elsewhere: what is no FHIR id is an identifier."""
    return patient_id if _ID.fullmatch(patient_id) else f"|{patient_id}"


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]} if system else {"text": code}


def _status(flags: Flag) -> str:
    if Flag.UNVERIFIED in flags:
        return "preliminary"
    return "unknown" if Flag.STATUS_UNKNOWN in flags else "final"


def _subject(key: str) -> dict[str, Any]:
    """What the canonical patient key was made of: a reference, or else an identifier."""
    if not _ID.fullmatch(key) and not is_urn(key) and "|" in key:
        return {"identifier": _identifier(key)}
    return {"reference": _reference("Patient", key)}


def _device(key: str) -> dict[str, Any]:
    if _ID.fullmatch(key) or is_urn(key) or key.startswith(("http://", "https://")):
        return {"reference": _reference("Device", key)}
    return {"identifier": _identifier(key)} if "|" in key else {"display": key}


def _reference(kind: str, key: str) -> str:
    absolute = is_urn(key) or key.startswith(("http://", "https://"))
    return key if absolute else f"{kind}/{key}"


def _identifier(key: str) -> dict[str, str]:
    system, _, value = key.partition("|")
    return {"system": system, "value": value} if system else {"value": value}


def _time(reading: Reading) -> dict[str, Any]:
    """The effective time as it stood there, in its own zone and precision."""
    text = reading.details.original_time
    if Flag.TIME_FROM_ISSUED in reading.flags:
        return {"issued": text}
    start, is_period, end = text.partition("/")
    if not is_period:
        return {"effectiveDateTime": text}
    period = {"start": start, "end": end}
    return {"effectivePeriod": {name: at for name, at in period.items() if at}}


def _value(mmhg: float, flags: Flag, comparator: str, sampled: bool) -> dict[str, Any]:
    unit: dict[str, Any] = {"unit": "mmHg"}
    if Flag.UNIT_FROM_TEXT not in flags:
        unit |= {"system": UCUM, "code": UCUM_MMHG}
    if sampled:
        series = {"origin": {"value": 0, **unit}, "period": 1000, "dimensions": 1}
        return {"valueSampledData": {**series, "data": repr(mmhg)}}
    value: dict[str, Any] = {"value": repr(mmhg) if Flag.NUMBER_FROM_TEXT in flags else mmhg}
    if comparator:
        value["comparator"] = comparator
    return {"valueQuantity": value | unit}


def _meta(reading: Reading) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    labels = reading.details.security_labels
    if reading.version:
        meta["versionId"] = str(reading.version)
    if reading.details.source is not None:
        meta["source"] = reading.details.source
    if labels:
        meta["security"] = [{"code": label} for label in labels]
    if Flag.TEST_DATA in reading.flags and TEST_DATA not in labels:
        meta["tag"] = [_TEST_DATA]
    return meta
