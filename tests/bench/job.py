"""The job of every peer, and what tells that it was done: one that did less is not compared."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
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


def after(patient: Patient, systolic: float, diastolic: float, risk: float) -> Patient:
    """`patient` with one more reading counted."""
    return Patient(
        patient.readings + 1,
        patient.anomalies + is_anomaly(systolic, diastolic),
        risk if systolic > diastolic else math.nan,
    )


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
