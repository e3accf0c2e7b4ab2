"""Quantities: a value with its unit, as mmHg."""

import math
import re
from typing import Any, NamedTuple

from bpstream.fhir.codes import Pressure
from bpstream.fhir.element import text_of
from bpstream.fhir.reasons import Fault, rejected
from bpstream.reading import Flag

UCUM = "http://unitsofmeasure.org"
UCUM_MMHG = "mm[Hg]"

# mmHg of one unit, by the conventional millimetre of mercury and centimetre of water
# (NIST Special Publication 811, Appendix B).
_MMHG_PER = {UCUM_MMHG: 1.0, "kPa": 7.50062, "cm[H2O]": 0.735559}

# Spellings of mmHg as text, in small letters without blanks, dots, dashes, slashes and brackets.
_MMHG_SPELLINGS = frozenset(
    {"mmhg", "torr", "mmofhg", "millimeterofmercury", "millimetersofmercury"}
    | {"millimetreofmercury", "millimetresofmercury", "millimetermercurycolumn"}
    | {"millimeterquecksilbersäule", "millimeterquecksilber", "millimètredemercure"}
)
_NOT_SPELLING = re.compile(r"[\s./\-\[\]()]+")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_UCUM_SYSTEMS = {UCUM, "https://unitsofmeasure.org", "urn:oid:2.16.840.1.113883.6.8"}
_UNIT_READ = 64
_COMPARATORS = frozenset({"<", "<=", ">=", ">"})

SYSTOLIC_RANGE = (30.0, 350.0)
DIASTOLIC_RANGE = (10.0, 250.0)
MEAN_RANGE = (DIASTOLIC_RANGE[0], SYSTOLIC_RANGE[1])
"""mmHg, both ends included: bpstream's own limits, wide enough for any living patient.

What lies outside is an artefact, and is never told as hypotension.
"""
_RANGE = {
    Pressure.SYSTOLIC: SYSTOLIC_RANGE,
    Pressure.DIASTOLIC: DIASTOLIC_RANGE,
    Pressure.MEAN: MEAN_RANGE,
}


class Measured(NamedTuple):
    """A pressure in mmHg, unrounded; with a comparator it is a bound and not the value."""

    mmhg: float
    flags: Flag = Flag(0)
    comparator: str = ""


def measured(quantity: dict[str, Any], pressure: Pressure, *, path: str) -> Measured | None:
    """The pressure a Quantity holds; None where it has no value.

    Raises :class:`RejectedObservation` for anything that is not a possible pressure.
    """
    if quantity.get("value") is None:
        return None
    value, value_flags = number(quantity["value"], path=f"{path}.value")
    factor, unit_flags = mmhg_per_unit(quantity, path=path)
    found = quantity.get("comparator")
    comparator = text_of(found)
    if found not in (None, "") and comparator not in _COMPARATORS:
        raise rejected(Fault.UNSUPPORTED_VALUE, path=f"{path}.comparator", found=found)
    mmhg = within_range(value * factor, pressure, path=f"{path}.value")
    flags = value_flags | unit_flags | (Flag.COMPARATOR if comparator else Flag(0))
    return Measured(mmhg, flags, comparator)


def number(value: object, *, path: str) -> tuple[float, Flag]:
    """A finite number from JSON; one written as text is accepted and flagged."""
    flags, read = Flag(0), math.nan
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        flags, read = Flag.NUMBER_FROM_TEXT, float(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            read = float(value)
        except OverflowError:  # an integer of hundreds of digits
            read = math.inf
    if not math.isfinite(read):
        raise rejected(Fault.INVALID_NUMBER, path=path, found=value)
    return read, flags


def mmhg_per_unit(quantity: dict[str, Any], *, path: str) -> tuple[float, Flag]:
    """The factor to mmHg: the UCUM code decides, else the unit's text, which is flagged.

    A spelling of mmHg in place of UCUM's code means the same: many write "mmHg" there.
    """
    system, code, unit = (text_of(quantity.get(name)) for name in ("system", "code", "unit"))
    is_ucum = system.rstrip("/") in _UCUM_SYSTEMS and code != ""
    if is_ucum and code in _MMHG_PER:
        return _MMHG_PER[code], Flag(0)
    written = code if is_ucum else unit or code
    if not written:
        raise rejected(Fault.NO_UNIT, path=f"{path}.unit", found=quantity)
    spelling = _NOT_SPELLING.sub("", written.casefold()) if len(written) <= _UNIT_READ else ""
    if spelling not in _MMHG_SPELLINGS:
        at = "code" if is_ucum else "unit"
        raise rejected(Fault.UNSUPPORTED_UNIT, path=f"{path}.{at}", found=written)
    return _MMHG_PER[UCUM_MMHG], Flag.UNIT_FROM_TEXT


def within_range(mmhg: float, pressure: Pressure, *, path: str) -> float:
    """`mmhg`, if a patient can have it."""
    lowest, highest = _RANGE[pressure]
    if not lowest <= mmhg <= highest:
        raise rejected(Fault.OUT_OF_RANGE, path=path, found=mmhg)
    return mmhg
