"""Readings, and what was judged of them, as documents: columns in, one line of JSON each out.

A line is what msgspec makes of a :class:`document.Document`, as a test holds it to, but is put
together of pieces, column by column.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from math import isnan

import numpy as np
from numpy.typing import NDArray

from bpstream import pieces
from bpstream.clinical.categories import CATEGORY_NAMES, SEVERITY_NAMES
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES
from bpstream.clinical.models.early_warning import MOST_REASONS, Reason, Reasons
from bpstream.clinical.models.model import Model
from bpstream.clinical.rules import ANOMALY_TYPES, TAG_NAMES
from bpstream.document import Comparators, Entry, iso
from bpstream.reading import Details, Flag, Kind, Readings, Series

_RISK_DIGITS = 6

# A named tuple's own constructor is written in Python.
_entry = partial(tuple.__new__, Entry)


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
    n, details, patient_ids = len(readings), readings.details, readings.patient_id
    practitioners = [each.practitioner_id for each in details]
    moments = _moments(readings.taken_at)
    scored = np.flatnonzero(~np.isnan(judged.risk))
    named = pieces.encode({"name": model.name, "version": model.version})
    before, after = _said(readings, judged)
    columns: list[pieces.Column] = [
        b'{"timestamp":"',
        moments,
        b'Z","patient_id":"',
        pieces.escaped(patient_ids),
        b'",',
        before,
        b',"@timestamp":"',
        moments,
        b'Z",',
        after,
        b',"document_id":"',
        map(str.encode, readings.document_id),
        b'","version":',
        pieces.whole(readings.version),
        b',"kafka":{"topic":%b,"partition":' % pieces.encode(topic),
        pieces.whole(partition),
        b',"offset":',
        pieces.whole(offset),
        b'},"original_time":"',
        pieces.escaped([each.original_time for each in details]),
        f'","ingested_at":"{iso(now)}"'.encode(),
        *pieces.optional("observation_id", [each.observation_id for each in details]),
        *pieces.optional("practitioner_id", practitioners),
        pieces.spread(b',"model":%b' % named, scored, n),
        *_early_warnings(judged.warning),
        *_reasons(judged.reasons, n),
        map(_rest, details),
        b"}",
    ]
    entries = zip(
        readings.document_id,
        readings.version.tolist(),
        patient_ids,
        practitioners,
        readings.taken_at.tolist(),
        pieces.joined(columns),
        strict=True,
    )
    return list(map(_entry, entries))


def _said(readings: Readings, judged: Judged) -> tuple[Iterable[bytes], Iterable[bytes]]:
    """The fields before and after the second timestamp; they depend on the pressures alone."""
    said = _SAID.of(
        readings.systolic,
        readings.diastolic,
        np.round(judged.mean, 2),
        np.round(judged.pulse, 2),
        np.round(judged.risk, _RISK_DIGITS),
        judged.judged,
        judged.tags,
        judged.category,
        judged.severity,
        readings.kind,
        readings.series,
        readings.flags,
    )
    return [before for before, _ in said], [after for _, after in said]


def _render_said(  # noqa: PLR0917 - mapped over columns
    systolic: float,
    diastolic: float,
    mean: float,
    pulse: float,
    risk: float,
    is_judged: bool,
    tags: int,
    category: int,
    severity: int,
    kind: int,
    series: int,
    flags: int,
) -> tuple[bytes, bytes]:
    # msgspec writes NaN, which JSON does not have, as null.
    before = {
        "systolic_pressure": systolic,
        "diastolic_pressure": diastolic,
        "anomaly_type": ANOMALY_TYPES[tags] if is_judged else None,
        "anomaly_details": TAG_NAMES[tags],
        "ml_risk_score": risk,
    }
    after = {
        "ml_prediction": None if isnan(risk) else int(risk >= 0.5),
        "mean_arterial_pressure": mean,
        "pulse_pressure": pulse,
        "category": CATEGORY_NAMES[category],
        "severity": SEVERITY_NAMES[severity],
        "kind": Kind(kind).name.lower(),
        "series": Series(series).name.lower(),
        "flags": Flag(flags).names(),
    }
    return pieces.encode(before)[1:-1], pieces.encode(after)[1:-1]


def _render_reason(target: int, feature: int, value: float, contribution: float) -> bytes:
    """With a comma before it; nothing for what is no reason."""
    if contribution <= 0:
        return b""
    return b",%b" % pieces.encode(Reason(TARGETS[target], FEATURES[feature], value, contribution))


_SAID, _REASONS = pieces.Rendered(_render_said), pieces.Rendered(_render_reason)


def _early_warnings(warning: NDArray[np.float64]) -> list[pieces.Column]:
    known = np.flatnonzero(~np.isnan(warning[0]))
    hypotension, low_map, severe = map(pieces.numbers, np.round(warning[:, known], _RISK_DIGITS))
    columns: list[pieces.Column] = [
        b',"early_warning":{"hypotension":',
        hypotension,
        b',"low_map":',
        low_map,
        b',"severe":',
        severe,
        b"}",
    ]
    return [pieces.spread(each, known, warning.shape[1]) for each in columns]


def _reasons(why: Reasons, n: int) -> list[pieces.Column]:
    first, *others = (
        _REASONS.of(why.target, why.feature[:, nth], why.value[:, nth], why.contribution[:, nth])
        for nth in range(MOST_REASONS)
    )
    without_comma = [each[1:] for each in first]
    columns: list[pieces.Column] = [b',"early_warning_reasons":[', without_comma, *others, b"]"]
    return [pieces.spread(each, why.at, n) for each in columns]


def _rest(details: Details) -> bytes:
    """What most Observations do not have."""
    if not (
        details.device
        or details.body_site
        or details.security_labels
        or details.period
        or details.comparators
        or details.source
        or details.identifier
    ):
        return b""
    bounds = details.comparators and Comparators(*(each or None for each in details.comparators))
    found = {
        "device": details.device,
        "body_site": details.body_site,
        "security_labels": details.security_labels or None,
        "period": details.period,
        "comparators": bounds,
        "source": details.source,
        "identifier": details.identifier,
    }
    return b",%b" % pieces.encode({name: it for name, it in found.items() if it is not None})[1:-1]


def _moments(taken_at: NDArray[np.int64]) -> list[bytes]:
    """Microseconds since 1970 UTC as ISO 8601, without the zone."""
    moments: list[bytes] = taken_at.view("M8[us]").astype("S26").tolist()
    return moments


def timestamps(taken_at: NDArray[np.int64]) -> list[str]:
    """Microseconds since 1970 UTC as ISO 8601."""
    return [f"{moment.decode()}Z" for moment in _moments(taken_at)]


def measured(values: NDArray[np.float64]) -> list[float | None]:
    """NaN, which JSON does not have, as None."""
    listed: list[float | None] = values.tolist()
    for position in np.flatnonzero(np.isnan(values)).tolist():
        listed[position] = None
    return listed
