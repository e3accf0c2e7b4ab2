"""What should become of readings, one after the other: plain Python, nothing vectorized."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bpstream.patients import AGGREGATE, RECENT, Patients, counters_of
from bpstream.patients import RETRACTED as TAKEN_BACK
from bpstream.reading import Flag
from tests.pipeline.messages import MINUTE, RETRACTED, Taken, at
from tests.pipeline.owner import Owner

AMENDING = ("amended", "corrected")


def tags(reading: Taken) -> dict[str, bool]:
    """The rules' words, in the order of their bits."""
    if reading.aggregate:
        return {}
    systolic, diastolic = reading.systolic, reading.diastolic
    return {
        "hypertension_systolic": systolic is not None and systolic > 140,
        "hypotension_systolic": systolic is not None and systolic < 90,
        "hypertension_diastolic": diastolic is not None and diastolic > 90,
        "hypotension_diastolic": diastolic is not None and diastolic < 60,
    }


class Kept(NamedTuple):
    """What is compared of a reading in a row."""

    identity: int
    version: int
    taken_at: int
    systolic: float | None
    diastolic: float | None
    late: bool
    tags: int


class State(NamedTuple):
    """What is compared of a row."""

    counters: dict[str, int]
    last: Kept | None
    recent: list[Kept | None]
    next: int
    stood: tuple[int, int]


class Written(NamedTuple):
    """What is compared of a document."""

    name: str
    version: int
    late: bool
    tags: tuple[str, ...]
    stood: tuple[int, int]


@dataclass
class Patient:
    """The state of one patient."""

    counters: Counter[str] = field(default_factory=Counter)
    last: Kept | None = None
    held: list[tuple[Taken, Kept]] = field(default_factory=list)
    """Every reading in the place it took when it first came; the last RECENT are known."""
    stood: tuple[int, int] = (-1, -1)

    def state(self) -> State:
        slots: list[Kept | None] = [None] * RECENT
        for position, (_, kept) in enumerate(self.held):
            slots[position % RECENT] = kept
        names = ("readings", "anomalies", "hypertension", "hypotension", *tags(Taken("")))
        counters = {name: self.counters[name] for name in names}
        return State(counters, self.last, slots, len(self.held) % RECENT, self.stood)

    def place(self, name: str) -> int | None:
        """Where in `held` a reading is, if it is known."""
        known = range(max(0, len(self.held) - RECENT), len(self.held))
        return next((at for at in known if self.held[at][0].name == name), None)

    def withdraw(self, reading: Taken, *, leaving: int | None) -> None:
        """Undo what the reading did; `leaving` is the place that counts no longer."""
        self.counters.subtract(counted(reading))
        if self.last is None or self.last.identity != identity(reading):
            return
        start = max(0, len(self.held) - RECENT)
        left = [
            kept
            for at, (_, kept) in enumerate(self.held)
            if at >= start and at != leaving and not kept.tags & (AGGREGATE | TAKEN_BACK)
        ]
        self.last = max(reversed(left), key=lambda kept: kept.taken_at, default=None)


