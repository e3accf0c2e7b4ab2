"""Bundles of every type: their entries, each with its references resolved."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from bpstream.errors import RejectedObservation
from bpstream.fhir import others
from bpstream.fhir.details import ACT_REASON, TEST_DATA, is_test
from bpstream.fhir.element import list_of, object_of, text_of
from bpstream.fhir.reasons import Fault, Passed, rejected
from bpstream.fhir.status import ENTERED_IN_ERROR, refuse_modifiers
from bpstream.fhir.subject import identifier_key, is_urn, without_history

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


def entries(
    bundle: dict[str, Any], *, path: str = "Bundle", outer: "Index | None" = None
) -> Iterator[Entry]:
    """Every entry, in order of what happened; Bundles within are walked as well.

    The type does not matter, but that a history tells the latest first: what counts is the
    resource and, for DELETE, the request.  `outer` is of the Bundle that this one stands in.
    """
    listed = [object_of(each) for each in list_of(bundle.get("entry"))]
    if refusal := _refusal(bundle, "Bundle"):
        yield Entry(path, msgspec.json.encode(bundle), {}, refusal)
        return
    if not listed:
        yield Entry(path, msgspec.json.encode(bundle), {}, Passed.EMPTY_BUNDLE)
    index = Index(listed, are_tests=is_test(bundle), outer=outer)
    in_order = list(enumerate(listed))
    if text_of(bundle.get("type")) == "history":
        in_order.reverse()
    for position, entry in in_order:
        resource = object_of(entry.get("resource"))
        kind = resource.get("resourceType")
        at = f"{path}.entry[{position}]"
        deleted = text_of(object_of(entry.get("request")).get("method")).upper() == "DELETE"
        if refusal := _refusal(entry, "Bundle.entry"):
            yield Entry(at, _alone(entry), {}, refusal)
        elif deleted and not resource:
            yield _deleted(entry, index, path=at)
        elif kind == _OBSERVATION:
            if deleted:
                resource = {**resource, "status": ENTERED_IN_ERROR}
            observation = index.resolved(resource)
            yield Entry(f"{at}.resource", msgspec.json.encode(observation), observation)
        elif kind == "Bundle":
            yield from entries(resource, path=f"{at}.resource", outer=index)
        else:
            held = entry.get("resource")
            fate = Passed.OTHER_RESOURCE if held is None else others.fate(held)
            yield Entry(f"{at}.resource", msgspec.json.encode(held), {}, fate)


def _refusal(element: dict[str, Any], path: str) -> RejectedObservation | None:
    """Why a Bundle or an entry must not be read: something unknown may change its meaning."""
    try:
        refuse_modifiers(element, path=path)
    except RejectedObservation as error:
        return error
    return None


def _alone(entry: dict[str, Any]) -> bytes:
    """A Bundle of this entry: what is no resource by itself has the same fate there."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    return msgspec.json.encode(bundle)


