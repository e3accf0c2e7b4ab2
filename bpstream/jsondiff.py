"""Where two pieces of JSON differ, in words for a person."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

_LONGEST = 60
_NOTHING = object()


class Difference(NamedTuple):
    """One place at which what is found is not what is wanted."""

    path: str
    """`params.threshold`, `panels[2].title`; empty for the whole."""
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.path or 'all of it'}: {self.found} instead of {self.wanted}"


def differences(wanted: Any, found: Any) -> list[Difference]:
    """Every place at which they differ; nothing and null are the same.

    A list of another length differs as a whole.

    >>> [str(each) for each in differences({"a": [1], "b": 2}, {"a": [3], "b": 2, "c": 4})]
    ['a[0]: 3 instead of 1', 'c: 4 instead of nothing']
    """
    return list(_differences("", wanted, found))


def _differences(path: str, wanted: Any, found: Any) -> Iterator[Difference]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in dict.fromkeys((*wanted, *found)):
            below = f"{path}.{key}" if path else str(key)
            yield from _differences(below, wanted.get(key, _NOTHING), found.get(key, _NOTHING))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for position, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _differences(f"{path}[{position}]", one, other)
    elif not _same(wanted, found):
        yield Difference(path, _shown(found), _shown(wanted))


def _same(wanted: Any, found: Any) -> bool:
    nothing = (None, _NOTHING)
    if wanted in nothing and found in nothing:
        return True
    # True is 1 for Python, and not for JSON; 1.0 is 1 for both.
    return wanted == found and isinstance(wanted, bool) == isinstance(found, bool)


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