class Oracle:
    """Every patient's state, and every document in its order."""

    def __init__(self) -> None:
        self.patients: defaultdict[str, Patient] = defaultdict(Patient)
        self.documents: list[Written] = []
        self.stored: dict[str, Taken] = {}
        """By document, what the stores hold."""
        self.unknown: list[str] = []
        """Documents that were taken back and that nobody knows."""
        self.fates: Counter[str] = Counter(written=0, repeated=0, retracted=0, unknown=0)

    def recent(self, patient_id: str) -> list[Taken]:
        """A patient's last readings, by which a repeated one is known."""
        return [reading for reading, _ in self._held(patient_id)[-RECENT:]]

    def earlier(self, patient_id: str) -> list[Taken]:
        """All of a patient's readings, as they are by now."""
        return list({reading.name: reading for reading, _ in self._held(patient_id)}.values())

    def apply(self, reading: Taken, *, arrived_at: int, stood: tuple[int, int]) -> None:
        """One reading or retraction; `stood` is where its message first stood."""
        if reading.status in AMENDING:  # It comes after what it amends, whatever it says.
            reading = reading._replace(version=reading.version or 1)
        if reading.status == RETRACTED:
            fate = self._retract(reading)
        else:
            fate = self._take(reading, arrived_at, stood)
        self.fates[fate] += 1

    def states(self) -> dict[str, State]:
        return {name: patient.state() for name, patient in self.patients.items()}

    def held(self) -> dict[str, list[tuple[str, int, int]]]:
        """By store, the document, version and time of everything in it, in order."""
        stores: dict[str, list[tuple[str, int, int]]] = {"index": [], "archive": []}
        for document_id, reading in sorted(self.stored.items()):
            store = "index" if any(tags(reading).values()) else "archive"
            stores[store].append((document_id, reading.version, at(reading.minute)))
        return stores

    def _held(self, patient_id: str) -> list[tuple[Taken, Kept]]:
        return self.patients.get(patient_id, Patient()).held

    def _take(self, reading: Taken, arrived_at: int, stood: tuple[int, int]) -> str:
        patient = self.patients[reading.patient]
        place = patient.place(reading.name)
        was, is_late = None, None
        if place is not None:
            known, kept = patient.held[place]
            if known.version >= reading.version:
                return "repeated"
            was, is_late = (None if kept.tags & TAKEN_BACK else known), kept.late
        elif reading.status in AMENDING and len(patient.held) >= RECENT:
            was = self.stored.get(reading.document_id)
            if was is not None and was.version >= reading.version:
                return "repeated"
        if was is not None:
            patient.withdraw(was, leaving=place)
        taken_at, wrong = at(reading.minute), tags(reading)
        late = arrived_at - taken_at > 15 * MINUTE
        late |= patient.last is not None and taken_at < patient.last.taken_at
        bits = sum(1 << bit for bit, each in enumerate(wrong.values()) if each)
        kept = Kept(
            identity(reading),
            reading.version,
            taken_at,
            reading.systolic,
            reading.diastolic,
            late,
            bits | (AGGREGATE if reading.aggregate else 0),
        )
        # What alarms looked at when it first came they look at again.
        held = (reading, kept if is_late is None else kept._replace(late=is_late))
        if place is None:
            patient.held.append(held)
        else:
            patient.held[place] = held
        patient.stood = stood
        patient.counters.update(counted(reading))
        if not reading.aggregate and (patient.last is None or taken_at >= patient.last.taken_at):
            patient.last = kept
        words = tuple(word for word, each in wrong.items() if each)
        self.documents.append(Written(reading.name, reading.version, late, words, stood))
        self.stored[reading.document_id] = reading
        return "written"

    def _retract(self, retraction: Taken) -> str:
        patient = self.patients.get(retraction.patient, Patient())
        place = patient.place(retraction.name)
        known = self.stored.get(retraction.document_id)
        if place is not None:
            known, kept = patient.held[place]
            if kept.tags & TAKEN_BACK:
                version = max(known.version, retraction.version)
                known = known._replace(version=version)
                patient.held[place] = known, kept._replace(version=version)
                return "repeated"
        if known is None:
            self.unknown.append(retraction.document_id)
            return "unknown"
        if retraction.version and known.version > retraction.version:
            return "repeated"
        patient.withdraw(known, leaving=place)
        if place is not None:
            version = max(known.version, retraction.version)
            kept = patient.held[place][1]
            gone = kept._replace(version=version, systolic=None, diastolic=None, tags=TAKEN_BACK)
            patient.held[place] = known._replace(version=version), gone
        del self.stored[retraction.document_id]
        return "retracted"


def counted(reading: Taken) -> list[str]:
    """What a reading adds to its patient's counters."""
    if reading.aggregate:
        return []
    words = [word for word, wrong in tags(reading).items() if wrong]
    if not words:
        return ["readings"]
    hyper = any(word.startswith("hypertension") for word in words)
    return ["readings", "anomalies", "hypertension" if hyper else "hypotension", *words]


def identity(reading: Taken) -> int:
    return int(reading.document_id[:16], 16)


def assert_is_as_told(owner: Owner, oracle: Oracle) -> None:
    """State, documents and stores are the oracle's, each document once."""
    assert states_of(owner.partition.patients) == oracle.states()
    assert written(owner.documents()) == oracle.documents
    assert owner.shelves.held() == oracle.held()
    assert owner.fates == oracle.fates
    assert [each.document_id for each in owner.unknown] == oracle.unknown


def states_of(patients: Patients) -> dict[str, State]:
    """The rows, as the oracle tells its own."""
    return {name: _state(patients.row(name)) for name in patients}


def written(documents: list[Any]) -> list[Written]:
    """Documents, as the oracle tells its own."""
    return [
        Written(
            document.observation_id,
            document.version,
            "late" in document.flags,
            tuple(document.anomaly_details),
            (document.kafka.partition, document.kafka.offset),
        )
        for document in documents
    ]


def _state(row: np.void) -> State:
    return State(
        counters_of(row),
        _kept(row["last"]),
        [_kept(each) for each in row["recent"]],
        int(row["next"]),
        (int(row["partition"]), int(row["offset"])),
    )


def _kept(reading: np.void) -> Kept | None:
    if not reading["identity"]:
        return None
    return Kept(
        int(reading["identity"]),
        int(reading["version"]),
        int(reading["taken_at"]),
        _measured(reading["systolic"]),
        _measured(reading["diastolic"]),
        bool(int(reading["flags"]) & Flag.LATE),
        int(reading["tags"]),
    )


def _measured(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)
