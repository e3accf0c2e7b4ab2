"""Status: what becomes of an Observation by its status, a modifier element."""

from enum import Enum
from typing import Any

from bpstream.fhir.element import text_of
from bpstream.fhir.reasons import Fault, rejected
from bpstream.reading import AMENDS, Flag


class Use(Enum):
    """What is done with an Observation."""

    EVALUATE = "evaluate"
    IGNORE = "ignore"
    RETRACT = "retract"


ENTERED_IN_ERROR = "entered-in-error"

_STATUS = {
    "final": (Use.EVALUATE, Flag(0)),
    "amended": (Use.EVALUATE, Flag(AMENDS)),
    "corrected": (Use.EVALUATE, Flag(AMENDS)),
    "preliminary": (Use.EVALUATE, Flag.UNVERIFIED),
    "unknown": (Use.EVALUATE, Flag.STATUS_UNKNOWN),
    "registered": (Use.IGNORE, Flag(0)),
    "cancelled": (Use.IGNORE, Flag(0)),
    ENTERED_IN_ERROR: (Use.RETRACT, Flag(0)),
}


def use(observation: dict[str, Any]) -> tuple[Use, Flag]:
    """What the Observation's status asks for, and what it flags; blanks around it are cut."""
    status = text_of(observation.get("status"))
    if not status and not observation.get("status"):
        raise rejected(Fault.NO_STATUS, path="Observation.status", found=None)
    if status not in _STATUS:
        found = observation["status"]
        raise rejected(Fault.INVALID_STATUS, path="Observation.status", found=found)
    return _STATUS[status]


def flags(status: str) -> Flag:
    """What a status flags an Observation with that is to be evaluated."""
    return _STATUS[status][1]


def refuse_modifiers(element: dict[str, Any], *, path: str) -> None:
    """Raise for extensions which may change the meaning: bpstream understands none of them."""
    for name in ("implicitRules", "modifierExtension"):
        if element.get(name):
            raise rejected(Fault.UNKNOWN_MODIFIER, path=f"{path}.{name}", found=element[name])
