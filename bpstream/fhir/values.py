"""Values: what the parts of an Observation measured, each a Quantity or SampledData."""

from typing import Any, NamedTuple

from bpstream.fhir import quantity, status
from bpstream.fhir.codes import Meaning, Pressure
from bpstream.fhir.element import list_of, object_of
from bpstream.fhir.quantity import Measured
from bpstream.fhir.reasons import Fault, Passed, rejected
from bpstream.fhir.samples import Samples, samples

_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_NAME_LENGTH = 64  # of a property that nobody knows, in a path


class Part(NamedTuple):
    """A component with a pressure, or the Observation itself where it has but one."""

    element: dict[str, Any]
    meaning: Meaning
    path: str


class Values(NamedTuple):
    """The values of the parts, by pressure; an absent one is not there."""

    quantities: dict[Pressure, Measured]
    series: dict[Pressure, Samples]


def values_of(parts: list[Part]) -> Values:
    """The value of every part that has one, read and held against its range."""
    values, seen = Values({}, {}), set[Pressure]()
    for element, meaning, path in parts:
        if path != "Observation":
            status.refuse_modifiers(element, path=path)
        if len(meaning.pressures) > 1 or meaning.pressures & seen:
            found = " ".join(sorted(meaning.pressures))
            raise rejected(Fault.AMBIGUOUS_COMPONENT, path=f"{path}.code", found=found)
        seen |= meaning.pressures
        (pressure,) = meaning.pressures
        name = value_name(element, path)
        if name is None or element.get("dataAbsentReason"):
            continue
        value, at = object_of(element[name]), f"{path}.{name}"
        if name == "valueSampledData":
            values.series[pressure] = samples(value, path=at)
        elif read := quantity.measured(value, pressure, path=at):
            values.quantities[pressure] = read
    return values


def value_name(element: dict[str, Any], path: str) -> str | None:
    """The name of value[x], if it is there and of a type that can be read."""
    names = [
        name
        for name, value in element.items()
        if name.startswith("value") and name[5:6].isupper() and value is not None
    ]
    if not names:
        return None
    if len(names) > 1 or names[0] not in ("valueQuantity", "valueSampledData"):
        name = next((each for each in names if each != "valueQuantity"), names[0])
        path = f"{path}.{name[:_NAME_LENGTH]}"
        raise rejected(Fault.UNSUPPORTED_VALUE, path=path, found=element[name])
    return names[0]


def nothing(observation: dict[str, Any], parts: list[Part]) -> Passed:
    """A blood pressure without a number is in order only where it says why, or where it is."""
    if (name := value_name(observation, "Observation")) and not parts:
        found = observation[name]
        raise rejected(Fault.UNSUPPORTED_VALUE, path=f"Observation.{name}", found=found)
    told = [observation, *(part.element for part in parts)]
    if _has_members(observation) or any(map(_says_why, told)):
        return Passed.ABSENT
    found = observation.get("component")
    raise rejected(Fault.NO_VALUE, path="Observation.component", found=found)


def _has_members(observation: dict[str, Any]) -> bool:
    """Whether the values are elsewhere: in STU3 and DSTU2, as `related` tells."""
    related = [object_of(each).get("type") for each in list_of(observation.get("related"))]
    return bool(observation.get("hasMember")) or "has-member" in related


def _says_why(element: dict[str, Any]) -> bool:
    """Whether an element tells why it has no value, in words of its own or by the extension."""
    value = object_of(element.get("valueQuantity"))
    places = [element, value, object_of(value.get("_value"))]
    extensions = [each for place in places for each in list_of(place.get("extension"))]
    return bool(element.get("dataAbsentReason")) or any(
        object_of(each).get("url") == _ABSENT for each in extensions
    )
