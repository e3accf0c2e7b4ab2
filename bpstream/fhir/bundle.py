"""Bundles of every type: their entries, each with its references resolved."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from bpstream.errors import RejectedObservation
from bpstream.fhir.element import list_of, object_of, text_of
from bpstream.fhir.reasons import Fault, Passed, rejected
from bpstream.fhir.status import ENTERED_IN_ERROR
from bpstream.fhir.subject import is_urn, without_history

_OBSERVATION, _PATIENT = "Observation", "Patient"
_DATE_LENGTH = len("2026-01-29")


class Entry(NamedTuple):
    """An Observation to be read, or an entry whose fate is known without reading it."""

    path: str
    """The FHIRPath of the entry within its message; empty for the whole message."""
    body: bytes | None
    """The Observation alone, its references resolved; None for the whole message."""
    observation: dict[str, Any]
    fate: Passed | RejectedObservation | None = None


def entries(bundle: dict[str, Any], *, path: str = "Bundle") -> Iterator[Entry]:
    """Every entry, in order of what happened; Bundles within are walked as well.

    The type does not matter, but that a history tells the latest first: what counts is the
    resource and, for DELETE, the request.
    """
    listed = [object_of(each) for each in list_of(bundle.get("entry"))]
    if not listed:
        yield Entry(path, msgspec.json.encode(bundle), {}, Passed.EMPTY_BUNDLE)
    index = Index(listed)
    in_order = list(enumerate(listed))
    if text_of(bundle.get("type")) == "history":
        in_order.reverse()
    for position, entry in in_order:
        resource = object_of(entry.get("resource"))
        kind = resource.get("resourceType")
        at = f"{path}.entry[{position}]"
        deleted = text_of(object_of(entry.get("request")).get("method")) == "DELETE"
        if deleted and not resource:
            yield _deleted(entry, index, path=at)
        elif kind == _OBSERVATION:
            if deleted:
                resource = {**resource, "status": ENTERED_IN_ERROR}
            observation = index.resolved(resource)
            yield Entry(f"{at}.resource", msgspec.json.encode(observation), observation)
        elif kind == "Bundle":
            yield from entries(resource, path=f"{at}.resource")
        else:
            yield _other(entry, path=at)


def _other(entry: dict[str, Any], *, path: str) -> Entry:
    """Another resource, or none, is in order; a resource that does not say what it is, is not."""
    resource = entry.get("resource")
    fate: Passed | RejectedObservation = Passed.OTHER_RESOURCE
    if resource is not None and not text_of(object_of(resource).get("resourceType")):
        fate = rejected(Fault.NOT_AN_OBSERVATION, path="Observation", found=resource)
    return Entry(f"{path}.resource", msgspec.json.encode(resource), {}, fate)


def _deleted(entry: dict[str, Any], index: "Index", *, path: str) -> Entry:
    """A DELETE as the Observation it takes back.

    It does not say whose Observation that was: another entry with its id does, or the one
    patient the Bundle is about.  (A wrong guess would withdraw a reading that is not there.)
    """
    request, response = object_of(entry.get("request")), object_of(entry.get("response"))
    url = without_history(text_of(request.get("url")) or text_of(entry.get("fullUrl")))
    head, _, conditions = url.partition("?")
    *_, kind, name = ["", *head.split("/")]
    if _OBSERVATION not in (kind, name):
        return Entry(path, msgspec.json.encode(entry), {}, Passed.OTHER_RESOURCE)
    known = index.observations.get(name, {})
    subject = known.get("subject") or index.only_subject
    if not subject or not name or conditions or kind != _OBSERVATION:
        fate = rejected(Fault.NO_SUBJECT, path="Observation.subject", found=url)
        return Entry(path, msgspec.json.encode(entry), {}, fate)
    # The version of another entry is not that of the DELETE: with none it is of all versions.
    told = object_of(known.get("meta"))
    meta = {"source": told["source"]} if "source" in told else {}
    etag = text_of(response.get("etag")).removeprefix("W/").strip('"')
    modified = text_of(response.get("lastModified"))
    if etag:
        meta["versionId"] = etag
    if modified and (etag or "versionId" not in told):  # a time is above every number
        meta["lastUpdated"] = modified
    observation = {
        "resourceType": _OBSERVATION,
        "id": name,
        "meta": meta,
        "status": ENTERED_IN_ERROR,
        "subject": subject,
    }
    return Entry(path, msgspec.json.encode(observation), observation)


class Index:
    """The resources of a Bundle by the references that may name them.

    Built before any entry is read: a reference may name a later entry.
    """

    def __init__(self, listed: list[dict[str, Any]]) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        for entry in listed:
            resource = object_of(entry.get("resource"))
            if resource.get("resourceType") == _PATIENT and text_of(resource.get("id")):
                self.resources[f"{_PATIENT}/{text_of(resource['id'])}"] = resource
            if resource and text_of(entry.get("fullUrl")):
                self.resources[text_of(entry["fullUrl"])] = resource
        found = [object_of(entry.get("resource")) for entry in listed]
        self.observations = {
            text_of(each.get("id")): self.resolved(each)
            for each in found
            if each.get("resourceType") == _OBSERVATION and text_of(each.get("id"))
        }
        self.patients = [name for name in self.resources if name.startswith(f"{_PATIENT}/")]

    def resolved(self, observation: dict[str, Any]) -> dict[str, Any]:
        """A copy that means the same outside the Bundle.

        Urns become the `Type/id` of what they name, where it has an id.  The birthDate of the
        subject goes along as a contained Patient: the rules for adults depend on it.
        """
        copy = dict(observation)
        for name in ("subject", "device"):
            if isinstance(copy.get(name), dict):
                copy[name] = self._relative(copy[name])
        if "performer" in copy:
            copy["performer"] = [self._relative(each) for each in list_of(copy["performer"])]
        reference = without_history(text_of(object_of(copy.get("subject")).get("reference")))
        patient = self.resources.get(reference, {})
        born = text_of(patient.get("birthDate"))
        if patient.get("resourceType") == _PATIENT and 0 < len(born) <= _DATE_LENGTH:
            name = reference.rpartition("/")[2]
            known = {"resourceType": _PATIENT, "id": name, "birthDate": born}
            copy["contained"] = [*list_of(copy.get("contained")), known]
        return copy

    @cached_property
    def only_subject(self) -> dict[str, Any] | None:
        """The subject of everything here, if it is one and the same."""
        subjects: dict[str, dict[str, Any]] = {name: {"reference": name} for name in self.patients}
        for observation in self.observations.values():
            subject = object_of(observation.get("subject"))
            reference = without_history(text_of(subject.get("reference")))
            subjects[reference or msgspec.json.encode(subject).decode()] = subject
        return next(iter(subjects.values())) if len(subjects) == 1 else None

    def _relative(self, value: object) -> object:
        reference = text_of(object_of(value).get("reference"))
        target = self.resources.get(reference, {})
        name = text_of(target.get("id"))
        if not is_urn(reference) or not name:
            return value
        kind = text_of(target.get("resourceType"))
        return {**object_of(value), "reference": f"{kind}/{name}"}
