"""Details: what travels with a reading unchanged, and what flags it by its labels."""

import re
from collections.abc import Iterable
from typing import Any

from bpstream.fhir.element import list_of, object_of, text_of
from bpstream.fhir.identity import identifier_of, source_of
from bpstream.fhir.subject import birth_date, reference_key
from bpstream.fhir.times import Effective, utc
from bpstream.reading import Details, Flag

_TEXT_LENGTH = 256
_MOST_LABELS = 32
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")  # FHIR R4, id
_BIRTH_DATE = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?")
ACT_REASON, TEST_DATA = "http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST"
"""Test health data."""

CHILD_BELOW = 13
"""Years.  Below, blood pressure is judged by percentiles of age, sex and height.

Flynn et al., AAP Clinical Practice Guideline, Pediatrics 2017;140(3):e20171904.
"""


def details(observation: dict[str, Any], taken: Effective, *, fhir_base: str) -> Details:
    """The details of an Observation, each cut to a length that fits a document."""
    name = text_of(observation.get("id"))
    return Details(
        taken.original,
        _short(name),
        practitioner(list_of(observation.get("performer")), fhir_base=fhir_base),
        device(observation.get("device"), fhir_base=fhir_base),
        body_site(observation.get("bodySite")),
        tuple(each[:_TEXT_LENGTH] for each in _labels(observation, "security")[:_MOST_LABELS]),
        taken.period,
        source=_short(source_of(observation)),
        identifier=None if name else _short(identifier_of(observation)),
    )


def practitioner(performers: Iterable[object], *, fhir_base: str) -> str | None:
    """The first of an Observation's performers who is a practitioner, by a reference."""
    kinds = ("Practitioner", "PractitionerRole")
    keys = (
        reference_key(each, kinds=kinds, fhir_base=fhir_base)
        for each in performers
        if object_of(each).get("reference")
    )
    return _short(next(filter(None, keys), ""))


def device(reference: object, *, fhir_base: str) -> str | None:
    """An Observation's device by its id, its identifier or its display."""
    kinds = ("Device", "DeviceMetric")
    return _short(reference_key(reference, kinds=kinds, fhir_base=fhir_base))


def body_site(concept: object) -> str | None:
    """A bodySite by its text, else by a display, else by a code."""
    site = object_of(concept)
    codings = [object_of(each) for each in list_of(site.get("coding"))]
    names = [site.get("text"), *(each.get("display") for each in codings)]
    names += [each.get("code") for each in codings]
    return _short(next(filter(None, map(text_of, names)), ""))


def label_flags(observation: dict[str, Any]) -> Flag:
    """Test data by its tag or label, and an id which breaks FHIR's rules."""
    flags = Flag.TEST_DATA if is_test(observation) else Flag(0)
    name = observation.get("id")
    if name is not None and not (isinstance(name, str) and _ID.fullmatch(name)):
        flags |= Flag.BAD_ID
    return flags


def is_test(resource: dict[str, Any]) -> bool:
    """Whether a tag or a security label says that the resource is test data."""
    return TEST_DATA in (*_labels(resource, "tag"), *_labels(resource, "security"))


def is_child(observation: dict[str, Any], taken_at: int) -> bool:
    """Whether the patient, as far as the birthDate is known, was younger than 13 then."""
    born = birth_date(observation)
    if not _BIRTH_DATE.fullmatch(born):
        return False
    taken = utc(taken_at)
    year, month, day = (int(part) for part in f"{born}-01-01".split("-")[:3])
    return (taken.year - CHILD_BELOW, taken.month, taken.day) < (year, month, day)


def _labels(resource: dict[str, Any], name: str) -> list[str]:
    labels = list_of(object_of(resource.get("meta")).get(name))
    codes = (
        text_of(object_of(each).get("code")) or text_of(object_of(each).get("display"))
        for each in labels
    )
    return list(filter(None, codes))


def _short(text: str) -> str | None:
    return text[:_TEXT_LENGTH] or None
