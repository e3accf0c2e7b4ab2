"""Readings, and what was judged of them, as documents: columns in, one line of JSON each out."""

from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.categories import CATEGORY_NAMES, SEVERITY_NAMES
from bpstream.clinical.risk import RiskModel
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES
from bpstream.document import Coordinates, Document, Entry, ModelName, iso
from bpstream.reading import Flag, Kind, Readings, Series

_RISK_DIGITS = 6

_encode = msgspec.json.Encoder().encode
_KINDS = [kind.name.lower() for kind in Kind]
_SERIES = [series.name.lower() for series in Series]


@dataclass(slots=True)
class Judged:
    """What the rules and the model say of each reading; every column has shape ``(n,)``."""

    judged: NDArray[np.bool_]
    """Whether the rules apply: not to an aggregate, and not to a child."""
    tags: NDArray[np.uint8]
    """`rules.Tag`; 0 where the rules do not apply."""
    category: NDArray[np.int8]
    severity: NDArray[np.int8]
    mean: NDArray[np.float64]
    """Mean arterial pressure, mmHg: measured, else computed; NaN where it cannot be."""
    pulse: NDArray[np.float64]
    risk: NDArray[np.float64]
    """0..1; NaN where the model cannot judge the reading."""


def encode(
    readings: Readings,
    judged: Judged,
    *,
    topic: str,
    partition: NDArray[np.int32],
    offset: NDArray[np.int64],
    model: RiskModel,
    now: int,
) -> list[Entry]:
    """The document of every reading.  `now` is in µs since 1970 UTC."""
    ingested_at = iso(now)
    model_name = ModelName(model.name, model.version)
    columns = zip(
        readings.patient_id,
        readings.document_id,
        readings.details,
        readings.taken_at.tolist(),
        _timestamps(readings.taken_at),
        _measured(readings.systolic),
        _measured(readings.diastolic),
        readings.flags.tolist(),
        readings.kind.tolist(),
        readings.series.tolist(),
        readings.version.tolist(),
        judged.judged.tolist(),
        judged.tags.tolist(),
        judged.category.tolist(),
        judged.severity.tolist(),
        _measured(np.round(judged.mean, 2)),
        _measured(np.round(judged.pulse, 2)),
        _measured(np.round(judged.risk, _RISK_DIGITS)),
        partition.tolist(),
        offset.tolist(),
        strict=True,
    )
    entries = []
    for (
        patient_id,
        document_id,
        details,
        taken_at,
        timestamp,
        systolic,
        diastolic,
        flags,
        kind,
        series,
        version,
        is_judged,
        tags,
        category,
        severity,
        mean,
        pulse,
        risk,
        at_partition,
        at_offset,
    ) in columns:
        document = Document(
            timestamp=timestamp,
            patient_id=patient_id,
            systolic_pressure=systolic,
            diastolic_pressure=diastolic,
            anomaly_type=ANOMALY_TYPES[tags] if is_judged else None,
            anomaly_details=TAG_NAMES[tags],
            ml_risk_score=risk,
            at_timestamp=timestamp,
            ml_prediction=None if risk is None else int(risk >= 0.5),
            mean_arterial_pressure=mean,
            pulse_pressure=pulse,
            category=CATEGORY_NAMES[category],
            severity=SEVERITY_NAMES[severity],
            kind=_KINDS[kind],
            series=_SERIES[series],
            flags=_flag_names(flags),
            document_id=document_id,
            version=version,
            kafka=Coordinates(topic, at_partition, at_offset),
            original_time=details.original_time,
            ingested_at=ingested_at,
            observation_id=details.observation_id,
            practitioner_id=details.practitioner_id,
            model=None if risk is None else model_name,
            device=details.device,
            body_site=details.body_site,
            security_labels=details.security_labels,
            period=details.period,
        )
        entries.append(
            Entry(
                document_id,
                version,
                patient_id,
                details.practitioner_id,
                taken_at,
                _encode(document),
            )
        )
    return entries


def _timestamps(taken_at: NDArray[np.int64]) -> list[str]:
    return [f"{at}Z" for at in np.datetime_as_string(taken_at.view("M8[us]")).tolist()]


def _measured(values: NDArray[np.float64]) -> list[float | None]:
    """NaN, which JSON does not have, as None."""
    listed: list[float | None] = values.tolist()
    for position in np.flatnonzero(np.isnan(values)).tolist():
        listed[position] = None
    return listed


@lru_cache(maxsize=1024)
def _flag_names(flags: int) -> tuple[str, ...]:
    return tuple(Flag(flags).names())
