"""What a PromQL expression asks for: metrics, labels and their values."""

import re
from typing import NamedTuple

_WORDS = frozenset({"and", "bool", "by", "ignoring", "offset", "on", "or", "unless", "without"})
_SELECTED = re.compile(r"([a-zA-Z_:]\w*)\s*\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(=|!=|=~|!~)\s*"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_NAME = re.compile(r"[a-zA-Z_:]\w*")


class Asked(NamedTuple):
    """What an expression asks for."""

    metrics: set[str]
    selected: set[tuple[str, str, str]]
    """Metric, label, and the value it is to have."""
    grouped: set[str]
    """Labels it groups or joins by."""


def asked(expression: str) -> Asked:
    """Read `expression`; a matcher but for ``=`` is an error."""
    selected = set()
    for metric, matchers in _SELECTED.findall(expression):
        found = _MATCHER.findall(matchers)
        if len(found) != len([each for each in matchers.split(",") if each.strip()]):
            raise ValueError(f"{matchers} cannot be read")
        for label, operator, value in found:
            if operator != "=":
                raise ValueError(f"{label}{operator} is not known here")
            selected.add((metric, label, value))
    grouped = {
        label.strip()
        for labels in _GROUPED.findall(expression)
        for label in labels.split(",")
        if label.strip()
    }
    bare = _GROUPED.sub(" ", re.sub(r"\{[^}]*\}|\[[^]]*\]|offset \w+", " ", expression))
    metrics = {
        found[0]
        for found in _NAME.finditer(bare)
        if found[0] not in _WORDS and not bare[found.end() :].lstrip().startswith("(")
    }
    return Asked(metrics, selected, grouped)
