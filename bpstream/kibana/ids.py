"""Ids that stay: the same object has the same id in every version, on every machine."""

from typing import NamedTuple
from uuid import UUID, uuid5

_NAMESPACE = UUID("6c9f5f9e-6d0f-5c0b-9f43-0b6c2f1a7d55")


class Ids(NamedTuple):
    """Ids of what belongs to one alias in one of Kibana's spaces.

    They are UUIDs, because Kibana takes no other for a rule or a connector.  Kibana keeps an id
    once for all its spaces, so each space has ids of its own.
    """

    alias: str
    space: str = ""
    """Empty: the default space."""

    def of(self, name: str) -> str:
        """The id of what bpstream calls `name`."""
        return str(uuid5(_NAMESPACE, f"{self.space}\n{self.alias}\n{name}"))


def within(*names: str) -> str:
    """The id of a part, a panel for one, which is known only within its object."""
    return str(uuid5(_NAMESPACE, "\n".join(names)))