def _deleted(entry: dict[str, Any], index: "Index", *, path: str) -> Entry:
    """A DELETE as the Observation it takes back.

    It does not say whose Observation that was: another entry with its id does, or the one
    patient the Bundle is about.  (A wrong guess would withdraw a reading that is not there.)
    """
    request, response = object_of(entry.get("request")), object_of(entry.get("response"))
    url, _, url_version = (text_of(request.get("url")) or text_of(entry.get("fullUrl"))).partition(
        "/_history/"
    )
    head, _, conditions = url.partition("?")
    *_, kind, name = ["", *head.split("/")]
    if _OBSERVATION not in (kind, name):
        return Entry(path, _alone(entry), {}, Passed.OTHER_RESOURCE)
    known = index.observations.get(name, {})
    subject = known.get("subject") or index.only_subject
    if not subject or not name or conditions or kind != _OBSERVATION:
        fate = rejected(Fault.NO_SUBJECT, path="Observation.subject", found=url)
        return Entry(path, _alone(entry), {}, fate)
    # The version of another entry is not that of the DELETE: with none it is of all versions.
    told = object_of(known.get("meta"))
    meta = {"source": told["source"]} if "source" in told else {}
    etag = text_of(response.get("etag")).removeprefix("W/").strip('"') or url_version
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

    def __init__(
        self, listed: list[dict[str, Any]], *, are_tests: bool = False, outer: "Index | None" = None
    ) -> None:
        """`are_tests`: everything in the Bundle is test data, as in all that it stands in."""
        self._are_tests: bool = are_tests or (outer is not None and outer._are_tests)
        self._outer: Index | None = outer
        self._resources: dict[str, dict[str, Any]] = {}
        self._identified: dict[str, dict[str, Any]] = {}
        for entry in listed:
            resource = object_of(entry.get("resource"))
            if resource.get("resourceType") == _PATIENT:
                keys = map(identifier_key, list_of(resource.get("identifier")))
                self._identified |= dict.fromkeys(filter(None, keys), resource)
                if text_of(resource.get("id")):
                    self._resources[f"{_PATIENT}/{text_of(resource['id'])}"] = resource
            if resource and text_of(entry.get("fullUrl")):
                self._resources[text_of(entry["fullUrl"])] = resource
        found = [object_of(entry.get("resource")) for entry in listed]
        self.observations = {
            text_of(each.get("id")): self.resolved(each)
            for each in found
            if each.get("resourceType") == _OBSERVATION and text_of(each.get("id"))
        }

    def resolved(self, observation: dict[str, Any]) -> dict[str, Any]:
        """A copy that means the same outside the Bundle.

        Urns become the `Type/id` of what they name, where it has an id.  The birthDate of the
        subject goes along as a contained Patient: the rules for adults depend on it.  So does
        that the subject, or all of the Bundle, is test data.
        """
        copy = dict(observation)
        for name in ("subject", "device"):
            if isinstance(copy.get(name), dict):
                copy[name] = self._relative(copy[name])
        for name in ("performer", "focus"):
            if name in copy:
                copy[name] = [self._relative(each) for each in list_of(copy[name])]
        subject = object_of(copy.get("subject"))
        patient = self._patient(subject)
        if self._are_tests or is_test(patient):
            meta = object_of(copy.get("meta"))
            tags = [*list_of(meta.get("tag")), {"system": ACT_REASON, "code": TEST_DATA}]
            copy["meta"] = {**meta, "tag": tags}
        born = text_of(patient.get("birthDate"))
        if 0 < len(born) <= _DATE_LENGTH:
            name = without_history(text_of(subject.get("reference"))).rpartition("/")[2]
            who = {"id": name} if name else {"identifier": [subject["identifier"]]}
            known = {"resourceType": _PATIENT, "birthDate": born, **who}
            copy["contained"] = [*list_of(copy.get("contained")), known]
        return copy

    @cached_property
    def only_subject(self) -> dict[str, Any] | None:
        """The subject of everything here, if it is one and the same."""
        patients = [name for name in self._resources if name.startswith(f"{_PATIENT}/")]
        subjects: dict[str, dict[str, Any]] = {name: {"reference": name} for name in patients}
        for observation in self.observations.values():
            subject = object_of(observation.get("subject"))
            reference = without_history(text_of(subject.get("reference")))
            subjects[reference or msgspec.json.encode(subject).decode()] = subject
        return next(iter(subjects.values())) if len(subjects) == 1 else None

    def _patient(self, subject: dict[str, Any]) -> dict[str, Any]:
        """The Patient who is the subject, if it is here; else empty."""
        if reference := without_history(text_of(subject.get("reference"))):
            patient = self._named(reference)
            return patient if patient.get("resourceType") == _PATIENT else {}
        key = identifier_key(subject.get("identifier"))
        known = (index._identified for index in self._outwards())
        return next((each[key] for each in known if key in each), {})

    def _named(self, reference: str) -> dict[str, Any]:
        """What a reference names, here or in a Bundle around this one; else empty."""
        known = (index._resources for index in self._outwards())
        return next((each[reference] for each in known if reference in each), {})

    def _outwards(self) -> "Iterator[Index]":
        index: Index | None = self
        while index is not None:
            yield index
            index = index._outer

    def _relative(self, value: object) -> object:
        reference = text_of(object_of(value).get("reference"))
        target = self._named(reference) if is_urn(reference) else {}
        name = text_of(target.get("id"))
        if not name:
            return value
        kind = text_of(target.get("resourceType"))
        return {**object_of(value), "reference": f"{kind}/{name}"}
