"""The job of every peer, and what tells that it was done: one that did less is not compared."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, NamedTuple, Self

from bpstream.clinical import rules
from bpstream.patients import COUNTERS, Patients

# The worker keeps scores in four bytes.
_SCORE_TOLERANCE = 1e-5


class NoResult(Exception):
    """There is nothing to compare; the message says why."""


class Patient(NamedTuple):
    """What a peer keeps of a patient; a score is worked out for every reading."""

    readings: int = 0
    anomalies: int = 0
    risk: float = math.nan
    """Of the newest reading; NaN where its systolic is not above its diastolic pressure,
    because bpstream gives such a reading no score."""


def is_anomaly(systolic: float, diastolic: float) -> bool:
    """The rules of `bpstream.clinical.rules` for one reading, as a loop applies them."""
    return (
        systolic > rules.HYPERTENSION_SYSTOLIC_ABOVE
        or systolic < rules.HYPOTENSION_SYSTOLIC_BELOW
        or diastolic > rules.HYPERTENSION_DIASTOLIC_ABOVE
        or diastolic < rules.HYPOTENSION_DIASTOLIC_BELOW
    )


def tags_of(systolic: float, diastolic: float) -> list[str]:
    """The same, as a document names what was found; empty for a normal reading."""
    tags = []
    if systolic > rules.HYPERTENSION_SYSTOLIC_ABOVE:
        tags.append("hypertension_systolic")
    if systolic < rules.HYPOTENSION_SYSTOLIC_BELOW:
        tags.append("hypotension_systolic")
    if diastolic > rules.HYPERTENSION_DIASTOLIC_ABOVE:
        tags.append("hypertension_diastolic")
    if diastolic < rules.HYPOTENSION_DIASTOLIC_BELOW:
        tags.append("hypotension_diastolic")
    return tags


def after(patient: Patient, systolic: float, diastolic: float, risk: float) -> Patient:
    """`patient` with one more reading counted."""
    return Patient(
        patient.readings + 1,
        patient.anomalies + is_anomaly(systolic, diastolic),
        risk if systolic > diastolic else math.nan,
    )


@dataclass(frozen=True)
class Kept:
    """What a store holds at the end."""

    count: int = 0
    hash: str = ""
    """Of the documents, in any order; empty: none was looked at."""


class Tally:
    """Documents, one after the other, as :class:`Kept`."""

    def __init__(self) -> None:
        self._count = self._sum = 0

    def add(
        self, patient: str, taken_at: str, systolic: float, diastolic: float, tags: Sequence[str]
    ) -> None:
        """One more document.  `taken_at` is in UTC, however its zone is written."""
        moment = taken_at[: len("2026-01-29T21:32:51.619300")]
        line = f"{patient} {moment} {systolic:g} {diastolic:g} {' '.join(sorted(tags))}"
        self._count += 1
        self._sum += int.from_bytes(sha256(line.encode()).digest()[:8], "little")

    def kept(self) -> Kept:
        """Of all that were added."""
        return Kept(self._count, f"{self._sum % 2**64:016x}")


@dataclass(frozen=True)
class Job:
    """The checksum of a run: what was counted, and the scores."""

    counted: int
    """The sum of the patients' counts of readings."""
    anomalies: int
    patients: int
    counts: str
    """A hash of every patient's two counts."""
    risk: float
    """The sum of the patients' newest scores, without NaN."""
    indexed: Kept = Kept()
    archived: Kept = Kept()
    """What the stores hold; nothing where the peer has none."""

    @classmethod
    def of(cls, patients: Mapping[str, Patient]) -> Self:
        """The checksum of what a peer holds at the end, by patient id."""
        lines = sorted(f"{who} {each[0]} {each[1]}" for who, each in patients.items())
        readings, anomalies, risks = zip(*patients.values(), strict=True)
        return cls(
            counted=sum(readings),
            anomalies=sum(anomalies),
            patients=len(patients),
            counts=sha256("\n".join(lines).encode()).hexdigest()[:16],
            risk=math.fsum(_known(risks)),
        )

    @classmethod
    def of_rows(cls, partitions: Iterable[Patients]) -> Self:
        """The checksum of bpstream's own state, by partition."""
        patients = {}
        for partition in partitions:
            counters, risks = partition.rows["counters"], partition.rows["risk"]
            for who, counted, risk in zip(
                partition, counters.tolist(), risks.tolist(), strict=True
            ):
                by_name = dict(zip(COUNTERS, counted, strict=True))
                patients[who] = Patient(by_name["readings"], by_name["anomalies"], risk)
        return cls.of(patients)

    def without_stores(self) -> Self:
        """The job of a peer that stores nothing."""
        return replace(self, indexed=Kept(), archived=Kept())

    def differences(self, other: "Job") -> list[str]:
        """The fields in which the two are not the same job."""
        mine, its = asdict(self), asdict(other)
        return [name for name in mine if not _same(mine[name], its[name])]


def _known(risks: Iterable[float]) -> list[float]:
    return [risk for risk in risks if not math.isnan(risk)]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=_SCORE_TOLERANCE)
    return bool(one == other)
