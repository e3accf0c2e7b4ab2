"""What should become of readings, one after the other: plain Python, nothing vectorized."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bpstream.patients import AGGREGATE, RECENT, Patients, counters_of
from bpstream.reading import Flag
from tests.pipeline.messages import MINUTE, Taken, at


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
    stood: tuple[int, int] = (-1, -1)

    def state(self) -> State:
        slots: list[Kept | None] = [None] * RECENT
        for position, (_, kept) in enumerate(self.held):
            slots[position % RECENT] = kept
        names = ("readings", "anomalies", "hypertension", "hypotension", *tags(Taken("")))
        counters = {name: self.counters[name] for name in names}
        return State(counters, self.last, slots, len(self.held) % RECENT, self.stood)


class Oracle:
    """Every patient's state, and every document in its order."""

    def __init__(self) -> None:
        self.patients: defaultdict[str, Patient] = defaultdict(Patient)
        self.documents: list[Written] = []

    def recent(self, patient_id: str) -> list[Taken]:
        """A patient's last readings, by which a repeated one is known."""
        known = self.patients.get(patient_id, Patient()).held
        return [reading for reading, _ in known[-RECENT:]]

    def apply(self, reading: Taken, *, arrived_at: int, stood: tuple[int, int]) -> None:
        """One reading; `stood` is the original partition and offset of its message."""
        if any(
            each.name == reading.name and each.version >= reading.version
            for each in self.recent(reading.patient)
        ):
            return
        patient = self.patients[reading.patient]
        taken_at = at(reading.minute)
        late = arrived_at - taken_at > 15 * MINUTE
        late |= patient.last is not None and taken_at < patient.last.taken_at
        found = tags(reading)
        bits = sum(1 << bit for bit, wrong in enumerate(found.values()) if wrong)
        kept = Kept(
            int(reading.document_id[:16], 16),
            reading.version,
            taken_at,
            reading.systolic,
            reading.diastolic,
            late,
            bits | (AGGREGATE if reading.aggregate else 0),
        )
        patient.held.append((reading, kept))
        patient.stood = stood
        words = [word for word, wrong in found.items() if wrong]
        self.documents.append(Written(reading.name, reading.version, late, tuple(words), stood))
        if reading.aggregate:
            return
        patient.counters.update(["readings", *words])
        if words:
            hyper = any(word.startswith("hypertension") for word in words)
            patient.counters.update(["anomalies", "hypertension" if hyper else "hypotension"])
        if patient.last is None or taken_at >= patient.last.taken_at:
            patient.last = kept

    def states(self) -> dict[str, State]:
        return {name: patient.state() for name, patient in self.patients.items()}


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
