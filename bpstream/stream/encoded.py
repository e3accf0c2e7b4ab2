"""Patients as JSON, encoded anew only where something about them changed."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from bpstream.acknowledgements import SaidBook
from bpstream.limits import LimitBook
from bpstream.stream.tables import PatientTable

Json = dict[str, Any]

_MOST = 8192
"""Patients kept, some 3 kB each."""


class _State(NamedTuple):
    """What a patient's JSON depends on, but for the clock."""

    stamp: int
    limits: int
    said: int


class Encoded:
    """What `get` tells of patients of the table, as bytes."""

    def __init__(
        self,
        get: Callable[[str], Json | None],
        table: PatientTable,
        limits: LimitBook,
        said: SaidBook,
    ) -> None:
        self._get, self._table, self._limits, self._said = get, table, limits, said
        self._kept: OrderedDict[str, tuple[_State, bytes]] = OrderedDict()

    def of(self, patient_ids: Iterable[str]) -> dict[str, bytes]:
        """Each as JSON; those never seen are left out.

        Bytes that are the same as the last time are the same object.
        """
        encoded = ((patient_id, self._one(patient_id)) for patient_id in patient_ids)
        return {patient_id: body for patient_id, body in encoded if body is not None}

    def _one(self, patient_id: str) -> bytes | None:
        found = self._table.find(patient_id)
        if found is None:
            return None
        patients, position = found
        stamp = int(patients.rows["stamp"][position])
        state = _State(stamp, self._limits.revision, self._said.revision)
        kept = self._kept.get(patient_id)
        if kept is not None and kept[0] == state:
            self._kept.move_to_end(patient_id)
            return kept[1]
        shown = self._get(patient_id)
        if shown is None:
            return None
        body = orjson.dumps(shown)
        if kept is not None and kept[1] == body:
            body = kept[1]
        # What ends by the clock alone is looked at every time.
        self._kept[patient_id] = (state._replace(stamp=-1) if _ends(shown) else state), body
        self._kept.move_to_end(patient_id)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return body


def _ends(shown: Json) -> bool:
    """Whether a limit or a silence of the patient's ends some time."""
    limits = shown["limits"]
    return (
        any(alert["silenced"] for alert in shown["alerts"])
        or any(bound.get("expires") for bound in limits["bounds"].values())
        or bool(limits["profile"].get("expires"))
    )
