"""Readings, and what was judged of them, as documents: columns in, one line of JSON each out."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bpstream.clinical.categories import CATEGORY_NAMES, SEVERITY_NAMES
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.early_warning import MOST_REASONS, Reason, Reasons
from bpstream.clinical.models.model import Model
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES
from bpstream.document import (
    Comparators,
    Coordinates,
    Document,
    EarlyWarning,
    Entry,
    ModelName,
    iso,
)
from bpstream.reading import Flag, Kind, Readings, Series
from bpstream.rendered import Rendered

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
    warning: NDArray[np.float64]
    """Of each target, 0..1; NaN where nothing can be said of the next reading: shape ``(3, n)``."""
    reasons: Reasons
    """Why warnings are high."""
    deviation: NDArray[np.float64]
    """From the patient's usual, in that patient's standard deviations; NaN where none is known."""
    failure: Exception | None = None
    """What went wrong with the model, if anything did: then it says nothing of any reading."""

    def observed(self, readings: Readings) -> dict[str, NDArray[np.float64]]:
        """What the model was given and what it said, by column, where it said anything."""
        scored = ~np.isnan(self.risk)
        return {
            "systolic": readings.systolic[scored],
            "diastolic": readings.diastolic[scored],
            "risk": self.risk[scored],
            **dict(zip(TARGETS, self.warning, strict=True)),
        }


def encode(
    readings: Readings,
    judged: Judged,
    *,
    topic: str,
    partition: NDArray[np.int32],
    offset: NDArray[np.int64],
    model: Model,
    now: int,
) -> list[Entry]:
    """The document of every reading.  `now` is in µs since 1970 UTC."""
    details = readings.details
    tags = judged.tags.tolist()
    moments = timestamps(readings.taken_at)
    risk = measured(np.round(judged.risk, _RISK_DIGITS))
    model_name = ModelName(model.name, model.version)
    columns: dict[str, Iterable[Any]] = {
        "timestamp": moments,
        "patient_id": readings.patient_id,
        "systolic_pressure": measured(readings.systolic),
        "diastolic_pressure": measured(readings.diastolic),
        "anomaly_type": [
            ANOMALY_TYPES[each] if is_judged else None
            for each, is_judged in zip(tags, judged.judged.tolist(), strict=True)
        ],
        "anomaly_details": map(TAG_NAMES.__getitem__, tags),
        "ml_risk_score": risk,
        "at_timestamp": moments,
        "ml_prediction": [None if each is None else int(each >= 0.5) for each in risk],
        "mean_arterial_pressure": measured(np.round(judged.mean, 2)),
        "pulse_pressure": measured(np.round(judged.pulse, 2)),
        "category": map(CATEGORY_NAMES.__getitem__, judged.category.tolist()),
        "severity": map(SEVERITY_NAMES.__getitem__, judged.severity.tolist()),
        "kind": map(_KINDS.__getitem__, readings.kind.tolist()),
        "series": map(_SERIES.__getitem__, readings.series.tolist()),
        "flags": map(_flag_names, readings.flags.tolist()),
        "document_id": readings.document_id,
        "version": readings.version.tolist(),
        "kafka": map(Coordinates, repeat(topic), partition.tolist(), offset.tolist()),
        "original_time": [each.original_time for each in details],
        "ingested_at": repeat(iso(now)),
        "observation_id": [each.observation_id for each in details],
        "practitioner_id": [each.practitioner_id for each in details],
        "model": [None if each is None else model_name for each in risk],
        "early_warning": _early_warnings(judged.warning),
        "early_warning_reasons": _reasons(judged.reasons, len(readings)),
        "device": [each.device for each in details],
        "body_site": [each.body_site for each in details],
        "security_labels": [each.security_labels for each in details],
        "period": [each.period for each in details],
        "comparators": [each.comparators and _bounds(each.comparators) for each in details],
        "source": [each.source for each in details],
        "identifier": [each.identifier for each in details],
    }
    # By position, in the order of the fields: by name costs eight times as much.
    documents = map(Document, *(columns[name] for name in Document.__struct_fields__))
    return list(
        map(
            Entry,
            readings.document_id,
            readings.version.tolist(),
            readings.patient_id,
            [each.practitioner_id for each in details],
            readings.taken_at.tolist(),
            map(_encode, documents),
        )
    )


def _early_warnings(warning: NDArray[np.float64]) -> list[EarlyWarning | None]:
    told: list[EarlyWarning | None] = [None] * warning.shape[1]
    known = np.flatnonzero(~np.isnan(warning[0]))
    rounded = np.round(warning[:, known], _RISK_DIGITS).tolist()
    for at, *probabilities in zip(known.tolist(), *rounded, strict=True):
        told[at] = EarlyWarning(*probabilities)
    return told


def _reasons(why: Reasons, n: int) -> list[tuple[Reason, ...]]:
    told: list[tuple[Reason, ...]] = [()] * n
    if len(why.at):
        nth = (
            _REASONS.of(why.target, *(column[:, nth] for column in why[2:]))
            for nth in range(MOST_REASONS)
        )
        for at, reasons in zip(why.at.tolist(), zip(*nth, strict=True), strict=True):
            told[at] = reasons if reasons[-1] else tuple(filter(None, reasons))
    return told


def _reason(target: int, feature: int, value: float, contribution: float) -> Reason | None:
    if contribution <= 0:
        return None
    return Reason(TARGETS[target], FEATURES[feature], value, contribution)


_REASONS = Rendered(_reason)


def timestamps(taken_at: NDArray[np.int64]) -> list[str]:
    """Microseconds since 1970 UTC as ISO 8601."""
    return [f"{at}Z" for at in taken_at.view("M8[us]").astype("U26").tolist()]


def measured(values: NDArray[np.float64]) -> list[float | None]:
    """NaN, which JSON does not have, as None."""
    listed: list[float | None] = values.tolist()
    for position in np.flatnonzero(np.isnan(values)).tolist():
        listed[position] = None
    return listed


def _bounds(comparators: tuple[str, str, str]) -> Comparators:
    return Comparators(*(each or None for each in comparators))


@lru_cache(maxsize=1024)
def _flag_names(flags: int) -> tuple[str, ...]:
    return tuple(Flag(flags).names())
