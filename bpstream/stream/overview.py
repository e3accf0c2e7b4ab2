"""The overview of all patients of this worker: sorted, searched and counted, in columns.

It is refreshed when it is asked for, and at most about once a second.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpstream.acknowledgements import SaidBook
from bpstream.clinical.alarm_rules import Rule
from bpstream.clinical.categories import SEVERITY_NAMES
from bpstream.patients import Patients
from bpstream.stream.columns import (
    COLUMN,
    NO_ALERT,
    SEVERITIES,
    URGENCIES,
    WARNINGS,
    Acknowledged,
    Columns,
    alert_keys,
)
from bpstream.stream.tables import PatientTable

STALE_AFTER = 15 * 60
"""Seconds after which a last reading no longer tells how a patient is: bpstream's own choice."""

STALE = "stale"
IDS, ATTENTION = "id", "attention"
SORTS = (IDS, ATTENTION)

HEAT_UP_TO = 2000
"""So many patients have a place each on the heat strip."""

_FRESH = 900_000
"""µs for which a refresh holds."""

_MOST_SEARCHES, _MOST_FOUND = 1000, 4_000_000
"""Searches that are kept, and the places that they may have found together, 8 bytes each."""

_POSITION_BITS = 32
_HEAT = np.frombuffer(b"01234s", np.uint8)
_LEAST_URGENT = URGENCIES * SEVERITIES * 2 * WARNINGS - 1


class Window(NamedTuple):
    """The patients at some places of a list."""

    total: int
    """Patients of the whole list."""
    ids: list[str]
    ranks: list[int]
    """By which the lists of several workers become one: the lowest first, then by id."""


class Place(NamedTuple):
    """Where an alert is kept."""

    patients: Patients
    position: int
    rule: int


