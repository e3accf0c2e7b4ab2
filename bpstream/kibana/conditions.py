"""What the rules and views look for, once in KQL and once as an Elasticsearch query."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bpstream.clinical.rules import HYPERTENSION_DIASTOLIC_ABOVE, HYPERTENSION_SYSTOLIC_ABOVE

ANOMALOUS = 'anomaly_type : ("hypertension" or "hypotension")'
"""Readings the rules call anomalous; with BPSTREAM_INDEX_READINGS=all others are there too."""

# No rule judges these, and nobody is to be called for them.
_NOT_JUDGED = {"kind": "aggregate", "flags": "child"}


@dataclass(frozen=True, slots=True)
class Above:
    """Readings with every one of some pressures above its bound (mmHg)."""

    bounds: Mapping[str, float]

    @property
    def kuery(self) -> str:
        """The condition in KQL."""
        above = [f"{field} > {bound:g}" for field, bound in self.bounds.items()]
        without = [f'not {field} : "{value}"' for field, value in _NOT_JUDGED.items()]
        return " and ".join([*above, *without])

    @property
    def query(self) -> dict[str, Any]:
        """The condition as Elasticsearch asks it."""
        return {
            "bool": {
                "filter": [{"range": {each: {"gt": n}}} for each, n in self.bounds.items()],
                "must_not": [{"term": {each: value}} for each, value in _NOT_JUDGED.items()],
            }
        }


SYSTOLIC = Above({"systolic_pressure": HYPERTENSION_SYSTOLIC_ABOVE})
DIASTOLIC = Above({"diastolic_pressure": HYPERTENSION_DIASTOLIC_ABOVE})
CRITICAL = Above({**SYSTOLIC.bounds, **DIASTOLIC.bounds})
