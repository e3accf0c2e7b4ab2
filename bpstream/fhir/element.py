"""Elements of untyped JSON, read so that no shape of them is a surprise."""

import reprlib
from typing import Any

_FOUND_LENGTH = 200
_LARGEST_CODE = 10**18
_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 120
_repr.maxlevel, _repr.maxdict, _repr.maxlist = 3, 4, 3


def object_of(value: object) -> dict[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """`value` as a list: DSTU2 and STU3 have single objects where R4 has lists."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text_of(value: object) -> str:
    """`value` without blanks around it if it is text, else empty."""
    return value.strip() if isinstance(value, str) else ""


def code_of(value: object) -> str:
    """`value` as a code: bridges from systems of numbers write some without quotes."""
    is_number = type(value) is int and 0 <= value < _LARGEST_CODE
    return str(value) if is_number else text_of(value)


def show(value: object) -> str:
    """What was found, for people: ASCII, at most 200 characters, whatever its size."""
    try:
        shown = _repr.repr(value)
    except ValueError:  # an integer with more digits than Python prints
        shown = f"a {type(value).__name__} too long to print"
    return shown.encode("ascii", "backslashreplace").decode()[:_FOUND_LENGTH]