class Overview:
    """What is said of all patients of the table."""

    def __init__(self, table: PatientTable, rules: Sequence[Rule], said: SaidBook) -> None:
        self._table, self._said = table, said
        self._marks = np.array([rule.mark for rule in rules], np.uint16)
        self._columns: dict[int, Columns] = {}
        self._counts: dict[int, int] = {}
        self._ids: list[str] = []
        # Of each id, its partition and the position in it.
        self._where = np.zeros(0, np.int64)
        self._folded: list[str] | None = None
        self._searched: OrderedDict[str, NDArray[np.intp]] = OrderedDict()
        self._kept = 0
        self._acknowledged = Acknowledged.of(said)
        self._revision = said.revision
        self._at, self._moved = 0, True
        # In the order of the ids.
        self._values = np.zeros(0, COLUMN)
        self._stale = np.zeros(0, np.bool_)
        self._ranks: NDArray[np.uint16] | None = None
        self._order: NDArray[np.intp] | None = None

    def refresh(self, now: int) -> None:
        """Look at what changed by `now`, µs since 1970 UTC."""
        self._place()
        if not self._moved and 0 <= now - self._at < _FRESH:
            return
        anew = self._revision != self._said.revision
        if anew:
            self._acknowledged, self._revision = Acknowledged.of(self._said), self._said.revision
        for each in self._columns.values():
            each.refresh(self._marks, self._acknowledged, anew=anew)
        self._at, self._moved, self._ranks, self._order = now, False, None, None
        values = [each.values for each in self._columns.values()]
        self._values = np.concatenate(values or [self._values[:0]])[self._flat()]
        self._stale = self._values["taken_at"] < now - STALE_AFTER * 1_000_000

    def window(self, *, search: str, sort: str, offset: int, limit: int, now: int) -> Window:
        """The patients whose ids hold `search`, in whatever case; `sort` is one of SORTS.

        By attention: first the patients with the most severe alert that fires, and of these
        first where nobody has acknowledged it; then those with the most severe last reading,
        and of these last where it is stale; then those with the highest early warning; then by
        id.  `now` is in µs since 1970 UTC.
        """
        if sort == IDS:
            self._place()
        else:
            self.refresh(now)
        found = self._search(search) if search else None
        total = len(self._ids) if found is None else len(found)
        if sort == IDS:
            end = min(offset + limit, total)
            places = range(offset, end) if found is None else found[offset:end].tolist()
            ids = [self._ids[place] for place in places]
            return Window(total, ids, [0] * len(ids))
        ranks = self.ranks()
        order = self._by_rank() if found is None else found[np.argsort(ranks[found], kind="stable")]
        order = order[offset : offset + limit]
        ids = [self._ids[place] for place in order.tolist()]
        return Window(total, ids, ranks[order].tolist())

    def ranks(self) -> NDArray[np.uint16]:
        """How little attention each patient needs, in the order of the ids; at the last refresh."""
        if self._ranks is None:
            values = self._values
            urgency = values["urgency"].astype(np.uint16)
            for column, many in (
                (values["severity"], SEVERITIES),
                (~self._stale, 2),
                (values["warning"], WARNINGS),
            ):
                urgency = urgency * np.uint16(many) + column.astype(np.uint16)
            self._ranks = np.uint16(_LEAST_URGENT) - urgency
        return self._ranks

    def _by_rank(self) -> NDArray[np.intp]:
        """Every place, ordered by rank; shared by all who ask between two refreshes."""
        if self._order is None:
            self._order = np.argsort(self.ranks(), kind="stable")
        return self._order

    def counts(self) -> dict[str, int]:
        """Patients by the severity of their last reading, stale ones apart; at the last refresh."""
        severity = self._values["severity"][~self._stale]
        counts = np.bincount(severity, minlength=SEVERITIES).tolist()
        by_name = dict(zip(SEVERITY_NAMES, counts, strict=True))
        named = {name: by_name[name] for name in reversed(SEVERITY_NAMES)}
        return named | {STALE: int(np.count_nonzero(self._stale))}

    def heat(self) -> tuple[list[str], str] | None:
        """The ids in order, and a character for each; None where there are too many."""
        if len(self._values) > HEAT_UP_TO:
            return None
        heat = _HEAT[np.where(self._stale, SEVERITIES, self._values["severity"])]
        return self._ids, heat.tobytes().decode()

    def alerts(self) -> tuple[int, int]:
        """How many alerts are pending or fire; how many fire and nobody has acknowledged."""
        return int(self._values["alerts"].sum()), int(self._values["waiting"].sum())

    def first_alerts(self, most: int) -> list[Place]:
        """Where the most urgent alerts are, the most urgent first."""
        first = self._values["first"]
        on = np.flatnonzero(first != NO_ALERT)
        if len(on) > most:
            # None of these is about another patient than those of the most urgent alerts.
            last = np.partition(first[on], most - 1)[most - 1]
            sure, same = on[first[on] < last], on[first[on] == last]
            by_id = np.argsort(self._values["alert"][same])
            on = np.concatenate([sure, same[by_id[: most - len(sure)]]])
        found = [place for number in self._columns for place in self._alerts_in(number, on, most)]
        return [place for _, _, place in sorted(found, key=lambda each: each[:2])[:most]]

    def _alerts_in(
        self, number: int, on: NDArray[np.intp], most: int
    ) -> Iterator[tuple[int, int, Place]]:
        where = self._where[on]
        at = where[where >> _POSITION_BITS == number] & ((1 << _POSITION_BITS) - 1)
        patients = self._columns[number].patients
        slots = patients.rows["alarms"][at][:, : len(self._marks)]
        keys = alert_keys(slots, self._marks, self._acknowledged)
        row, rule = np.nonzero(keys != NO_ALERT)
        key, alert = keys[row, rule], slots["alert"][row, rule]
        for each in np.lexsort((alert, key))[:most].tolist():
            place = Place(patients, int(at[row[each]]), int(rule[each]))
            yield int(key[each]), int(alert[each]), place

    def _place(self) -> None:
        """Give every patient a place by id."""
        partitions = self._table.partitions()
        counts = {number: len(each.patients) for number, each in partitions.items()}
        held = self._columns
        same = held.keys() == counts.keys() and all(
            held[number].patients is partitions[number].patients for number in held
        )
        if same and counts == self._counts:
            return
        if not same:
            self._columns = {number: Columns(each.patients) for number, each in partitions.items()}
            self._counts, self._ids, self._where = {}, [], self._where[:0]
        # Patients are added to their partition and never leave it.
        new: list[tuple[str, int]] = []
        for number, count in counts.items():
            positions = np.arange(self._counts.get(number, 0), count)
            ids = partitions[number].patients.ids(positions)
            new += zip(ids, (positions | (number << _POSITION_BITS)).tolist(), strict=True)
        new.sort()
        places = [bisect_left(self._ids, patient_id) for patient_id, _ in new]
        self._where = np.insert(self._where, places, [where for _, where in new])
        self._ids = sorted([*self._ids, *(patient_id for patient_id, _ in new)])
        self._counts, self._folded = counts, None
        self._searched.clear()
        self._kept = 0
        self._moved = True

    def _flat(self) -> NDArray[np.intp]:
        """Where in the partitions' columns, one behind the other, each id's are."""
        start, starts = 0, np.zeros(max(self._columns, default=0) + 1, np.intp)
        for number, each in self._columns.items():
            starts[number] = start
            start += len(each.values)
        position = self._where & ((1 << _POSITION_BITS) - 1)
        flat: NDArray[np.intp] = starts[self._where >> _POSITION_BITS] + position
        return flat

    def _search(self, search: str) -> NDArray[np.intp]:
        """The places of the ids that hold `search`; kept until there are other patients."""
        wanted = search.casefold()
        found = self._searched.get(wanted)
        if found is None:
            if self._folded is None:
                self._folded = [each.casefold() for each in self._ids]
            places = [at for at, each in enumerate(self._folded) if wanted in each]
            found = self._searched[wanted] = np.array(places, np.intp)
            self._kept += len(found)
        self._searched.move_to_end(wanted)
        while len(self._searched) > 1 and (
            self._kept > _MOST_FOUND or len(self._searched) > _MOST_SEARCHES
        ):
            _, forgotten = self._searched.popitem(last=False)
            self._kept -= len(forgotten)
        return found
