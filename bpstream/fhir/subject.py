"""Subjects: whose reading it is, as one canonical patient key; and other references alike."""

import re
from typing import Any
from urllib.parse import unquote

from bpstream.fhir.element import list_of, object_of, text_of
from bpstream.fhir.reasons import Fault, rejected

_PATIENT = "Patient"
_PEOPLE = frozenset({_PATIENT, "RelatedPerson", "Group"})
_URNS = ("urn:uuid:", "urn:oid:")
_URLS = ("http://", "https://")
_COMMA = re.compile(r"(?<!\\),")
_KEY_LENGTH = 4096
"""Most characters of a patient key; a FHIR id has 64."""


def is_urn(reference: str) -> bool:
    """Whether a reference can only be resolved within its Bundle."""
    return reference.startswith(_URNS)


def without_history(reference: str) -> str:
    """The reference without the version it may name."""
    return reference.partition("/_history/")[0]


def local(reference: str, *, fhir_base: str) -> str:
    """An absolute reference below `fhir_base` as the relative one it stands for."""
    base = fhir_base.rstrip("/")
    return reference.removeprefix(f"{base}/") if base else reference


def identifier_key(identifier: object) -> str:
    """`system|value`; empty where there is no value."""
    value = text_of(object_of(identifier).get("value"))
    return f"{text_of(object_of(identifier).get('system'))}|{value}" if value else ""


def patient_key(observation: dict[str, Any], *, fhir_base: str) -> str:
    """The canonical key: `Patient/123` is `123`, an identifier is `system|value`.

    An absolute URL outside `fhir_base`, and a urn that its Bundle did not resolve, stay
    whole.  Raises :class:`RejectedObservation` where it is nobody, or no Patient: readings of
    two patients are never put together.
    """
    subject = object_of(observation.get("subject"))
    reference = without_history(text_of(subject.get("reference")))
    kind = text_of(subject.get("type"))
    if kind and kind.rpartition("/")[2] != _PATIENT:
        raise rejected(Fault.INVALID_SUBJECT, path="Observation.subject.type", found=kind)
    if reference:
        key = _referenced(local(reference, fhir_base=fhir_base), observation)
        path = "Observation.subject.reference"
    else:
        key, path = identifier_key(subject.get("identifier")), "Observation.subject"
    _refuse_others(observation, reference, fhir_base=fhir_base)
    if not key and not reference:
        raise rejected(Fault.NO_SUBJECT, path=path, found=subject or None)
    if not key or len(key) > _KEY_LENGTH:
        raise rejected(Fault.INVALID_SUBJECT, path=path, found=subject)
    return key


def _refuse_others(observation: dict[str, Any], subject: str, *, fhir_base: str) -> None:
    """Raise where the focus is another person: a donor, a spouse, a mother beside her child."""
    whose = local(subject, fhir_base=fhir_base)
    for each in list_of(observation.get("focus")):
        reference = without_history(text_of(object_of(each).get("reference")))
        kind = reference.rpartition("/")[0].rpartition("/")[2]
        if kind in _PEOPLE and local(reference, fhir_base=fhir_base) != whose:
            raise rejected(Fault.INVALID_SUBJECT, path="Observation.focus", found=reference)


def _referenced(reference: str, observation: dict[str, Any]) -> str:
    """The key of a patient by reference; empty where it is not one."""
    if reference.startswith("#"):
        return _contained(reference[1:], observation)
    if is_urn(reference):
        return reference
    head, query, conditions = reference.partition("?")
    if query:
        return _conditional(conditions) if head.rpartition("/")[2] == _PATIENT else ""
    parts = reference.rstrip("/").split("/")
    if "#" in parts[-1]:
        return ""
    if reference.startswith(_URLS):
        return reference.rstrip("/") if len(parts) > 4 and parts[-2] == _PATIENT else ""
    name = reference.partition("/")[2].strip("/")
    return name if parts[0] == _PATIENT and "/" not in name else ""


def _conditional(conditions: str) -> str:
    """`Patient?identifier=system|value` names an identifier; with commas it names several."""
    for condition in conditions.split("&"):
        name, _, value = condition.partition("=")
        if name == "identifier" and value:
            token = unquote(value)
            if token.endswith("|") or _COMMA.search(token):
                return ""
            return token if "|" in token else f"|{token}"
    return ""


def _contained(fragment: str, observation: dict[str, Any]) -> str:
    """A contained Patient goes by its identifier: its id means nothing outside."""
    for each in list_of(observation.get("contained")):
        resource = object_of(each)
        if _contained_id(resource) == fragment and resource.get("resourceType") == _PATIENT:
            keys = map(identifier_key, list_of(resource.get("identifier")))
            return next(filter(None, keys), "")
    return ""


def reference_key(value: object, *, kinds: tuple[str, ...], fhir_base: str) -> str:
    """Whom or what a reference names, if it may be one of `kinds`; else empty.

    Relative references lose their type; identifiers are `system|value`; the display is last.
    """
    element = object_of(value)
    reference = local(without_history(text_of(element.get("reference"))), fhir_base=fhir_base)
    kind, _, rest = reference.partition("/")
    if kind in kinds:
        return rest
    if reference.startswith((*_URLS, *_URNS)):
        return reference if is_urn(reference) or reference.split("/")[-2] in kinds else ""
    if reference and not reference.startswith("#"):
        return ""
    return identifier_key(element.get("identifier")) or text_of(element.get("display"))


def birth_date(observation: dict[str, Any]) -> str:
    """The birthDate of the contained Patient who is the subject; else empty.

    A Bundle's Patient is put there when its references are resolved (`bundle.resolved`).
    """
    subject = object_of(observation.get("subject"))
    reference = without_history(text_of(subject.get("reference")))
    names = {reference.removeprefix("#"), reference.rpartition("/")[2]}
    for each in list_of(observation.get("contained")):
        patient = object_of(each)
        keys = map(identifier_key, list_of(patient.get("identifier")))
        is_named = (
            _contained_id(patient) in names
            if reference
            else identifier_key(subject.get("identifier")) in filter(None, keys)
        )
        if is_named and patient.get("resourceType") == _PATIENT:
            return text_of(patient.get("birthDate"))
    return ""


def _contained_id(resource: dict[str, Any]) -> str:
    """The id of a contained resource: in DSTU2 some have the # of the reference."""
    return text_of(resource.get("id")).removeprefix("#")
